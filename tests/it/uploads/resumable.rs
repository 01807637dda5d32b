//! Resumable uploads by the tus protocol, on every store.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::Duration;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{server, server_with};
use crate::harness::{
    client::perform,
    files::{keeps_only, kept, read, uploads},
    id, new_id,
    tus::{Tus, metadata},
    until,
};

/// More than one part, and more than one piece of a part for a store elsewhere.
const LARGE: usize = 11 * 1024 * 1024;

#[tokio::test]
async fn a_file_that_comes_in_parts_is_an_attachment_once_all_are_in() {
    let server = server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, tus) = (ada.opens_group_with([&bob]).await, Tus::of(&ada));
    let upload = tus.announces(&group, "../hello.txt", 11).await;
    let place = format!("/uploads/{upload}");

    let begun = tus.head(&format!("/uploads/{upload}")).await;
    assert_eq!((begun.header("upload-offset"), begun.header("upload-length")), ("0", "11"));
    assert_eq!((begun.header("cache-control"), begun.header("tus-resumable")), ("no-store", "1.0.0"));
    let announced = metadata(&[("conversation_id", &group), ("filename", "../hello.txt")]);
    assert_eq!(begun.header("upload-metadata"), announced);
    assert!(begun.header("upload-expires").ends_with(" GMT"), "{begun}");
    for (offset, bytes) in [(0, "hello"), (5, " "), (6, "wor")] {
        let reply = tus.patch(&format!("/uploads/{upload}"), offset, bytes.as_bytes()).await;
        assert_eq!(reply.header("upload-offset"), (offset + bytes.len()).to_string());
        assert!(reply.header("upload-expires").ends_with(" GMT"), "{reply}");
        reply.expect(204);
    }
    tus.patch(&place, 9, b"").await.expect(204);
    ada.get(&format!("/attachments/{upload}")).await.refused(404, "not_found");
    tus.patch(&place, 9, b"ld").await.expect(204);

    let attachment = ada.get(&format!("/attachments/{upload}")).await.expect(200);
    assert_eq!((&attachment["filename"], &attachment["size"]), (&json!("hello.txt"), &json!(11)));
    assert_eq!(read(&server.client, &attachment["url"], &[]).await.expect(200), "hello world");
    ada.sends(&group, json!({"attachment_ids": [id(&attachment)]})).await.expect(201);
    bob.get(&format!("/attachments/{upload}")).await.expect(200);
    assert_eq!(tus.offset(&upload).await, 11, "who missed the answer can ask");
    tus.patch(&place, 9, b"ld").await.refused(409, "wrong_offset");
    keeps_only(&server, 1).await;
    tus.delete(&place).await.expect(204);
    ada.get(&format!("/attachments/{upload}")).await.expect(200);
}

#[tokio::test]
async fn a_large_file_comes_in_one_request_or_many() {
    let server = server_with(|settings| settings.attachment_bytes = LARGE as u64).await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let text: String = (0..LARGE / 8).map(|line| format!("{line:07}\n")).collect();

    let whole = tus.announces(&group, "a.txt", LARGE).await;
    tus.patch(&format!("/uploads/{whole}"), 0, text.as_bytes()).await.expect(204);
    let halves = tus.announces(&group, "b.txt", LARGE).await;
    let (first, second) = text.as_bytes().split_at(LARGE / 2);
    tus.patch(&format!("/uploads/{halves}"), 0, first).await.expect(204);
    assert_eq!(tus.offset(&halves).await, LARGE / 2);
    tus.patch(&format!("/uploads/{halves}"), LARGE / 2, second).await.expect(204);

    for upload in [whole, halves] {
        let url = ada.get(&format!("/attachments/{upload}")).await.expect(200)["url"].clone();
        let is_same = read(&server.client, &url, &[]).await.expect(200).as_str() == Some(&text);
        assert!(is_same, "what comes out is what went in");
    }
    keeps_only(&server, 1).await;
}

#[tokio::test]
async fn what_came_before_a_connection_broke_need_not_come_again() {
    let server = server().await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let upload = tus.announces(&group, "a.txt", 20).await;
    let token = ada.token().expect("she is signed in");

    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    let head = format!(
        "PATCH /api/v1/uploads/{upload} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/offset+octet-stream\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\n\
         content-length: 20\r\n\r\n0123456789ab"
    );
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    drop(stream);
    until("what came is kept", async || (tus.offset(&upload).await == 12).then_some(())).await;

    tus.patch(&format!("/uploads/{upload}"), 0, b"01234567890123456789").await.refused(409, "wrong_offset");
    tus.patch(&format!("/uploads/{upload}"), 12, b"cdefghij").await.expect(204);
    let url = ada.get(&format!("/attachments/{upload}")).await.expect(200)["url"].clone();
    assert_eq!(read(&server.client, &url, &[]).await.expect(200), "0123456789abcdefghij");
}

#[tokio::test]
async fn of_those_who_send_the_same_bytes_at_once_one_wins() {
    let server = server().await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let upload = tus.announces(&group, "a.txt", 10).await;
    let place = format!("/uploads/{upload}");

    for (offset, bytes) in [(0, b"01234"), (5, b"56789")] {
        let replies = join_all((0..8).map(|_| tus.patch(&place, offset, bytes))).await;
        let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 204);
        assert_eq!(won.len(), 1);
        lost.into_iter().for_each(|reply| drop(reply.refused(409, "wrong_offset")));
    }

    let url = ada.get(&format!("/attachments/{upload}")).await.expect(200)["url"].clone();
    assert_eq!(read(&server.client, &url, &[]).await.expect(200), "0123456789");
    keeps_only(&server, 1).await;
}

#[tokio::test]
async fn bytes_that_changed_on_their_way_are_not_kept() {
    let server = server().await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let upload = tus.announces(&group, "a.txt", 10).await;
    let place = format!("/uploads/{upload}");
    let sends = async |offset: usize, bytes: &[u8], checksum: String| {
        perform(tus.bytes(Method::PATCH, &place, offset, bytes).header("upload-checksum", checksum)).await
    };
    let sha1 = |bytes: &[u8]| format!("sha1 {}", BASE64_STANDARD.encode(Sha1::digest(bytes)));
    let sha256 = |bytes: &[u8]| format!("sha256 {}", BASE64_STANDARD.encode(Sha256::digest(bytes)));

    sends(0, b"01234", sha1(b"01235")).await.refused(460, "checksum_mismatch");
    sends(0, b"01234", sha256(b"0123")).await.refused(460, "checksum_mismatch");
    sends(0, b"01234", "md5 AAAA".to_owned()).await.refused(400, "bad_request");
    sends(0, b"01234", "sha1".to_owned()).await.refused(400, "bad_request");
    assert_eq!((tus.offset(&upload).await, kept(&server)), (0, 0));
    sends(0, b"01234", sha1(b"01234")).await.expect(204);
    sends(5, b"56789", sha256(b"56780")).await.refused(460, "checksum_mismatch");
    sends(5, b"56789", sha256(b"56789")).await.expect(204);

    assert_eq!(ada.get(&format!("/attachments/{upload}")).await.expect(200)["size"], 10);
}

#[tokio::test]
async fn an_announcement_may_bring_bytes_and_is_made_once_by_its_id() {
    let server = server().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, tus) = (ada.opens_group_with([&bob]).await, Tus::of(&ada));
    let file_id = new_id();
    let announces = async |tus: &Tus, size: usize, name: &str, bytes: &[u8]| {
        let words = [("conversation_id", group.as_str()), ("filename", name), ("id", &file_id)];
        let request = tus.bytes(Method::POST, "/uploads", 0, bytes).header("upload-length", size);
        perform(request.header("upload-metadata", metadata(&words))).await
    };

    let first = announces(&tus, 10, "a.txt", b"01234").await;
    assert_eq!(first.header("location"), format!("/api/v1/uploads/{file_id}"));
    assert_eq!(first.header("upload-offset"), "5");
    first.expect(201);
    let again = announces(&tus, 10, "a.txt", b"01234").await;
    assert_eq!(again.header("upload-offset"), "5");
    again.expect(201);
    announces(&tus, 11, "a.txt", b"").await.refused(409, "idempotency_mismatch");
    announces(&tus, 10, "b.txt", b"").await.refused(409, "idempotency_mismatch");
    tus.patch(&format!("/uploads/{file_id}"), 5, b"56789").await.expect(204);
    assert_eq!(id(&ada.get(&format!("/attachments/{file_id}")).await.expect(200)), file_id);

    let bobs = announces(&Tus::of(&bob), 10, "a.txt", b"0123456789").await;
    bobs.refused(409, "idempotency_mismatch");
    let at_once = Tus::of(&ada).post("/uploads", 0, &metadata(&[("conversation_id", &group), ("filename", "a")])).await;
    at_once.refused_for("size");
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_with_its_last_bytes_and_gone() {
    let server = server_with(|settings| settings.storage_quota_bytes = 30).await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));

    let page = tus.announces(&group, "a.txt", 11).await;
    tus.patch(&format!("/uploads/{page}"), 0, b"<html>").await.expect(204);
    tus.patch(&format!("/uploads/{page}"), 6, b"hello").await.refused(415, "unsupported_media_type");
    assert_eq!(tus.head(&format!("/uploads/{page}")).await.status, 404);

    let late = tus.announces(&group, "a.txt", 20).await;
    tus.patch(&format!("/uploads/{late}"), 0, b"0123456789").await.expect(204);
    uploads(&ada, &group, "b.txt", b"another 20 bytes ...").await.expect(201);
    tus.patch(&format!("/uploads/{late}"), 10, b"0123456789").await.refused(409, "limit_reached");
    assert_eq!(tus.head(&format!("/uploads/{late}")).await.status, 404);
    keeps_only(&server, 1).await;
}

#[tokio::test]
async fn the_quota_is_exact_under_parallel_uploads_in_parts() {
    let server = server_with(|settings| settings.storage_quota_bytes = 45).await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let mut announced = Vec::new();
    for _ in 0..4 {
        announced.push(tus.announces(&group, "a.txt", 10).await);
    }
    let words = metadata(&[("conversation_id", &group), ("filename", "a.txt")]);
    tus.post("/uploads", 10, &words).await.refused(409, "limit_reached");
    uploads(&ada, &group, "b.txt", b"0123456789ABCDEFGHIJ").await.expect(201);

    let texts: Vec<_> = (0..4).map(|nth| format!("text {nth}....")).collect();
    let sending = announced
        .iter()
        .zip(&texts)
        .map(async |(upload, text)| tus.patch(&format!("/uploads/{upload}"), 0, text.as_bytes()).await);
    let (kept, refused): (Vec<_>, Vec<_>) = join_all(sending).await.into_iter().partition(|reply| reply.status == 204);

    assert_eq!(kept.len(), 2);
    refused.into_iter().for_each(|reply| drop(reply.refused(409, "limit_reached")));
    keeps_only(&server, 3).await;
}

#[tokio::test]
async fn what_is_ended_or_late_leaves_nothing() {
    let server = server().await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let [ended, late] = [tus.announces(&group, "a.txt", 10).await, tus.announces(&group, "b.txt", 10).await];
    for upload in [&ended, &late] {
        tus.patch(&format!("/uploads/{upload}"), 0, b"01234").await.expect(204);
    }
    assert_eq!(kept(&server), 2);

    tus.delete(&format!("/uploads/{ended}")).await.expect(204);
    tus.patch(&format!("/uploads/{ended}"), 5, b"56789").await.refused(404, "not_found");
    tus.delete(&format!("/uploads/{ended}")).await.refused(404, "not_found");
    keeps_only(&server, 1).await;

    server.clock.advance(Duration::hours(24));
    let ada = ada.signs_in_again().await;
    let tus = Tus::of(&ada);
    tus.patch(&format!("/uploads/{late}"), 5, b"56789").await.refused(404, "not_found");
    server.clock.advance(Duration::hours(1));
    keeps_only(&server, 0).await;
}
