//! AVIF: that its pixels are read however they are coded, and that none brings anything down.

use std::fs;

use image::GenericImageView;
use serde_json::{Value, json};

use crate::harness::{
    camera::{PLACE, contains, fields, seen, strange_avif},
    each,
    files::{bytes, kept, uploads},
    machine,
    server::TestServer,
};

/// A file that is shipped.
pub fn shipped(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/avif/{name}.avif", env!("CARGO_MANIFEST_DIR"))).expect("it is shipped")
}

#[tokio::test]
async fn one_that_is_coded_in_another_way_tells_its_size_and_nothing_else() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let taken = strange_avif(640, 480);
    assert!(contains(&taken, PLACE));

    let uploaded = uploads(&ada, &group, "photo.avif", &taken).await.expect(201);

    assert_eq!((&uploaded["kind"], &uploaded["mime_type"]), (&json!("image"), &json!("image/avif")));
    assert_eq!((&uploaded["width"], &uploaded["height"]), (&json!(640), &json!(480)));
    assert_eq!((uploaded.get("thumbnail_url"), uploaded.get("blurhash")), (None, None));
    let served = bytes(&server.client, &uploaded["url"]).await;
    assert_eq!(served.len(), taken.len());
    assert!(!contains(&served, PLACE));
    uploads(&ada, &group, "wide.avif", &strange_avif(50_000, 50_000)).await.refused_for("file");
    uploads(&ada, &group, "half.avif", &taken[..taken.len() - 1]).await.refused_for("file");
}

#[tokio::test]
async fn every_other_has_smaller_pictures_as_it_is_shown() {
    // One is large.
    let _machine = machine::most().await;
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for (name, size, blurred, small) in [
        ("fields", (400, 200), 'L', Some((320, 160))),
        ("odd", (401, 200), 'L', Some((320, 160))),
        ("large", (4_200, 4_000), 'L', Some((320, 305))),
        // What moves has a still one beside it, however small it is.
        ("moving", (64, 32), 'L', Some((64, 32))),
        ("grid", (512, 256), 'L', Some((320, 160))),
        ("444-12-limited", (401, 201), 'L', Some((320, 160))),
        ("identity", (401, 201), 'L', Some((320, 160))),
        ("turned-1", (201, 401), 'T', None),
        ("cut", (200, 100), 'L', None),
    ] {
        let uploaded = uploads(&ada, &group, "picture.avif", &shipped(name)).await.expect(201);

        assert_eq!((&uploaded["width"], &uploaded["height"]), (&json!(size.0), &json!(size.1)), "{name}");
        assert!(uploaded["blurhash"].as_str().is_some_and(|hash| hash.starts_with(blurred)), "{name}: {uploaded:#}");
        assert_eq!(bytes(&server.client, &uploaded["url"]).await.len(), shipped(name).len(), "{name}");
        assert_eq!(uploaded.get("thumbnail_url").is_some(), small.is_some(), "{name}");
        if let Some(small) = small {
            let thumbnail = seen(&bytes(&server.client, &uploaded["thumbnail_url"]).await);
            assert_eq!(thumbnail.dimensions(), small, "{name}");
            assert_eq!(fields(&thumbnail), "rgbw", "{name}");
        }
    }
}

#[tokio::test]
async fn what_shows_through_one_shows_through_smaller_ones() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    let uploaded = uploads(&ada, &group, "logo.avif", &shipped("through")).await.expect(201);

    let small = seen(&bytes(&server.client, &uploaded["thumbnail_url"]).await);
    assert_eq!([(80, 40), (80, 120), (240, 120)].map(|(x, y)| small.get_pixel(x, y).0[3]), [0, 255, 255]);
    assert!((120..136).contains(&small.get_pixel(240, 40).0[3]), "half");
}

#[tokio::test]
async fn a_damaged_one_is_refused_and_the_server_goes_on() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let good = shipped("fields");
    let pixels = good.windows(4).position(|name| name == b"mdat").expect("it has pixels") + 4;
    let size = good.windows(4).position(|name| name == b"ispe").expect("it has a size") + 8;
    let changed = |at: usize, to: &[u8]| [&good[..at], to, &good[at + to.len()..]].concat();

    for (name, damaged) in [
        ("empty.avif", changed(pixels, &vec![0; good.len() - pixels])),
        ("noise.avif", changed(pixels + 30, &[0xa5; 40])),
        ("smaller.avif", changed(size + 2, &[0, 100])),
        ("half.avif", good[..good.len() - 40].to_vec()),
    ] {
        let problem = uploads(&ada, &group, name, &damaged).await.refused_for("file");
        let codes = each(&problem["errors"], "code");
        assert!(codes == [&json!("broken")] || codes == [&json!("truncated")], "{name}: {codes:?}");
    }
    assert_eq!(kept(&server), 0, "nothing is kept of what is refused");
    for at in (0..good.len()).step_by(7) {
        let reply = uploads(&ada, &group, "changed.avif", &changed(at, &[!good[at]])).await;
        assert!([201, 415, 422].contains(&reply.status), "{at}: {}", reply.status);
    }
    let uploaded: Value = uploads(&ada, &group, "good.avif", &good).await.expect(201);
    assert!(uploaded.get("blurhash").is_some());
}
