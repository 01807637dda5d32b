//! Sound and moving pictures: how long they play, how large they are, and how they sound.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::harness::{
    files::{uploads, uploads_with},
    id, new_id,
    server::TestServer,
};

fn media(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(name)).expect("it is shipped")
}

fn plays_about(file: &Value, milliseconds: i64) -> bool {
    file["duration_ms"].as_i64().is_some_and(|played| (played - milliseconds).abs() < 300)
}

#[tokio::test]
async fn a_voice_note_carries_how_long_it_plays_and_how_it_sounds() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;

    let uploaded = uploads(&ada, &group, "voice.ogg", &media("voice.ogg")).await.expect(201);
    let note = json!({"kind": "voice_note", "attachment_ids": [id(&uploaded)]});
    ada.sends(&group, note).await.expect(201);

    let heard = bobs.hears("message:new").await["data"]["attachments"][0].take();
    assert!(plays_about(&heard, 2_000), "{heard:#}");
    let bars = heard["waveform"].as_array().expect("there is one");
    assert!(bars.len() == 64 && bars.iter().all(|bar| bar.as_i64().is_some_and(|bar| (0..=100).contains(&bar))));
    assert_eq!((&heard["waveform"], &heard["kind"]), (&uploaded["waveform"], &json!("audio")));
    assert_eq!((heard.get("width"), heard.get("page_count")), (None, None));
}

#[tokio::test]
async fn what_the_server_cannot_hear_its_uploader_may_say() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (voice, song) = (media("voice.webm"), media("voice.mp3"));
    let says = async |waveform: &str, name: &str, bytes: &[u8]| {
        uploads_with(&ada, &group, &[("waveform", waveform)], (name, bytes)).await
    };

    for wrong in ["", "loud", "[101]", "[-1]", "[1.5]", "{}", "[256]", &json!(vec![1; 101]).to_string()] {
        says(wrong, "voice.webm", &voice).await.refused_for("waveform");
    }
    let said = says("[0, 50, 100]", "voice.webm", &voice).await.expect(201);
    assert!(plays_about(&said, 2_000), "it does not say how long it is, but it can be told: {said:#}");
    assert_eq!((&said["mime_type"], &said["kind"]), (&json!("audio/webm"), &json!("audio")));
    assert_eq!(said["waveform"], json!([0, 50, 100]));
    let note = json!({"id": new_id(), "kind": "voice_note", "attachment_ids": [id(&said)]});
    assert_eq!(ada.sends(&group, note).await.expect(201)["attachments"][0]["waveform"], said["waveform"]);
    let silent = uploads(&bob, &group, "voice.webm", &voice).await.expect(201);
    assert_eq!(silent["waveform"], said["waveform"], "the same bytes sound the same");

    let heard = says("[1, 2, 3]", "song.mp3", &song).await.expect(201);
    assert_ne!(heard["waveform"], json!([1, 2, 3]), "what can be told is not asked for");
    let document = says("[1, 2, 3]", "notes.txt", b"notes").await.expect(201);
    assert_eq!(document.get("waveform"), None);
}

#[tokio::test]
async fn a_video_tells_how_long_it_plays_and_how_it_is_to_be_shown() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for (name, width, height) in [("clip.mp4", 64, 48), ("turned.mp4", 48, 64), ("live.webm", 64, 48)] {
        let uploaded = uploads(&ada, &group, name, &media(name)).await.expect(201);
        assert_eq!((&uploaded["width"], &uploaded["height"]), (&json!(width), &json!(height)), "{name}");
        assert!(plays_about(&uploaded, 2_000), "{name}: {uploaded:#}");
    }
    let clip = media("clip.mp4");
    let broken = uploads(&ada, &group, "broken.mp4", &clip[..clip.len() / 2]).await.expect(201);
    assert_eq!((broken.get("duration_ms"), &broken["kind"]), (None, &json!("video")), "it is taken as it is");
}
