//! Files in somebody's hand, on their way to a server, and in the store where it keeps them.

use std::{fs, path::Path};

use image::ImageFormat;
use reqwest::{Method, RequestBuilder, header};
use serde_json::Value;

use super::{
    camera::{coded, four_fields},
    client::{Client, perform},
    person::Person,
    reply::Reply,
    server::TestServer,
    until,
};

/// A small report.
pub const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n";

/// A form with some fields and then one file.
pub fn form(request: RequestBuilder, fields: &[(&str, &str)], name: &str, bytes: &[u8]) -> RequestBuilder {
    send(request, &[fields_of(fields), file_of(name, bytes)])
}

/// A form with one file and then some fields.
pub fn form_with_more(
    request: RequestBuilder,
    (name, bytes): (&str, &[u8]),
    fields: &[(&str, &str)],
) -> RequestBuilder {
    send(request, &[file_of(name, bytes), fields_of(fields)])
}

/// A file of sound or moving pictures, or a document.
pub fn media(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(name)).expect("it is shipped")
}

fn fields_of(fields: &[(&str, &str)]) -> Vec<u8> {
    let part = |(field, value): &(&str, &str)| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).collect::<String>().into_bytes()
}

fn file_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

fn send(request: RequestBuilder, parts: &[Vec<u8>]) -> RequestBuilder {
    let body = [&parts.concat()[..], b"--x--\r\n"].concat();
    request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=x").body(body)
}

/// Uploads a file to a conversation.
pub async fn uploads(person: &Person, conversation: &str, name: &str, bytes: &[u8]) -> Reply {
    uploads_with(person, conversation, &[], (name, bytes)).await
}

/// The same, with fields before it.
pub async fn uploads_with(
    person: &Person,
    conversation: &str,
    fields: &[(&str, &str)],
    (name, bytes): (&str, &[u8]),
) -> Reply {
    let request = person.ask(Method::POST, &format!("/conversations/{conversation}/attachments"));
    perform(form(request, fields, name, bytes)).await
}

/// Gives oneself (`/users/me`) or a group (`/conversations/…`) a picture.
pub async fn gives_avatar(person: &Person, whose: &str, name: &str, bytes: &[u8]) -> Reply {
    perform(form(person.ask(Method::PUT, &format!("{whose}/avatar")), &[], name, bytes)).await
}

/// The same with any picture.
pub async fn gives_any_avatar(person: &Person, whose: &str) -> Reply {
    gives_avatar(person, whose, "a.png", &coded(&four_fields(2, 2), ImageFormat::Png)).await
}

/// What is behind a URL, to anybody who holds it.
pub async fn read(client: &Client, url: &Value, headers: &[(&str, &str)]) -> Reply {
    let mut request = client.ask_anywhere(Method::GET, url.as_str().expect("a URL is text"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    perform(request).await
}

/// The bytes behind a URL.
pub async fn bytes(client: &Client, url: &Value) -> Vec<u8> {
    let url = url.as_str().unwrap_or_else(|| panic!("this should be a URL: {url}"));
    let response = client.ask_anywhere(Method::GET, url).send().await.expect("it is answered");
    assert_eq!(response.status(), 200, "{url}");
    response.bytes().await.expect("the body comes").to_vec()
}

/// The files in the server's store.
pub fn kept(server: &TestServer) -> usize {
    let blobs = server.store();
    std::fs::read_dir(blobs).map_or(0, |blobs| {
        blobs.map(|blob| std::fs::read_dir(blob.expect("readable").path()).map_or(0, Iterator::count)).sum()
    })
}

/// Waits until the server has so many files left.
pub async fn keeps_only(server: &TestServer, files: usize) {
    until(&format!("{files} files are left"), async || (kept(server) == files).then_some(())).await;
}
