//! What is kept of pictures: that it tells nothing of who took them, stands upright, has smaller ones, and goes with them.

use image::{AnimationDecoder, DynamicImage, GenericImageView, ImageFormat, codecs};
use serde_json::json;

use crate::harness::{
    camera::{
        AUTHOR, PLACE, coded, contains, fields, four_fields, jpeg, moving_gif, moving_webp, noise, photo,
        png_with_words, seen, webp_with_words,
    },
    directory::Directory,
    each,
    files::{bytes, keeps_only, kept, read, uploads},
    id, machine, new_id,
};

#[tokio::test]
async fn what_a_camera_says_is_gone_and_the_picture_stands_upright() {
    let server = super::server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let picture = four_fields(120, 60);
    let (jpeg, png) = (jpeg(&picture, 90), coded(&picture, ImageFormat::Png));
    let webp = coded(&picture, ImageFormat::WebP);

    for (orientation, size, upright) in [(1, (120, 60), "rgbw"), (3, (120, 60), "wbgr"), (6, (60, 120), "brwg")] {
        for (name, taken) in [
            ("photo.jpg", photo(&jpeg, orientation)),
            ("photo.png", png_with_words(&png, orientation)),
            ("photo.webp", webp_with_words(&webp, (120, 60), orientation)),
        ] {
            let said = || format!("{name} held as {orientation}");
            assert!(contains(&taken, PLACE) && contains(&taken, AUTHOR), "{}", said());

            let uploaded = uploads(&ada, &group, name, &taken).await.expect(201);

            let served = bytes(&server.client, &uploaded["url"]).await;
            assert!(!contains(&served, PLACE) && !contains(&served, AUTHOR), "{}", said());
            assert_eq!(uploaded["size"], served.len(), "{}", said());
            assert_eq!((&uploaded["width"], &uploaded["height"]), (&json!(size.0), &json!(size.1)), "{}", said());
            let shown = seen(&served);
            assert_eq!((shown.dimensions(), fields(&shown).as_str()), (size, upright), "{}", said());
            if orientation == 1 {
                assert_eq!(shown, seen(&taken), "{}: no pixel is lost where none has to be", said());
            }
        }
    }
}

#[tokio::test]
async fn smaller_pictures_are_there_at_once_where_there_is_something_to_make_smaller() {
    let _machine = machine::most().await;
    let server = super::server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for (size, thumbnail, preview) in [
        ((1200, 800), Some((320, 213)), Some((960, 640))),
        ((961, 2000), Some((320, 666)), Some((960, 1998))),
        ((960, 10), Some((320, 3)), None),
        ((321, 1), Some((320, 1)), None),
        ((320, 900), None, None),
    ] {
        let picture = coded(&four_fields(size.0, size.1), ImageFormat::Png);
        let uploaded = uploads(&ada, &group, "picture.png", &picture).await.expect(201);

        assert_eq!((&uploaded["width"], &uploaded["height"]), (&json!(size.0), &json!(size.1)));
        assert!(uploaded["blurhash"].as_str().is_some_and(|hash| hash.len() > 6), "{uploaded:#}");
        for (field, wanted) in [("thumbnail_url", thumbnail), ("preview_url", preview)] {
            let Some(wanted) = wanted else {
                assert_eq!(uploaded.get(field), None, "{size:?}");
                continue;
            };
            let small = bytes(&server.client, &uploaded[field]).await;
            assert_eq!(image::guess_format(&small).ok(), Some(ImageFormat::WebP));
            assert_eq!(seen(&small).dimensions(), wanted, "{field} of {size:?}");
            assert_eq!(read(&server.client, &uploaded[field], &[]).await.header("content-type"), "image/webp");
        }
    }
}

#[tokio::test]
async fn what_shows_through_stays_so() {
    let server = super::server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut picture = DynamicImage::ImageRgb8(four_fields(400, 300)).into_rgba8();
    picture.pixels_mut().take(400 * 150).for_each(|pixel| pixel.0[3] = 0);
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).expect("it is a picture");

    let uploaded = uploads(&ada, &group, "logo.png", &png.into_inner()).await.expect(201);

    let served = seen(&bytes(&server.client, &uploaded["url"]).await);
    let small = seen(&bytes(&server.client, &uploaded["thumbnail_url"]).await);
    assert_eq!(served.to_rgba8(), picture);
    assert_eq!((small.get_pixel(10, 10).0[3], small.get_pixel(10, 230).0[3]), (0, 255));
}

#[tokio::test]
async fn what_moves_goes_on_moving_and_has_a_still_one_beside_it() {
    let server = super::server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for (name, moving) in [("cat.gif", moving_gif(400, 300, 5)), ("cat.webp", moving_webp(400, 300, 5))] {
        assert!(contains(&moving, AUTHOR), "{name}");

        let uploaded = uploads(&ada, &group, name, &moving).await.expect(201);

        let served = bytes(&server.client, &uploaded["url"]).await;
        assert!(!contains(&served, AUTHOR) && !contains(&served, PLACE), "{name}");
        let input = std::io::Cursor::new(&served);
        let frames = match name {
            "cat.gif" => codecs::gif::GifDecoder::new(input).expect("it is a GIF").into_frames().count(),
            _ => codecs::webp::WebPDecoder::new(input).expect("it is a WebP").into_frames().count(),
        };
        assert_eq!(frames, 5, "{name}");
        assert_eq!((&uploaded["width"], &uploaded["height"]), (&json!(400), &json!(300)), "{name}");
        let still = bytes(&server.client, &uploaded["thumbnail_url"]).await;
        assert_eq!(seen(&still).dimensions(), (320, 240), "{name}");
        assert!(!contains(&still, "ANIM"), "{name}");
    }
    let small = uploads(&ada, &group, "dot.gif", &moving_gif(20, 10, 3)).await.expect(201);
    let still = bytes(&server.client, &small["thumbnail_url"]).await;
    assert_eq!(seen(&still).dimensions(), (20, 10), "a small one has a still one, too");
}

#[tokio::test]
async fn large_pictures_are_made_smaller_unless_the_rules_keep_them() {
    let _machine = machine::most().await;
    let large = photo(&jpeg(&noise(5000, 400), 95), 1);
    let directory = Directory::create();
    let file = directory.path().join("rules.toml");
    let rules = include_str!("../../../policies/open.toml");
    std::fs::write(&file, format!("{rules}\n[pictures]\nkeep_originals = true\n")).expect("there is room");
    let server = super::server().await;
    let keeping = super::server_with(|settings| settings.policy_file = Some(file)).await;

    for (server, width) in [(&server, 4096), (&keeping, 5000)] {
        let ada = server.person("ada").await;
        let group = ada.opens_group_with([]).await;

        let uploaded = uploads(&ada, &group, "large.jpg", &large).await.expect(201);

        assert_eq!((&uploaded["width"], &uploaded["mime_type"]), (&json!(width), &json!("image/jpeg")));
        let served = bytes(&server.client, &uploaded["url"]).await;
        assert_eq!(seen(&served).width(), width);
        assert_eq!(uploaded["size"], served.len());
        assert!(!contains(&served, PLACE) && !contains(&served, AUTHOR));
        let is_smaller = served.len() < large.len() * 3 / 4;
        assert_eq!(is_smaller, width == 4096);
    }
}

#[tokio::test]
async fn the_quota_counts_what_is_kept() {
    let plain = jpeg(&four_fields(100, 100), 90);
    let taken = photo(&plain, 1);
    let two = plain.len() as i64 * 2;
    assert!(two < taken.len() as i64 * 2);
    let server = super::server_with(|settings| settings.storage_quota_bytes = two).await;
    let ada = server.person("ada").await;
    let (here, there) = (ada.opens_group_with([]).await, ada.opens_group_with([]).await);

    let first = uploads(&ada, &here, "a.jpg", &taken).await.expect(201);
    assert_eq!(first["size"], plain.len());
    uploads(&ada, &here, "b.jpg", &taken).await.expect(201);
    uploads(&ada, &there, "c.jpg", &taken).await.refused(409, "limit_reached");
    ada.delete(&format!("/attachments/{}", id(&first))).await.expect(204);
    uploads(&ada, &there, "d.jpg", &taken).await.expect(201);
}

#[tokio::test]
async fn the_same_picture_is_looked_at_once_and_goes_with_all_that_was_made_of_it() {
    let server = super::server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let picture = photo(&jpeg(&four_fields(1000, 500), 90), 6);
    let file_id = new_id();

    let first = uploads(&ada, &group, "one.jpg", &picture).await.expect(201);
    let second = uploads(&bob, &group, "two.jpg", &picture).await.expect(201);
    assert_eq!(kept(&server), 2, "the picture and one that is smaller");
    for field in ["width", "height", "size", "blurhash"] {
        assert_eq!(first[field], second[field], "{field}");
    }
    assert_eq!(
        bytes(&server.client, &first["thumbnail_url"]).await,
        bytes(&server.client, &second["thumbnail_url"]).await
    );

    let message = json!({"id": file_id, "kind": "image", "attachment_ids": [id(&first)]});
    let sent = ada.sends(&group, message).await.expect(201);
    assert_eq!(sent["attachments"][0]["blurhash"], first["blurhash"]);
    bob.delete(&format!("/attachments/{}", id(&second))).await.expect(204);
    ada.deletes(&sent, "everyone").await.expect(200);
    server.clock.advance(chrono::Duration::minutes(1));
    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn smaller_pictures_are_for_those_who_may_see_the_large_one_and_go_along_when_it_is_forwarded() {
    let server = super::server().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let other = bob.opens_group_with([&eve]).await;
    let picture = coded(&four_fields(500, 500), ImageFormat::Png);
    let uploaded = uploads(&ada, &group, "picture.png", &picture).await.expect(201);
    let message = ada.sends(&group, json!({"attachment_ids": [id(&uploaded)]})).await.expect(201);
    let path = format!("/attachments/{}", id(&uploaded));

    bob.forwards(&message, [&other]).await.expect(201);
    ada.removes(&group, &bob).await.expect(204);

    bob.get(&path).await.refused(404, "not_found");
    let forwarded = eve.history(&other).await.pop().expect("it was forwarded");
    let copies = each(&forwarded["attachments"], "id");
    let eves = eve.get(&format!("/attachments/{}", copies[0].as_str().expect("an id"))).await.expect(200);
    assert_eq!((&eves["width"], &eves["blurhash"]), (&uploaded["width"], &uploaded["blurhash"]));
    assert_eq!(seen(&bytes(&server.client, &eves["thumbnail_url"]).await).dimensions(), (320, 320));
    eve.get(&path).await.refused(404, "not_found");
    ada.deletes(&message, "everyone").await.expect(200);
    bytes(&server.client, &eves["thumbnail_url"]).await;
}
