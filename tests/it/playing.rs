//! Sound and moving pictures: how long they play, how large they are, and how they sound.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    client::perform,
    files::{bytes, media, uploads, uploads_with},
    id, new_id,
    server::TestServer,
    tus::{Tus, metadata},
};

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
async fn sound_that_would_take_all_memory_is_taken_and_brings_nothing_down() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let greedy = greedy_vorbis();
    assert!(greedy.len() < 8_000);

    let uploaded = uploads(&ada, &group, "greedy.ogg", &greedy).await.expect(201);

    assert_eq!((&uploaded["kind"], &uploaded["mime_type"]), (&json!("audio"), &json!("audio/ogg")));
    assert_eq!((uploaded.get("duration_ms"), uploaded.get("waveform")), (None, None));
    let voice = uploads(&ada, &group, "voice.ogg", &media("voice.ogg")).await.expect(201);
    assert!(plays_about(&voice, 2_000), "{voice:#}");
}

/// Sound whose decoder is told to make ready 256 books of 131,072 words each (Vorbis I, 3.2.1), which takes some 30 GB.
fn greedy_vorbis() -> Vec<u8> {
    let mut bits = Vec::new();
    let mut put = |value: u64, count: usize| bits.extend((0..count).map(|bit| value >> bit & 1 == 1));
    put(255, 8);
    for _ in 0..256 {
        // How a book begins; one dimension, all words in order and 17 bits long, and nothing to look up.
        for (value, count) in [(0x56_4342, 24), (1, 16), (131_072, 24), (1, 1), (16, 5), (131_072, 18), (0, 4)] {
            put(value, count);
        }
    }
    let books: Vec<u8> =
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | u8::from(*bit))).collect();
    let rate = 8_000_u32.to_le_bytes();
    let head = [b"\x01vorbis\0\0\0\0\x01", &rate[..], &[0; 12], b"\xb8\x01"].concat();
    let words = [b"\x03vorbis", &[0; 8][..], b"\x01"].concat();
    let setup = [b"\x05vorbis", &books[..], b"\x01"].concat();
    [page(2, 0, &head), page(0, 1, &words), page(0, 2, &setup)].concat()
}

/// A page of an Ogg stream that holds one packet (RFC 3533, 6).
fn page(flags: u8, number: u8, packet: &[u8]) -> Vec<u8> {
    let lacing = [vec![255; packet.len() / 255], vec![(packet.len() % 255) as u8]].concat();
    let head = [b"OggS\0", &[flags][..], &[0; 8], b"\x05\0\0\0", &[number, 0, 0, 0], &[0; 4], &[lacing.len() as u8]];
    let mut page = [&head.concat(), &lacing, packet].concat();
    let checksum = page.iter().fold(0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    });
    page[22..26].copy_from_slice(&checksum.to_le_bytes());
    page
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
async fn whichever_way_sound_comes_its_uploader_may_say_how_it_sounds() {
    let server = TestServer::on_s3_with(|_| ()).await;
    let ada = server.person("ada").await;
    let (group, tus) = (ada.opens_group_with([]).await, Tus::of(&ada));
    let (voice, song) = (media("voice.webm"), media("voice.mp3"));
    let announces = async |name: &str, size: usize, waveform: &str| {
        let words = [("conversation_id", group.as_str()), ("filename", name), ("waveform", waveform)];
        tus.post("/uploads", size, &metadata(&words)).await
    };
    let presigns = async |name: &str, size: usize, waveform: Value| {
        let file = json!({"filename": name, "size": size, "waveform": waveform});
        ada.post(&format!("/conversations/{group}/attachments/presign"), file).await
    };

    for wrong in ["", "loud", "[101]", "[-1]", "{}", &json!(vec![1; 101]).to_string()] {
        announces("voice.webm", voice.len(), wrong).await.refused_for("waveform");
    }
    presigns("voice.webm", voice.len(), json!([101])).await.refused_for("waveform");
    for (name, bytes) in [("voice.webm", &voice), ("song.mp3", &song)] {
        let is_kept = |file: &Value| (file["waveform"] == json!([0, 50, 100])) == (name == "voice.webm");
        let reply = announces(name, bytes.len(), "[0, 50, 100]").await;
        let place = reply.header("location").trim_start_matches("/api/v1").to_owned();
        tus.patch(&place, 0, bytes).await.expect(204);
        let in_parts = ada.get(&place.replace("uploads", "attachments")).await.expect(200);
        assert!(is_kept(&in_parts), "{in_parts:#}");
        ada.delete(&format!("/attachments/{}", id(&in_parts))).await.expect(204);
        let presigned = presigns(name, bytes.len(), json!([0, 50, 100])).await.expect(201);
        let url = presigned["url"].as_str().expect("it has a URL");
        perform(ada.ask_anywhere(Method::PUT, url).body(bytes.clone())).await.expect(200);
        let complete = format!("/conversations/{group}/attachments/{}/complete", id(&presigned));
        let direct = ada.post(&complete, json!({})).await.expect(201);
        assert!(is_kept(&direct) && plays_about(&direct, 2_000), "{direct:#}");
    }
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

#[tokio::test]
async fn nobody_is_told_where_a_film_or_a_voice_was_recorded() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let place = b"\0\x0b\x15\xc7+52.5200+13.4050/";

    for name in ["clip.mp4", "clip.mov", "voice.m4a"] {
        let (plain, tagged) = (media(name), recorded_at(place, media(name)));

        let uploaded = uploads(&ada, &group, name, &tagged).await.expect(201);
        let kept = bytes(&server.client, &uploaded["url"]).await;

        let says = |file: &[u8]| file.windows(place.len()).any(|bytes| bytes == place);
        assert!(says(&tagged) && !says(&kept), "{name}");
        assert_eq!((kept.len(), &uploaded["size"]), (tagged.len(), &json!(tagged.len())), "{name}");
        assert!(plays_about(&uploaded, 2_000), "{name}: {uploaded:#}");
        let before = uploads(&ada, &group, name, &plain).await.expect(201);
        assert_eq!(bytes(&server.client, &before["url"]).await, plain, "{name}: what says nothing of it is as it was");
    }
}

/// A file whose last box is its `moov`, with where it was recorded in it, as telephones write it.
fn recorded_at(place: &[u8], mut file: Vec<u8>) -> Vec<u8> {
    let boxed = |kind: &[u8], inside: &[u8]| [&(inside.len() as u32 + 8).to_be_bytes()[..], kind, inside].concat();
    let user_data = boxed(b"udta", &boxed(b"\xa9xyz", place));
    let kind = file.windows(4).position(|bytes| bytes == b"moov").expect("it is a film");
    let size = (file.len() - (kind - 4) + user_data.len()) as u32;
    file[kind - 4..kind].copy_from_slice(&size.to_be_bytes());
    file.extend(user_data);
    file
}
