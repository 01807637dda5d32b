//! Files among what is looked for: that there are some, of which kind, and what they are called.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{asks, bodies, finds, finds_all, searches, settled};
use crate::harness::{files::uploads, id, person::Person, server::TestServer};

/// One transparent dot.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/// A moment of silence.
const WAV: &[u8] =
    b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x04\0\0\0\0\0\0\0";

async fn sends_file(person: &Person, group: &str, (kind, body): (&str, &str), (name, bytes): (&str, &[u8])) {
    let file = uploads(person, group, name, bytes).await.expect(201);
    person.sends(group, json!({"kind": kind, "body": body, "attachment_ids": [id(&file)]})).await.expect(201);
}

/// A group in which files of several kinds were sent.
async fn gallery(server: &TestServer) -> (Person, Person, String) {
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let png = BASE64_STANDARD.decode(PNG).expect("it is base64");
    ada.says(&group, "words").await;
    sends_file(&ada, &group, ("image", "dot"), ("Sunset_over Łódź.png", &png)).await;
    sends_file(&ada, &group, ("voice_note", "silence"), ("note.wav", WAV)).await;
    sends_file(&ada, &group, ("audio", "song"), ("song of silence.wav", WAV)).await;
    sends_file(&ada, &group, ("text", "report"), ("Budget-2031.pdf", b"%PDF-1.7\n%%EOF\n")).await;
    settled(server).await;
    (ada, bob, group)
}

#[tokio::test]
async fn files_are_found_by_their_kinds() {
    let server = TestServer::start().await;
    let (_, bob, _) = gallery(&server).await;

    for (line, expected) in [
        ("has:image", vec!["dot"]),
        ("has:audio", vec!["silence", "song"]),
        ("has:video", vec![]),
        ("has:file", vec!["dot", "report", "silence", "song"]),
        ("has:file has:audio -song", vec!["silence"]),
        ("has:FILE from:ada report", vec!["report"]),
        ("has:image from:bob", vec![]),
    ] {
        assert_eq!(finds_all(&bob, line).await, expected, "{line}");
    }
    for (beside, expected) in
        [("has=image", "dot"), ("kind=image", "dot"), ("kind=voice_note", "silence"), ("kind=text&has=file", "report")]
    {
        assert_eq!(bodies(&asks(&bob, beside).await.expect(200)), [expected], "{beside}");
    }
}

#[tokio::test]
async fn files_are_found_by_their_names() {
    let server = TestServer::start().await;
    let (ada, bob, group) = gallery(&server).await;

    for (line, expected) in [
        ("sunset", vec!["dot"]),
        ("lodz dot", vec!["dot"]),
        ("\"sunset over łódź\"", vec!["dot"]),
        ("budget 2031", vec!["report"]),
        ("budg*", vec!["report"]),
        ("silence", vec!["silence", "song"]),
        ("song -of", vec![]),
        ("\"report budget\"", vec![]),
    ] {
        assert_eq!(finds_all(&bob, line).await, expected, "{line}");
    }
    let by_name = searches(&bob, "sunset").await["items"][0]["highlight"].take();
    assert_eq!(by_name, json!({"snippet": "Sunset_over Łódź.png", "ranges": []}));
    let by_both = searches(&bob, "silence -song").await["items"][0]["highlight"].take();
    assert_eq!(by_both, json!({"snippet": "silence", "ranges": [[0, 7]]}));

    let dot = ada.history(&group).await.into_iter().find(|message| message["body"] == "dot").expect("it was sent");
    ada.edits(&dot, "point").await.expect(200);
    settled(&server).await;
    assert_eq!(finds(&bob, "sunset has:image").await, ["point"]);
    ada.deletes(&dot, "everyone").await.expect(200);
    assert_eq!(finds(&bob, "sunset").await, [""; 0]);
}
