//! Avatars: how people and groups come to their pictures, who may give them, and that nothing is left of old ones.

use chrono::Duration;
use futures_util::future::join_all;
use image::{GenericImageView, ImageFormat};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{
        camera::{PLACE, contains, fields, four_fields, jpeg, moving_gif, photo, seen, strange_avif},
        client::perform,
        files::{bytes, form, gives_avatar, keeps_only, kept, read},
        id, new_id,
    },
    pictures::avif::shipped,
};

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n";

fn picture() -> Vec<u8> {
    photo(&jpeg(&four_fields(400, 200), 90), 6)
}

fn of(conversation: &str) -> String {
    format!("/conversations/{conversation}")
}

fn beside(url: &Value) -> Value {
    json!(url.as_str().expect("there is a URL").replace("256.webp", "64.webp"))
}

#[tokio::test]
async fn a_person_has_a_picture_in_two_sizes_for_everyone_to_keep() {
    let server = super::server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;

    let own = gives_avatar(&ada, "/users/me", "me.jpg", &picture()).await.expect(200);

    let url = &own["avatar_url"];
    for (url, side) in [(url, 256), (&beside(url), 64)] {
        let served = bytes(&server.client, url).await;
        assert_eq!(image::guess_format(&served).ok(), Some(ImageFormat::WebP));
        assert_eq!((seen(&served).dimensions(), fields(&seen(&served)).as_str()), ((side, side), "brwg"));
        assert!(!contains(&served, PLACE));
    }
    let reply = read(&server.client, url, &[]).await;
    assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!((reply.header("content-type"), reply.header("x-content-type-options")), ("image/webp", "nosniff"));
    let known = [("if-none-match", reply.header("etag"))];
    let known = read(&server.client, url, &known).await;
    assert_eq!((known.status, known.header("cache-control")), (304, reply.header("cache-control")));
    assert_eq!(&ada.get("/users/me").await.expect(200)["avatar_url"], url);
    assert_eq!(&bob.get(&format!("/users/{}", ada.id)).await.expect(200)["avatar_url"], url);
    assert_eq!(bob.get("/users?q=ada").await.expect(200)["items"][0]["avatar_url"], *url);
    assert_eq!(bob.get("/contacts").await.expect(200)["items"][0]["avatar_url"], *url);
    let shown = bob.sees(&group).await;
    let adas = shown["participants"].as_array().expect("a list").iter().find(|one| one["user_id"] == ada.id.as_str());
    assert_eq!(adas.expect("she is in it")["user"]["avatar_url"], *url);
    let again = ada.signs_in_again().await;
    assert_eq!(again.socket().await.ready["user"]["avatar_url"], *url);
}

#[tokio::test]
async fn a_new_picture_has_a_new_path_and_the_old_one_goes() {
    let server = super::server().await;
    let ada = server.person("ada").await;
    let first = gives_avatar(&ada, "/users/me", "a.jpg", &picture()).await.expect(200)["avatar_url"].clone();

    let gif = moving_gif(20, 30, 3);
    let second = gives_avatar(&ada, "/users/me", "a.gif", &gif).await.expect(200)["avatar_url"].clone();

    assert_ne!(first, second);
    read(&server.client, &first, &[]).await.refused(404, "not_found");
    assert_eq!(seen(&bytes(&server.client, &second).await).dimensions(), (256, 256));
    server.clock.advance(Duration::minutes(1));
    keeps_only(&server, 2).await;

    ada.delete("/users/me/avatar").await.expect(204);
    ada.delete("/users/me/avatar").await.expect(204);
    assert_eq!(ada.get("/users/me").await.expect(200)["avatar_url"], Value::Null);
    read(&server.client, &second, &[]).await.refused(404, "not_found");
    server.clock.advance(Duration::minutes(1));
    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn an_avif_may_be_one_too() {
    let server = super::server().await;
    let ada = server.person("ada").await;

    let own = gives_avatar(&ada, "/users/me", "me.avif", &shipped("grid")).await.expect(200);

    let served = seen(&bytes(&server.client, &own["avatar_url"]).await);
    assert_eq!((served.dimensions(), fields(&served).as_str()), ((256, 256), "rgbw"));
    let strange = strange_avif(300, 300);
    gives_avatar(&ada, "/users/me", "me.avif", &strange).await.refused(415, "unsupported_media_type");
    gives_avatar(&ada, "/users/me", "me.avif", &strange[..strange.len() - 1]).await.refused_for("file");
}

#[tokio::test]
async fn of_many_pictures_at_once_one_stays_and_nothing_is_left_of_the_others() {
    let server = super::server().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let (picture, group) = (picture(), of(&group));

    let replies = join_all((0..5).flat_map(|_| {
        [gives_avatar(&ada, "/users/me", "a.jpg", &picture), gives_avatar(&ada, &group, "a.jpg", &picture)]
    }))
    .await;

    for reply in replies {
        reply.expect(200);
    }
    server.clock.advance(Duration::minutes(1));
    keeps_only(&server, 4).await;
    bytes(&server.client, &ada.get("/users/me").await.expect(200)["avatar_url"]).await;
    bytes(&server.client, &ada.get(&group).await.expect(200)["avatar_url"]).await;
}

#[tokio::test]
async fn an_account_and_a_group_take_their_pictures_along() {
    let server = super::server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = of(&ada.opens_group_with([&bob]).await);
    let bobs = gives_avatar(&bob, "/users/me", "a.jpg", &picture()).await.expect(200)["avatar_url"].clone();
    let groups = gives_avatar(&ada, &group, "a.jpg", &picture()).await.expect(200)["avatar_url"].clone();

    bob.delete("/users/me").await.expect(204);
    ada.delete(&group).await.expect(204);

    assert_eq!(ada.get(&format!("/users/{}", bob.id)).await.expect(200)["avatar_url"], Value::Null);
    read(&server.client, &bobs, &[]).await.refused(404, "not_found");
    read(&server.client, &groups, &[]).await.refused(404, "not_found");
    server.clock.advance(Duration::minutes(1));
    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn a_group_s_picture_is_for_its_owners_and_admins_to_give() {
    let server = super::server().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let direct = of(&ada.opens_direct_with(&bob).await);
    let (path, picture) = (of(&group), picture());
    let avatar = format!("{path}/avatar");

    gives_avatar(&bob, &path, "a.jpg", &picture).await.refused(403, "insufficient_role");
    bob.delete(&avatar).await.refused(403, "insufficient_role");
    gives_avatar(&eve, &path, "a.jpg", &picture).await.refused(404, "not_found");
    eve.delete(&avatar).await.refused(404, "not_found");
    gives_avatar(&ada, &direct, "a.jpg", &picture).await.refused(409, "direct_is_fixed");
    ada.delete(&format!("{direct}/avatar")).await.refused(409, "direct_is_fixed");
    let no_form = ada.put(&format!("/conversations/{group}/avatar"), json!({"file": "no"})).await;
    no_form.refused(415, "unsupported_media_type");
    ada.makes(&group, &bob, "admin").await.expect(200);
    gives_avatar(&bob, &path, "a.jpg", &picture).await.expect(200);
}

#[tokio::test]
async fn what_is_no_picture_is_no_avatar() {
    let server = super::server_with(|settings| settings.uploads_per_hour = 1).await;
    let ada = server.person("ada").await;
    let me = "/users/me";

    gives_avatar(&ada, me, "a.pdf", PDF).await.refused(415, "unsupported_media_type");
    gives_avatar(&ada, me, "a.jpg", PDF).await.refused(415, "unsupported_media_type");
    gives_avatar(&ada, me, "a.jpg", &picture()[..500]).await.refused_for("file");
    gives_avatar(&ada, me, "a.jpg", b"").await.refused_for("file");
    ada.put("/users/me/avatar", json!({"file": "no"})).await.refused(415, "unsupported_media_type");
    assert_eq!(kept(&server), 0, "nothing is kept of what is refused, and none of it counts");
    let own = gives_avatar(&ada, me, "a.jpg", &picture()).await.expect(200);
    gives_avatar(&ada, me, "a.jpg", &picture()).await.refused(429, "rate_limited");

    let version = own["avatar_url"].as_str().and_then(|url| url.split('/').nth(5)).expect("a version").to_owned();
    let (nobody, other) = (new_id(), new_id());
    for (owner, version, square) in [
        (&ada.id, &version, "128.webp"),
        (&ada.id, &version, "original"),
        (&ada.id, &version, "..%2Foriginal"),
        (&ada.id, &other, "256.webp"),
        (&nobody, &version, "256.webp"),
    ] {
        server.client.get(&format!("/avatars/{owner}/{version}/{square}")).await.refused(404, "not_found");
    }
    server.client.get(&format!("/avatars/{}/{version}/64.webp", ada.id)).await.expect(200);
    let bob = server.person("bob").await;
    let file = perform(form(
        bob.ask(Method::POST, &format!("{}/attachments", of(&bob.opens_group_with([]).await))),
        &[],
        "a.jpg",
        &picture(),
    ));
    assert!(!id(&file.await.expect(201)).is_empty(), "an avatar is nobody's attachment");
}
