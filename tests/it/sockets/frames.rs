//! What a socket takes as a frame, and with which code it closes on the rest.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    new_id,
    raw::{CONTINUED, PING, PONG, RawSocket, TEXT, TEXT_BEGUN},
    server::TestServer,
};

/// The bytes of a frame at most.
const FRAME: usize = 64 * 1024;

#[tokio::test]
async fn what_is_no_json_object_closes_with_4000() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    for text in ["", "hello", "[]", "1", "null", "\"{}\"", "{", "{}{}", r#"{"type":"ping"}]"#] {
        let mut socket = ada.socket().await;
        socket.sends_raw(Message::text(text)).await;
        assert_eq!(socket.is_closed().await.0, 4000, "{text}");
    }
}

#[tokio::test]
async fn a_binary_frame_closes_with_4000() {
    let server = TestServer::start().await;
    let mut socket = server.person("ada").await.socket().await;

    socket.sends_raw(Message::binary(br#"{"type":"ping"}"#.as_slice())).await;

    assert_eq!(socket.is_closed().await.0, 4000);
}

#[tokio::test]
async fn an_object_that_cannot_be_understood_is_an_error_and_the_socket_goes_on() {
    let server = TestServer::start().await;
    let mut socket = server.person("ada").await.socket().await;
    let nobody = new_id();

    for frame in [
        json!({}),
        json!({"type": "dance"}),
        json!({"type": 7}),
        json!({"type": null}),
        json!({"type": "message:send"}),
        json!({"type": "message:send", "data": []}),
        json!({"type": "message:send", "data": {"body": "to nobody"}}),
        json!({"type": "message:send", "data": {"conversation_id": nobody, "body": 7}}),
        json!({"type": "typing:start", "data": {"conversation_id": "nowhere"}}),
        json!({"type": "ping", "ref": 7}),
        json!({"type": "ping", "ref": "x".repeat(65)}),
    ] {
        socket.sends_frame(&frame).await;

        let error = &socket.hears("error").await["error"];
        assert_eq!((&error["code"], &error["status"]), (&json!("validation_failed"), &json!(422)), "{frame}");
        assert!(error["errors"][0]["code"].is_string(), "{frame}: {error:#}");
    }
    socket.sends("ping", json!({})).await;
}

#[tokio::test]
async fn an_error_names_the_ref_where_it_can_be_read() {
    let server = TestServer::start().await;
    let mut socket = server.person("ada").await.socket().await;

    socket.sends_frame(&json!({"type": "dance", "ref": "x".repeat(64)})).await;
    assert_eq!(socket.hears("error").await["ref"], "x".repeat(64));

    socket.sends_frame(&json!({"type": "dance"})).await;
    assert!(socket.hears("error").await.get("ref").is_none());
}

#[tokio::test]
async fn a_frame_of_64_kib_is_taken_and_one_byte_more_closes_with_1009() {
    let server = TestServer::start().await;
    let mut socket = server.person("ada").await.socket().await;
    let ping = r#"{"type":"ping","ref":"big"}"#;
    let filled = |length: usize| format!("{ping}{}", " ".repeat(length - ping.len()));

    socket.sends_raw(Message::text(filled(FRAME))).await;
    assert_eq!(socket.hears("ack").await["ref"], "big");

    socket.sends_raw(Message::text(filled(FRAME + 1))).await;
    assert_eq!(socket.is_closed().await.0, 1009);
}

#[tokio::test]
async fn a_frame_is_judged_by_the_length_that_it_announces() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    for length in [FRAME as u64 + 1, 1 << 40, i64::MAX as u64] {
        let mut socket = RawSocket::open(&ada).await;
        socket.announces(TEXT, length).await;
        assert_eq!(socket.is_closed().await.0, 1009, "{length}");
    }
}

#[tokio::test]
async fn fragments_make_one_message_and_no_larger_one() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut socket = RawSocket::open(&ada).await;

    socket.sends(TEXT_BEGUN, br#"{"type":"pi"#).await;
    // Control frames may come in between.
    socket.sends(PING, b"still there?").await;
    socket.sends(CONTINUED, br#"ng","ref":"in two parts"}"#).await;
    assert_eq!(socket.receives_a(PONG).await.payload, b"still there?");
    socket.reads("in two parts").await;

    let part = vec![b' '; FRAME - 100];
    socket.sends(TEXT_BEGUN, &part).await;
    socket.sends(CONTINUED, &part).await;
    assert_eq!(socket.is_closed().await.0, 1009);
}

#[tokio::test]
async fn endless_fragments_are_not_collected() {
    let server = TestServer::start().await;
    let mut socket = RawSocket::open(&server.person("ada").await).await;

    let mut flood = vec![TEXT_BEGUN, 0x80, 0, 0, 0, 0];
    flood.extend([0, 0x80, 0, 0, 0, 0].repeat(20_000));
    socket.sends_bytes(&flood).await;

    let (code, _) = socket.is_closed().await;
    assert!(matches!(code, 1008 | 1009 | 4009), "{code}");
}

#[tokio::test]
async fn what_breaks_rfc_6455_closes_as_it_says() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    for (what, bytes, code) in [
        ("no mask", &[TEXT, 2, b'{', b'}'][..], 1002),
        ("a reserved bit", &[TEXT | 0x40, 0x80, 0, 0, 0, 0], 1002),
        ("an unknown opcode", &[0x83, 0x80, 0, 0, 0, 0], 1002),
        ("a ping in fragments", &[0x09, 0x80, 0, 0, 0, 0], 1002),
        ("a continuation of nothing", &[CONTINUED, 0x80, 0, 0, 0, 0], 1002),
        ("a text within a text", &[TEXT_BEGUN, 0x80, 0, 0, 0, 0, TEXT, 0x80, 0, 0, 0, 0], 1002),
        ("a close of one byte", &[0x88, 0x81, 0, 0, 0, 0, 3], 1002),
        ("a close code that nobody may send", &[0x88, 0x82, 0, 0, 0, 0, 3, 0xED], 1002),
        ("a text that is not UTF-8", &[TEXT, 0x82, 0, 0, 0, 0, b'{', 0xFF], 1007),
    ] {
        let mut socket = RawSocket::open(&ada).await;
        socket.sends_bytes(bytes).await;
        assert_eq!(socket.is_closed().await.0, code, "{what}");
    }
    let mut socket = RawSocket::open(&ada).await;
    socket.sends(PING, &[0; 126]).await;
    assert_eq!(socket.is_closed().await.0, 1002, "a ping of 126 bytes");
}

#[tokio::test]
async fn who_says_goodbye_is_answered_in_kind() {
    let server = TestServer::start().await;
    let mut socket = RawSocket::open(&server.person("ada").await).await;

    socket.sends(0x88, &1000_u16.to_be_bytes()).await;

    assert_eq!(socket.is_closed().await.0, 1000);
}

#[tokio::test]
async fn a_flood_of_frames_closes_with_4009() {
    let server = TestServer::start().await;
    let mut socket = RawSocket::open(&server.person("ada").await).await;

    // Nothing answers a pong, so that even a slow server reads them faster than anybody may send.
    socket.sends_bytes(&[PONG, 0x80, 0, 0, 0, 0].repeat(10_000)).await;

    assert_eq!(socket.is_closed().await.0, 4009);
}
