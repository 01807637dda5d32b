//! Clients that begin to send something and stop.

use futures_util::future::join_all;
use serde_json::json;
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
};

/// The beginning of a form with a file.
const FORM: &str = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.7";

/// Sends the head of a request for more than comes, and what does come.
async fn begins(client: &Client, call: &str, headers: &[(&str, &str)], bytes: &[u8]) -> TcpStream {
    let host = client.origin().strip_prefix("http://").expect("servers of tests speak plain HTTP");
    let mut stream = TcpStream::connect(host).await.expect("the server listens");
    let mut head = format!("{call} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 200000\r\n");
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
        answer(begins(&server.client, "POST /api/v1/auth/login", &[("Content-Type", kind)], b"{\"username\"").await).await
    }))
    .await;

    for (kind, answer) in kinds.iter().zip(answers) {
        let status = if *kind == "text/plain" { "415" } else { "408" };
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{kind}: {answer}");
    }
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
    let headers = [
        ("Content-Type", "application/offset+octet-stream"),
        ("Tus-Resumable", "1.0.0"),
        ("Upload-Offset", "0"),
    ];

    let call = format!("PATCH /api/v1/uploads/{upload}");
    let told = answer(begins(&ada, &call, &headers, b"0123456789").await).await;

    assert!(told.starts_with("http/1.1 204 ") && told.contains("upload-offset: 10\r\n"), "{told}");
    assert_eq!(tus.offset(&upload).await, 10);
    ada.post(&format!("/conversations/{group}/messages"), json!({"body": "Still here"})).await.expect(201);
}
