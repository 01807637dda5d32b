//! Clients that begin to send something and stop.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::future::join_all;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{
    PATIENCE,
    client::Client,
    files::{PDF, uploads},
    person::Person,
    server::TestServer,
    tus::Tus,
    until,
};

/// The beginning of a form with a file.
const FORM: &str = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.7";

/// Sends the head of a request for more than comes, and what does come.
async fn begins(client: &Client, call: &str, headers: &[(&str, &str)], bytes: &[u8]) -> TcpStream {
    begins_of(200_000, client, call, headers, bytes).await
}

/// The same for so many bytes.
async fn begins_of(length: u64, client: &Client, call: &str, headers: &[(&str, &str)], bytes: &[u8]) -> TcpStream {
    let host = client.origin().strip_prefix("http://").expect("servers of tests speak plain HTTP");
    let mut stream = TcpStream::connect(host).await.expect("the server listens");
    let mut head = format!("{call} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n");
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    if let Some(token) = client.token() {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.expect("the server reads");
    stream.write_all(bytes).await.expect("the server reads");
    stream
}

/// What is answered, though nothing more is sent.
async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("the server does not wait for ever");
        assert!(read.is_ok_and(|length| length > 0), "the connection ended without an answer");
    }
    String::from_utf8(answer).expect("answers are UTF-8").to_lowercase()
}

async fn begins_a_file(person: &Person, group: &str) -> TcpStream {
    let call = format!("POST /api/v1/conversations/{group}/attachments");
    begins(person, &call, &[("Content-Type", "multipart/form-data; boundary=x")], FORM.as_bytes()).await
}

#[tokio::test]
async fn words_that_stop_on_their_way_are_not_waited_for_whatever_they_are_said_to_be() {
    let server = TestServer::start().await;
    let kinds = ["application/json", "Application/JSON", "a/b+json", "application/json; charset=utf-8", "text/plain"];

    let answers = join_all(kinds.map(async |kind| {
        answer(begins(&server.client, "POST /api/v1/auth/login", &[("Content-Type", kind)], b"{\"username\"").await)
            .await
    }))
    .await;

    for (kind, answer) in kinds.iter().zip(answers) {
        let status = if *kind == "text/plain" { "415" } else { "408" };
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{kind}: {answer}");
    }
}

#[tokio::test]
async fn words_that_are_said_to_be_too_many_are_refused_before_they_come() {
    let server = TestServer::start().await;
    let json = [("Content-Type", "application/json")];

    let told = answer(begins_of(99_999_999_999, &server.client, "POST /api/v1/auth/login", &json, b"{").await).await;

    assert!(told.starts_with("http/1.1 413 "), "{told}");
}

#[tokio::test]
async fn a_file_that_stops_on_its_way_is_let_go_and_not_counted() {
    let server = TestServer::with(|settings| settings.uploads_per_hour = 1).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    let told = answer(begins_a_file(&ada, &group).await).await;

    assert!(told.starts_with("http/1.1 408 "), "{told}");
    uploads(&ada, &group, "a.pdf", PDF).await.expect(201);
}

#[tokio::test]
async fn what_came_of_an_upload_that_stops_on_its_way_is_kept() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let upload = tus.announces(&group, "a.txt", 200_000).await;
    let headers =
        [("Content-Type", "application/offset+octet-stream"), ("Tus-Resumable", "1.0.0"), ("Upload-Offset", "0")];

    let call = format!("PATCH /api/v1/uploads/{upload}");
    let told = answer(begins(&ada, &call, &headers, b"0123456789").await).await;

    assert!(told.starts_with("http/1.1 204 ") && told.contains("upload-offset: 10\r\n"), "{told}");
    assert_eq!(tus.offset(&upload).await, 10);
    ada.post(&format!("/conversations/{group}/messages"), json!({"body": "Still here"})).await.expect(201);
}

#[tokio::test]
async fn one_at_a_time_brings_bytes_of_an_upload_and_who_comes_later_takes_over() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let upload = tus.announces(&group, "a.txt", 200_000).await;
    let checksum = format!("sha256 {}", BASE64_STANDARD.encode(Sha256::digest("never compared")));
    let headers = [
        ("Content-Type", "application/offset+octet-stream"),
        ("Tus-Resumable", "1.0.0"),
        ("Upload-Offset", "0"),
        ("Upload-Checksum", &checksum),
    ];
    let call = format!("PATCH /api/v1/uploads/{upload}");
    let dead = begins(&ada, &call, &headers, b"0123456789").await;

    // Whichever of the two the server comes to first; and not all of it, which the server would look into.
    until("who comes later has brought it", async || {
        let offset = tus.offset(&upload).await;
        if offset == 100_000 {
            return Some(());
        }
        let reply = tus.patch(&format!("/uploads/{upload}"), offset, &vec![b'x'; 100_000 - offset]).await;
        if reply.status != 204 {
            reply.refused(409, "wrong_offset");
        }
        None
    })
    .await;

    let told = answer(dead).await;
    assert!(told.starts_with("http/1.1 409 "), "{told}");
    tus.patch(&format!("/uploads/{upload}"), 100_000, &[b'x'; 100_000]).await.expect(204);
    assert_eq!(tus.offset(&upload).await, 200_000);
}

#[tokio::test]
async fn a_file_under_anothers_id_is_refused_before_it_comes() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let group = ada.opens_group_with([&eve]).await;
    let file = uploads(&ada, &group, "a.pdf", PDF).await.expect(201);
    let id = file["id"].as_str().expect("it is text");
    let form = format!("--x\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n{id}\r\n{FORM}");

    let call = format!("POST /api/v1/conversations/{group}/attachments");
    let kind = [("Content-Type", "multipart/form-data; boundary=x")];
    let told = answer(begins(&eve, &call, &kind, form.as_bytes()).await).await;

    assert!(told.starts_with("http/1.1 409 "), "{told}");
}

#[tokio::test]
async fn there_is_room_for_so_much_that_comes_in_at_once() {
    let server = TestServer::with(|settings| settings.attachment_bytes = 200 * 1024).await;
    let people = server.people(["ada", "bob", "cleo", "dan", "eve"]).await;
    let [ada, others @ ..] = &people;
    let group = ada.opens_group_with(others.each_ref()).await;
    let text = vec![b'x'; 190 * 1024];
    let form = [FORM.as_bytes(), &text].concat();
    let call = format!("POST /api/v1/conversations/{group}/attachments");
    let kind = [("Content-Type", "multipart/form-data; boundary=x")];

    let mut stalled = Vec::new();
    let refused = until("there is no more room", async || {
        // Again each time, for those who stall are let go after a while.
        let all = people.iter().cycle().take(5 * 17);
        stalled.extend(join_all(all.map(async |person| begins(person, &call, &kind, &form).await)).await);
        let reply = uploads(ada, &group, "a.txt", &text).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    assert_eq!(refused.header("retry-after"), "1");
    refused.refused(503, "unavailable");

    drop(stalled);
    until("there is room again", async || {
        let reply = uploads(ada, &group, "a.txt", &text).await;
        matches!(reply.status, 200 | 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nobody_takes_all_the_room_for_files_that_come_in() {
    let server = TestServer::with(|settings| settings.attachment_bytes = 200 * 1024).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let text = vec![b'x'; 190 * 1024];
    let form = [FORM.as_bytes(), &text].concat();
    let call = format!("POST /api/v1/conversations/{group}/attachments");
    let kind = [("Content-Type", "multipart/form-data; boundary=x")];

    let mut stalled = Vec::new();
    let refused = until("she has taken what is hers", async || {
        stalled.extend(join_all((0..72).map(async |_| begins(&ada, &call, &kind, &form).await)).await);
        let reply = uploads(&ada, &group, "a.txt", &text).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    assert!(refused.body["detail"].as_str().is_some_and(|says| says.contains("files of yours")), "{refused}");

    uploads(&bob, &group, "b.txt", &text).await.expect(201);
    drop(stalled);
    until("she has room again", async || {
        let reply = uploads(&ada, &group, "a.txt", &text).await;
        matches!(reply.status, 200 | 201).then_some(())
    })
    .await;
}
