//! How sockets end: with their token, their session or their server; and whom the server lets go.

use std::time::{Duration, Instant};

use chrono::Duration as Span;
use futures_util::{
    FutureExt,
    future::{join, join_all},
};
use serde_json::{Value, json};

use crate::harness::{
    new_id,
    person::Person,
    postgres::{held, waiting},
    raw::{CLOSE, PING, PONG, RawSocket, TEXT},
    seq,
    server::{PASSWORD, TestServer},
    socket::{Socket, request},
    until,
};

/// In which a revoked session's sockets close.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_token_that_expires_closes_with_4001() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);
    let lifetime = Span::seconds(900);
    server.clock.advance(lifetime / 2);
    let renewed = bob.post("/auth/refresh", json!({"refresh_token": bob.refresh_token})).await.expect(200);
    bobs.sends("auth", json!({"token": renewed["access_token"]})).await;

    server.clock.advance(lifetime / 2);

    assert_eq!(adas.is_closed().await.0, 4001);
    bobs.sends("ping", json!({})).await;
    // A minute is granted to clocks that disagree.
    let mut late = ada.socket().await;
    server.clock.advance(Span::seconds(59));
    late.sends("ping", json!({})).await;
    server.clock.advance(Span::seconds(1));
    assert_eq!(late.is_closed().await.0, 4001);
}

#[tokio::test]
async fn a_connection_ends_with_the_second_goodbye() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let goodbye = 1000_u16.to_be_bytes();
    // Who says no goodbye is waited for.
    let mut silent = RawSocket::open(&ada).await;
    silent.sends(TEXT, b"no object").await;
    assert_eq!(silent.is_closed().await.0, 4000);

    let (mut first, mut second) = (RawSocket::open(&ada).await, RawSocket::open(&ada).await);
    first.sends(CLOSE, &goodbye).await;
    assert_eq!(first.is_closed().await.0, 1000);
    assert!(first.receives().await.is_none());
    second.sends(TEXT, b"no object").await;
    assert_eq!(second.is_closed().await.0, 4000);
    second.sends(CLOSE, &goodbye).await;
    assert!(second.receives().await.is_none());

    assert!(silent.receives().now_or_never().is_none(), "they were waited for as well");
    assert!(silent.receives().await.is_none());
}

#[tokio::test]
async fn who_proves_to_be_nobody_or_somebody_else_is_told_so_and_let_go() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let mut other = ada.socket().await;

    for token in [json!(bob.token()), json!("no token")] {
        let mut socket = ada.socket().await;
        let problem = socket.is_refused("auth", json!({"token": token})).await;
        assert_eq!((&problem["status"], &problem["code"]), (&json!(401), &json!("invalid_token")));
        assert_eq!(socket.is_closed().await.0, 4001);
    }

    let problem = other.is_refused("auth", json!({})).await;
    assert_eq!(problem["status"], 422, "what is not understood proves nothing");
    other.sends("ping", json!({})).await;
}

#[tokio::test]
async fn a_socket_goes_on_in_the_session_of_its_fresh_token() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut socket = ada.socket().await;
    let other = ada.signs_in_again().await;

    socket.sends("auth", json!({"token": other.token()})).await;
    ada.post("/auth/logout", json!({})).await.expect(204);
    socket.sends("ping", json!({})).await;
    other.post("/auth/logout", json!({})).await.expect(204);

    assert_eq!(socket.is_closed().await.0, 4003);
}

#[tokio::test]
async fn a_logout_closes_the_sockets_of_its_session_and_no_others() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let phone = ada.signs_in_again().await;
    let (mut first, mut second) = (ada.socket().await, ada.socket().await);
    let (mut phones, mut bobs) = (phone.socket().await, bob.socket().await);

    ada.post("/auth/logout", json!({})).await.expect(204);

    close_with_4003([&mut first, &mut second]).await;
    phones.sends("ping", json!({})).await;
    bobs.sends("ping", json!({})).await;
}

#[tokio::test]
async fn a_session_that_is_revoked_from_another_device_closes_its_sockets() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let lost = ada.signs_in_again().await;
    let (mut here, mut there) = (ada.socket().await, lost.socket().await);

    ada.delete(&format!("/auth/sessions/{}", lost.session_id)).await.expect(204);

    close_with_4003([&mut there]).await;
    here.sends("ping", json!({})).await;
}

#[tokio::test]
async fn a_new_password_closes_the_sockets_of_the_other_sessions() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let (one, two) = (ada.signs_in_again().await, ada.signs_in_again().await);
    let (mut own, mut ones, mut twos) = (ada.socket().await, one.socket().await, two.socket().await);

    let change = json!({"current_password": PASSWORD, "new_password": "another horse battery staple"});
    ada.post("/auth/password", change).await.expect(204);

    close_with_4003([&mut ones, &mut twos]).await;
    own.sends("ping", json!({})).await;
}

#[tokio::test]
async fn a_spent_refresh_token_closes_the_sockets_of_its_session() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut socket = ada.socket().await;
    let next = ada.post("/auth/refresh", json!({"refresh_token": ada.refresh_token})).await.expect(200);
    ada.post("/auth/refresh", json!({"refresh_token": next["refresh_token"]})).await.expect(200);

    ada.post("/auth/refresh", json!({"refresh_token": ada.refresh_token})).await.refused(401, "session_revoked");

    close_with_4003([&mut socket]).await;
}

#[tokio::test]
async fn a_deleted_account_has_no_sockets() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = bob.opens_group_with([&ada]).await;
    let (mut one, mut two) = (ada.socket().await, ada.signs_in_again().await.socket().await);
    let mut bobs = bob.socket().await;

    ada.delete("/users/me").await.expect(204);

    close_with_4003([&mut one, &mut two]).await;
    bob.says(&group, "She is gone.").await;
    bobs.hears_where("message:new", |event| event["data"]["body"] == "She is gone.").await;
}

#[tokio::test]
async fn a_ticket_of_a_session_that_ended_opens_nothing() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let given = ada.post("/auth/ticket", json!({})).await.expect(200);
    ada.post("/auth/logout", json!({})).await.expect(204);

    let query = format!("?ticket={}", given["ticket"].as_str().expect("a ticket is text"));
    let opened = Socket::connect(crate::harness::socket::request(&server.client, &query, &[])).await;

    // The handshake may still pass, but nothing is told.
    if let Ok(mut socket) = opened {
        assert_eq!(socket.is_closed().await.0, 4003);
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_let_go_after_two_heartbeats() {
    let server = TestServer::with(|settings| settings.heartbeat_seconds = 1).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut silent, mut polite) = (RawSocket::open(&ada).await, bob.socket().await);
    let listening = tokio::spawn(async move { (polite.hears("message:new").await, polite) });

    let began = Instant::now();
    silent.receives_a(PING).await;
    let (code, reason) = silent.is_closed().await;

    assert_eq!((code, reason.as_str()), (1001, "reconnect_after_ms=0"));
    assert!(began.elapsed() >= Duration::from_millis(1_900), "it was let go after {:?}", began.elapsed());
    ada.says(&direct, "Bob answers pings.").await;
    let (_, mut polite) = listening.await.expect("the polite socket is still open");
    polite.sends("ping", json!({})).await;
}

#[tokio::test]
async fn any_sign_of_life_counts() {
    let server = TestServer::with(|settings| settings.heartbeat_seconds = 1).await;
    let mut socket = RawSocket::open(&server.person("ada").await).await;
    let began = Instant::now();

    while began.elapsed() < Duration::from_secs(4) {
        let ping = socket.receives_a(PING).await;
        socket.sends(PONG, &ping.payload).await;
    }
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_was_asked_and_says_when_to_come_back() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);
    // Whoever holds the conversation makes the send take as long as this test needs.
    let (mut holder, mut onlooker) = (server.database.connect().await, server.database.connect().await);
    let holding = held(&mut holder, &direct).await;
    let message = json!({"conversation_id": direct, "body": "One last thing"});
    adas.sends_frame(&json!({"type": "message:send", "ref": "last", "data": message})).await;
    until("the send waits for the conversation", async || (waiting(&mut onlooker).await == 1).then_some(())).await;

    let stopping = tokio::spawn(server.stop());

    is_sent_away(&mut bobs).await;
    holding.rollback().await.expect("nothing was done");
    assert_eq!(adas.hears("ack").await["ref"], "last");
    is_sent_away(&mut adas).await;
    stopping.await.expect("it stops in good order");
}

#[tokio::test]
async fn who_comes_to_a_stopping_server_is_sent_away_too() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);
    let mut late = Socket::connect(request(&server.client, "", &[])).await.expect("it opens without a proof");
    let token = bob.token().expect("who is signed in has a token").to_owned();
    // Whoever holds the conversation makes the stopping take as long as this test needs.
    let (mut holder, mut onlooker) = (server.database.connect().await, server.database.connect().await);
    let holding = held(&mut holder, &direct).await;
    let message = json!({"conversation_id": direct, "body": "One last thing"});
    adas.sends_frame(&json!({"type": "message:send", "ref": "last", "data": message})).await;
    until("the send waits for the conversation", async || (waiting(&mut onlooker).await == 1).then_some(())).await;
    let stopping = tokio::spawn(server.stop());
    is_sent_away(&mut bobs).await;

    late.sends_frame(&json!({"type": "auth", "data": {"token": token}})).await;

    late.hears("ready").await;
    is_sent_away(&mut late).await;
    holding.rollback().await.expect("nothing was done");
    is_sent_away(&mut adas).await;
    stopping.await.expect("it stops in good order");
}

async fn is_sent_away(socket: &mut Socket) {
    let (code, reason) = socket.is_closed().await;
    let wait = reason.strip_prefix("reconnect_after_ms=").and_then(|ms| ms.parse::<u64>().ok());
    assert!(code == 1001 && wait.is_some_and(|ms| ms <= 60_000), "{code} {reason}");
}

#[tokio::test]
async fn who_reads_too_slowly_is_closed_with_4008_and_then_syncs_without_loss() {
    const MESSAGES: i64 = 200;
    let server = TestServer::with(|settings| {
        settings.mailbox_bytes = 64 * 1024;
        // It is to be slow, not silent.
        settings.heartbeat_seconds = 3_600;
    })
    .await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut slow = RawSocket::open(&bob).await;
    slow.reads("\"ready\"").await;
    let mut quick = bob.socket().await;
    let words = "🐌".repeat(16_000);

    let mut heard = 0;
    let mut close = None;
    for message in 1..=MESSAGES {
        ada.says(&direct, &words).await;
        quick.hears("message:new").await;
        // Who takes nothing at all for half a minute is not slow, but cut off.
        if message % 10 == 0 && close.is_none() {
            close = hears_on(&mut slow, &mut heard).await;
        }
    }
    while close.is_none() {
        close = hears_on(&mut slow, &mut heard).await;
    }

    assert_eq!(close, Some(4008));
    assert!(heard < MESSAGES, "the socket was not slow");
    assert_eq!(missed(&bob, &direct, heard).await, (heard + 1..=MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_reads_hears_all_of_a_burst_that_is_larger_than_a_mailbox() {
    const MESSAGES: i64 = 60;
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);
    // The quoted one is told apart from the others, since not all may see what it quotes.
    let (quoted, words) = (ada.says(&direct, "Look at this").await, "🐌".repeat(16_000));

    let burst = join_all((1..=MESSAGES).map(async |number| {
        let reply_to = (number % 7 == 0).then_some(&quoted["id"]);
        ada.sends(&direct, json!({"id": new_id(), "body": words, "reply_to": reply_to})).await.expect(201);
    }));
    let hearing = join_all([&mut adas, &mut bobs].map(async |socket| {
        for seq in 1..=MESSAGES + 1 {
            assert_eq!(socket.hears("message:new").await["seq"], seq);
        }
    }));
    join(burst, hearing).await;
}

/// Takes the next frame: the next message, something else, or the close whose code is the answer.
async fn hears_on(slow: &mut RawSocket, heard: &mut i64) -> Option<u16> {
    let frame = slow.receives().await.expect("the server says why it closes");
    if frame.first == CLOSE {
        return Some(u16::from_be_bytes([frame.payload[0], frame.payload[1]]));
    }
    let event: Value = serde_json::from_slice(&frame.payload).expect("texts are JSON");
    if event["type"] == "message:new" {
        *heard += 1;
        assert_eq!(event["seq"], *heard, "no gap before the end");
    }
    None
}

/// The places of the messages that a sync from a cursor brings, page by page.
async fn missed(person: &Person, conversation: &str, mut cursor: i64) -> Vec<i64> {
    let mut seqs = Vec::new();
    loop {
        let answer = person.syncs(json!({"cursors": {conversation: cursor}, "limit": 7})).await;
        let messages = answer["conversations"][0]["messages"].as_array().cloned().unwrap_or_default();
        seqs.extend(messages.iter().map(seq));
        cursor = answer["cursors"][conversation].as_i64().unwrap_or(cursor);
        if answer["has_more"] == false {
            return seqs;
        }
    }
}

async fn close_with_4003<const N: usize>(sockets: [&mut Socket; N]) {
    let began = Instant::now();
    for socket in sockets {
        assert_eq!(socket.is_closed().await.0, 4003);
    }
    assert!(began.elapsed() < AT_ONCE, "closing took {:?}", began.elapsed());
}
