//! What the protocol and the house ask of those who upload.

use reqwest::Method;
use serde_json::json;

use crate::harness::{
    client::perform,
    files::{PDF, uploads, uploads_with},
    id, new_id,
    school::School,
    server::TestServer,
    tus::{Tus, metadata},
};

#[tokio::test]
async fn what_is_offered_is_told_to_anybody() {
    let server = TestServer::with(|settings| settings.attachment_bytes = 5000).await;
    let tus = Tus::of(&server.client);

    for path in ["/uploads", "/uploads/", &format!("/uploads/{}", new_id())] {
        let reply = tus.options(path).await;
        assert_eq!((reply.status, reply.header("tus-version")), (204, "1.0.0"));
        let extensions = "creation,creation-with-upload,termination,expiration,checksum";
        assert_eq!((reply.header("tus-extension"), reply.header("tus-max-size")), (extensions, "5000"));
        assert_eq!(reply.header("tus-checksum-algorithm"), "sha1,sha256");
        assert_eq!(reply.header("tus-resumable"), "1.0.0");
    }
}

#[tokio::test]
async fn the_place_of_uploads_may_be_written_with_a_final_slash() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let words = metadata(&[("conversation_id", &group), ("filename", "a.txt")]);

    let announced = tus.post("/uploads/", 4, &words).await;
    assert_eq!((announced.status, announced.header("tus-resumable")), (201, "1.0.0"));
    let place = announced.header("location").trim_start_matches("/api/v1").to_owned();
    assert!(!place.contains("//"), "{place}");
    tus.patch(&place, 0, b"text").await.expect(204);
    server.client.post("/uploads/", serde_json::json!({})).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn who_speaks_another_version_is_told_which_to_speak() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    for version in [None, Some("0.2.2"), Some("")] {
        let request = ada.ask(Method::POST, "/uploads").header("upload-length", 10);
        let request = version.iter().fold(request, |request, version| request.header("tus-resumable", *version));
        let reply = perform(request).await;
        assert_eq!((reply.header("tus-version"), reply.header("tus-resumable")), ("1.0.0", "1.0.0"));
        reply.refused(412, "unsupported_version");
    }
    perform(Tus::of(&ada).ask(Method::PUT, "/uploads")).await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn what_is_not_said_as_the_protocol_has_it_is_refused() {
    let server = TestServer::with(|settings| settings.attachment_bytes = 1000).await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let whole = [("conversation_id", group.as_str()), ("filename", "a.txt")];

    for missing in ["conversation_id", "filename"] {
        let words: Vec<_> = whole.into_iter().filter(|(name, _)| *name != missing).collect();
        tus.post("/uploads", 10, &metadata(&words)).await.refused_for(missing);
    }
    let words = [("conversation_id", "ours"), ("filename", "a.txt")];
    tus.post("/uploads", 10, &metadata(&words)).await.refused_for("conversation_id");
    let words = [whole[0], whole[1], ("id", "mine")];
    tus.post("/uploads", 10, &metadata(&words)).await.refused_for("id");
    tus.post("/uploads", 10, "filename not Base64!").await.refused(400, "bad_request");
    tus.post("/uploads", 10, &"x,".repeat(3000)).await.refused(413, "payload_too_large");
    tus.post("/uploads", 1001, &metadata(&whole)).await.refused(413, "payload_too_large");
    let without_length = tus.ask(Method::POST, "/uploads").header("upload-metadata", metadata(&whole));
    perform(without_length).await.refused(400, "bad_request");

    let upload = tus.announces(&group, "a.txt", 10).await;
    let place = format!("/uploads/{upload}");
    tus.patch(&place, 0, b"0123456789A").await.refused(413, "payload_too_large");
    tus.patch(&place, 1, b"0").await.refused(409, "wrong_offset");
    let request = tus.ask(Method::PATCH, &place).header("upload-offset", 0).body("0123");
    perform(request).await.refused(415, "unsupported_media_type");
    let request = tus.ask(Method::PATCH, &place).header("content-type", "application/offset+octet-stream");
    perform(request.body("0123")).await.refused(400, "bad_request");
    assert_eq!(tus.offset(&upload).await, 0);
}

#[tokio::test]
async fn another_method_may_be_meant_than_could_be_sent() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let [kept, ended] = [tus.announces(&group, "a.txt", 5).await, tus.announces(&group, "b.txt", 5).await];
    let meaning = |method: &str, upload: &str| {
        let request = tus.bytes(Method::POST, &format!("/uploads/{upload}"), 0, b"01234");
        request.header("x-http-method-override", method)
    };

    perform(meaning("PATCH", &kept)).await.expect(204);
    perform(meaning("DELETE", &ended)).await.expect(204);
    perform(meaning("PUT", &kept)).await.refused(405, "method_not_allowed");

    assert_eq!(tus.offset(&kept).await, 5);
    assert_eq!(tus.head(&format!("/uploads/{ended}")).await.status, 404);
}

#[tokio::test]
async fn an_upload_is_its_owners_alone_and_only_while_they_are_members() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let words = metadata(&[("conversation_id", &group), ("filename", "a.txt")]);
    Tus::of(&eve).post("/uploads", 10, &words).await.refused(404, "not_found");
    Tus::of(&server.client).post("/uploads", 10, &words).await.refused(401, "unauthenticated");
    let bobs = Tus::of(&bob);
    let upload = bobs.announces(&group, "a.txt", 10).await;
    let place = format!("/uploads/{upload}");

    for other in [Tus::of(&ada), Tus::of(&eve)] {
        assert_eq!(other.head(&place).await.status, 404);
        other.patch(&place, 0, b"01234").await.refused(404, "not_found");
        other.delete(&place).await.refused(404, "not_found");
    }
    bobs.patch(&place, 0, b"01234").await.expect(204);
    ada.removes(&group, &bob).await.expect(204);
    assert_eq!(bobs.head(&place).await.status, 404);
    bobs.patch(&place, 5, b"56789").await.refused(404, "not_found");
    bobs.post("/uploads", 10, &words).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_person_uploads_so_many_files_an_hour_whichever_way() {
    let server = TestServer::with(|settings| settings.uploads_per_hour = 3).await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let words = metadata(&[("conversation_id", &group), ("filename", "a.txt")]);
    let file_id = new_id();
    let retried = async || uploads_with(&ada, &group, &[("id", &file_id)], ("a.pdf", PDF)).await;

    for _ in 0..4 {
        uploads(&ada, &group, "a.pdf", b"<html>").await.refused(415, "unsupported_media_type");
        let ended = tus.announces(&group, "a.txt", 10).await;
        tus.delete(&format!("/uploads/{ended}")).await.expect(204);
        let refused = tus.announces(&group, "a.txt", 6).await;
        tus.patch(&format!("/uploads/{refused}"), 0, b"<html>").await.refused_with(415);
    }
    retried().await.expect(201);
    retried().await.expect(200);
    uploads(&ada, &group, "b.pdf", PDF).await.expect(201);
    tus.announces(&group, "a.txt", 10).await;

    let reply = uploads(&ada, &group, "c.pdf", PDF).await;
    assert_eq!(reply.header("ratelimit-limit"), "3");
    reply.refused(429, "rate_limited");
    tus.post("/uploads", 10, &words).await.refused(429, "rate_limited");
    retried().await.expect(200);
}

#[tokio::test]
async fn nobody_uploads_where_nothing_of_the_kind_may_be_said() {
    let school = School::open().await;
    let [admin, _, parent] = school.staff().await;
    let direct = parent.opens_direct_with(&admin).await;
    let tus = Tus::of(&parent);

    let problem = uploads(&parent, &direct, "a.pdf", PDF).await.refused(403, "against_rules");
    assert!(problem["rule"].as_str().expect("it is named").ends_with(".attachments"), "{problem}");
    let upload = tus.announces(&direct, "a.pdf", PDF.len()).await;
    tus.patch(&format!("/uploads/{upload}"), 0, PDF).await.refused(403, "against_rules");
    assert_eq!(tus.head(&format!("/uploads/{upload}")).await.status, 404);
}

#[tokio::test]
async fn web_sites_may_read_what_the_protocol_says_even_when_it_refuses() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let tus = Tus::of(&ada);
    let from_site = |request: reqwest::RequestBuilder| perform(request.header("origin", "http://localhost:3000"));

    let refused = from_site(tus.ask(Method::POST, "/uploads")).await;
    assert_eq!(refused.header("access-control-allow-origin"), "http://localhost:3000");
    let exposed = refused.header("access-control-expose-headers").to_lowercase();
    for name in ["location", "upload-offset", "upload-length", "tus-resumable", "upload-expires", "x-request-id"] {
        assert!(exposed.contains(name), "{name}: {refused}");
    }
    refused.refused(400, "bad_request");
    let asking = tus.ask(Method::OPTIONS, "/uploads").header("access-control-request-method", "PATCH");
    let allowed = from_site(asking.header("access-control-request-headers", "upload-offset,tus-resumable")).await;
    assert!(allowed.header("access-control-allow-methods").contains("PATCH"), "{allowed}");
    assert!(allowed.header("access-control-allow-headers").to_lowercase().contains("upload-offset"), "{allowed}");
}

#[tokio::test]
async fn a_path_that_looks_like_a_files_knows_its_own_methods() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let reply = perform(ada.ask(method, "/attachments/sign")).await;
        assert_eq!(reply.header("allow"), "POST");
        reply.refused(405, "method_not_allowed");
    }
    let reply = perform(ada.ask(Method::PUT, &format!("/attachments/{}", new_id()))).await;
    assert_eq!(reply.header("allow"), "GET, HEAD, DELETE");
    let uploaded = uploads(&ada, &ada.opens_group_with([]).await, "a.pdf", PDF).await.expect(201);
    let asked = json!({"ids": [id(&uploaded)]});
    ada.post("/attachments/sign", asked).await.expect(200);
}
