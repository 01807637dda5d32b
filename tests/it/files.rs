//! Reading files by the server's own URLs, where the store has none.

use chrono::Duration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    camera::{four_fields, jpeg},
    client::perform,
    files::{bytes, read, uploads},
    id,
    server::TestServer,
};

#[tokio::test]
async fn a_url_ends_with_its_time_the_membership_and_the_message() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let picture = jpeg(&four_fields(400, 200), 90);
    let uploaded = uploads(&ada, &group, "picture.jpg", &picture).await.expect(201);
    let sent = ada.sends(&group, json!({"attachment_ids": [id(&uploaded)]})).await.expect(201);
    let path = format!("/attachments/{}", id(&uploaded));
    let urls = |view: Value| [view["url"].clone(), view["thumbnail_url"].clone()];
    let have_ended = async |urls: &[Value]| {
        for url in urls {
            read(&server.client, url, &[]).await.refused(404, "not_found");
        }
    };

    let early = urls(bob.get(&path).await.expect(200));
    server.clock.advance(Duration::minutes(15));
    have_ended(&early).await;

    let name = "original";
    let proof = format!("conversation={group}&user={}&expires=9999999999&signature=x", bob.id);
    server.client.get(&format!("/files/{}/{name}?{proof}", id(&uploaded))).await.refused(404, "not_found");

    let fresh = urls(bob.get(&path).await.expect(200));
    let forged = fresh.each_ref().map(|url| json!(url.as_str().expect("text").replace("expires=", "expires=1")));
    have_ended(&forged).await;
    for url in &fresh {
        bytes(&server.client, url).await;
    }

    ada.delete(&format!("/conversations/{group}/participants/{}", bob.id)).await.expect(204);
    have_ended(&fresh).await;
    bob.get(&path).await.refused(404, "not_found");

    let own = urls(ada.get(&path).await.expect(200));
    let tombstone = ada.deletes(&sent, "everyone").await.expect(200);
    assert_eq!(tombstone["attachments"], json!([]));
    have_ended(&own).await;
    ada.get(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_file_is_saved_under_its_name_by_old_clients_and_new() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for (name, plain, whole) in [
        ("Größe 5.txt", "Gr__e 5.txt", "Gr%C3%B6%C3%9Fe%205.txt"),
        ("100% \\\"real\\\".txt", "100_ _real_.txt", "100%25%20%22real%22.txt"),
    ] {
        let url = uploads(&ada, &group, name, b"text").await.expect(201)["url"].clone();
        let shown = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}");
        assert_eq!(read(&server.client, &url, &[]).await.header("content-disposition"), shown);
    }
}

#[tokio::test]
async fn parts_of_a_file_can_be_asked_for_and_what_is_known_is_not_sent_again() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let url = uploads(&ada, &group, "a.txt", b"0123456789").await.expect(201)["url"].clone();
    let range = async |range: &str| {
        let reply = read(&server.client, &url, &[("range", range)]).await;
        (reply.status, reply.header("content-range").to_owned(), reply.body)
    };

    assert_eq!(range("bytes=2-4").await, (206, "bytes 2-4/10".to_owned(), json!(234)));
    assert_eq!(range("bytes=7-").await, (206, "bytes 7-9/10".to_owned(), json!(789)));
    assert_eq!(range("bytes=-2").await, (206, "bytes 8-9/10".to_owned(), json!(89)));
    assert_eq!(range("bytes=5-99").await, (206, "bytes 5-9/10".to_owned(), json!(56789)));
    assert_eq!((range("bytes=10-").await.0, range("bytes=10-").await.1), (416, "bytes */10".to_owned()));
    assert_eq!(range("bytes=0-1,3-4").await.0, 200);
    assert_eq!(range("lines=1-2").await.0, 200);

    let whole = read(&server.client, &url, &[]).await;
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert!(whole.header("content-security-policy").contains("sandbox"));
    let tag = whole.header("etag").to_owned();
    let known = read(&server.client, &url, &[("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.header("cache-control")), (304, whole.header("cache-control")));
    assert_eq!(known.header("cache-control"), "private, max-age=900, immutable");
    let head = server.client.ask_anywhere(Method::HEAD, url.as_str().expect("text")).header("range", "bytes=2-4");
    let head = perform(head).await;
    assert_eq!((head.status, head.header("content-length"), head.header("content-range")), (200, "10", ""));
    assert_eq!(read(&server.client, &url, &[("if-none-match", "\"other\"")]).await.status, 200);
    assert_eq!(read(&server.client, &url, &[("range", "bytes=0-0"), ("if-range", &tag)]).await.status, 206);
    assert_eq!(read(&server.client, &url, &[("range", "bytes=0-0"), ("if-range", "\"other\"")]).await.status, 200);
}
