//! Pictures that would take all memory or time, and those that are not what they begin as.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join;
use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};

use crate::harness::{
    camera::{coded, four_fields, jpeg, noise, png_chunk},
    each,
    files::{kept, uploads},
    machine,
    server::TestServer,
};

/// A PNG that says that it has so many pixels, of eight bytes each, and has one.
fn png_of(width: u32, height: u32) -> Vec<u8> {
    let plain = coded(&four_fields(1, 1), ImageFormat::Png);
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    [&plain[..8], &png_chunk(b"IHDR", &header), &plain[8 + 25..]].concat()
}

/// A GIF of a pixel on a screen of this size, which moves for so many frames.
fn gif_of(side: u16, frames: usize) -> Vec<u8> {
    let side = side.to_le_bytes();
    let header = [b"GIF89a", &side[..], &side, b"\x80\0\0\0\0\0\xff\xff\xff"].concat();
    [header, b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0".repeat(frames), b";".to_vec()].concat()
}

/// A JPEG whose scan comes again and again.
fn endless_jpeg() -> Vec<u8> {
    let plain = jpeg(&four_fields(8, 8), 90);
    let scan = plain.windows(2).position(|two| two == [0xff, 0xda]).expect("it has a scan");
    let end = plain.len() - 2;
    [&plain[..end], &plain[scan..end].repeat(1_000), &plain[end..]].concat()
}

#[tokio::test]
async fn what_would_take_all_memory_or_time_is_refused_with_the_reason() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let (jpeg, png) = (jpeg(&noise(300, 200), 90), coded(&noise(300, 200), ImageFormat::Png));
    let webp = coded(&noise(300, 200), ImageFormat::WebP);
    let canvas = b"RIFF\x2c\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xff\xff\xff\xff\xff\xffANIM\x06\0\0\0\0\0\0\0\0\0";

    for (name, bomb, reason) in [
        ("wide.png", png_of(50_000, 50_000), "too_many_pixels"),
        ("deep.png", png_of(12_000, 4_000), "too_many_pixels"),
        ("none.png", png_of(0, 0), "broken"),
        ("empty.png", png_of(1_000, 1_000), "broken"),
        ("screen.gif", gif_of(u16::MAX, 1), "too_many_pixels"),
        ("endless.gif", gif_of(1, 100_000), "too_many_frames"),
        ("endless.jpg", endless_jpeg(), "too_slow"),
        ("canvas.webp", canvas.to_vec(), "truncated"),
        ("half.jpg", jpeg[..jpeg.len() / 2].to_vec(), "truncated"),
        ("half.png", png[..png.len() / 2].to_vec(), "truncated"),
        ("half.webp", webp[..webp.len() / 2].to_vec(), "truncated"),
        ("half.gif", gif_of(1, 3)[..40].to_vec(), "truncated"),
        ("head.jpg", jpeg[..4].to_vec(), "truncated"),
        ("other.png", [&png[..40], &[0; 60], &png[100..]].concat(), "broken"),
    ] {
        let problem = uploads(&ada, &group, name, &bomb).await.refused_for("file");
        assert_eq!(each(&problem["errors"], "code"), [&json!(reason)], "{name}");
    }

    assert_eq!(kept(&server), 0, "nothing is kept of what is refused");
    uploads(&ada, &group, "good.jpg", &jpeg).await.expect(201);
    uploads(&ada, &group, "good.png", &png).await.expect(201);
}

#[tokio::test]
async fn messages_go_on_while_large_pictures_are_looked_at() {
    let _machine = machine::most().await;
    let server = TestServer::with(|settings| settings.attachment_bytes = 64 * 1024 * 1024).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let large: Vec<_> = (0..3)
        .map(|nth| {
            let mut picture = RgbImage::new(2_500, 2_500);
            picture.put_pixel(nth, nth, image::Rgb([255; 3]));
            coded(&picture, ImageFormat::Png)
        })
        .collect();
    let is_done = AtomicBool::new(false);

    let looking = async {
        for picture in &large {
            uploads(&bob, &group, "large.png", picture).await.expect(201);
        }
        is_done.store(true, Ordering::Relaxed);
    };
    let talking = async {
        let mut said = Vec::new();
        while !is_done.load(Ordering::Relaxed) {
            said.push(ada.says(&group, "Hello").await);
        }
        said
    };
    let ((), said): ((), Vec<Value>) = join(looking, talking).await;

    assert!(said.len() > 20, "only {} messages were sent meanwhile", said.len());
}
