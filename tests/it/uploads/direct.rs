//! Files that go straight into the store.

use std::collections::HashMap;

use chrono::Duration;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{
    client::perform,
    files::{PDF, keeps_only, kept, read, uploads},
    id, new_id,
    person::Person,
    reply::Reply,
    server::TestServer,
};

async fn presigns(person: &Person, group: &str, file: Value) -> Reply {
    person.post(&format!("/conversations/{group}/attachments/presign"), file).await
}

async fn completes(person: &Person, group: &str, upload: &Value) -> Reply {
    let upload = id(upload);
    person.post(&format!("/conversations/{group}/attachments/{upload}/complete"), json!({})).await
}

/// Puts bytes where they are told to go.
async fn puts(person: &Person, presigned: &Value, bytes: &[u8]) -> Reply {
    assert_eq!((&presigned["method"], &presigned["headers"]), (&json!("PUT"), &json!({})));
    let url = presigned["url"].as_str().expect("it has a URL");
    perform(person.ask_anywhere(Method::PUT, url).body(bytes.to_vec())).await
}

#[tokio::test]
async fn a_file_that_went_straight_into_the_store_is_like_any_other() {
    let server = TestServer::on_s3_with(|_| ()).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sha256: String = Sha256::digest(PDF).iter().map(|byte| format!("{byte:02x}")).collect();
    let file = json!({"id": new_id(), "filename": "../report.pdf", "size": PDF.len(), "sha256": sha256});

    presigns(&ada, &group, file.clone()).await.expect(201);
    let presigned = presigns(&ada, &group, file.clone()).await.expect(201);
    assert_eq!(presigned["id"], file["id"]);
    completes(&ada, &group, &presigned).await.refused(409, "not_uploaded");
    puts(&ada, &presigned, PDF).await.expect(200);
    let attachment = completes(&ada, &group, &presigned).await.expect(201);
    assert_eq!((&attachment["filename"], &attachment["kind"]), (&json!("report.pdf"), &json!("file")));
    assert_eq!(completes(&ada, &group, &presigned).await.expect(200)["id"], file["id"]);
    presigns(&ada, &group, file).await.refused(409, "upload_complete");

    let page = b"<html><script>alert(1)</script></html>";
    puts(&ada, &presigned, page).await.expect(200);
    ada.sends(&group, json!({"attachment_ids": [id(&attachment)]})).await.expect(201);
    let url = bob.get(&format!("/attachments/{}", id(&attachment))).await.expect(200)["url"].clone();
    let shown = read(&server.client, &url, &[]).await.expect(200);
    assert_eq!(shown.as_str(), str::from_utf8(PDF).ok(), "what was looked at is what is shown");
    server.clock.advance(Duration::hours(2));
    keeps_only(&server, 1).await;
}

#[tokio::test]
async fn what_is_not_as_it_was_announced_or_not_taken_is_refused_and_forgotten() {
    let server = TestServer::on_s3_with(|settings| settings.attachment_bytes = 1000).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let file = |size: usize| json!({"filename": "a.txt", "size": size});

    let longer = presigns(&ada, &group, file(3)).await.expect(201);
    puts(&ada, &longer, b"1234").await.expect(200);
    completes(&ada, &group, &longer).await.refused_for("size");
    completes(&ada, &group, &longer).await.refused(404, "not_found");
    let other = json!({"filename": "a.txt", "size": 4, "sha256": "0".repeat(64)});
    let other = presigns(&ada, &group, other).await.expect(201);
    puts(&ada, &other, b"1234").await.expect(200);
    completes(&ada, &group, &other).await.refused_for("sha256");
    let page = presigns(&ada, &group, file(6)).await.expect(201);
    puts(&ada, &page, b"<html>").await.expect(200);
    completes(&ada, &group, &page).await.refused(415, "unsupported_media_type");
    completes(&ada, &group, &page).await.refused(404, "not_found");

    presigns(&ada, &group, file(1001)).await.refused(413, "payload_too_large");
    presigns(&ada, &group, file(0)).await.refused_for("size");
    presigns(&ada, &group, json!({"filename": "a", "size": 4, "sha256": "00"})).await.refused_for("sha256");
    server.clock.advance(Duration::hours(2));
    keeps_only(&server, 0).await;
}

#[tokio::test]
async fn what_nobody_completes_is_collected_and_nobody_completes_anothers() {
    let server = TestServer::on_s3_with(|_| ()).await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (group, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    let file = json!({"filename": "a.pdf", "size": PDF.len()});
    presigns(&eve, &group, file.clone()).await.refused(404, "not_found");
    let presigned = presigns(&ada, &group, file).await.expect(201);
    puts(&ada, &presigned, PDF).await.expect(200);

    for (person, group) in [(&bob, &group), (&eve, &group), (&ada, &other)] {
        completes(person, group, &presigned).await.refused(404, "not_found");
    }
    assert_eq!(kept(&server), 1);
    server.clock.advance(Duration::hours(26));
    let ada = ada.signs_in_again().await;
    keeps_only(&server, 0).await;
    completes(&ada, &group, &presigned).await.refused(404, "not_found");
}

#[tokio::test]
async fn urls_of_the_store_say_how_a_file_is_shown_and_for_how_long() {
    let server = TestServer::on_s3_with(|_| ()).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    uploads(&ada, &group, "one.pdf", PDF).await.expect(201);

    let same_bytes = uploads(&bob, &group, "zwei & drei.pdf", PDF).await.expect(201);

    let url = Url::parse(same_bytes["url"].as_str().expect("text")).expect("it is a URL of its own");
    let says: HashMap<_, _> = url.query_pairs().collect();
    assert_eq!((says["X-Amz-Expires"].as_ref(), says["response-content-type"].as_ref()), ("900", "application/pdf"));
    let shown = "attachment; filename=\"zwei & drei.pdf\"; filename*=UTF-8''zwei%20%26%20drei.pdf";
    assert_eq!(says["response-content-disposition"], shown);
    let part = read(&server.client, &same_bytes["url"], &[("range", "bytes=1-3")]).await;
    assert_eq!((part.status, part.header("content-disposition")), (206, shown));
    assert_eq!(part.body, "PDF");
    let forged = json!(url.as_str().replace("attachment", "inline"));
    assert_eq!(read(&server.client, &forged, &[]).await.status, 403);
}

#[tokio::test]
async fn a_directory_takes_nothing_directly() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    presigns(&ada, &group, json!({"filename": "a.pdf", "size": 1})).await.refused(409, "unsupported");
    completes(&ada, &group, &json!({"id": new_id()})).await.refused(404, "not_found");
}
