//! Who may open a socket, and the four ways to prove it.

use chrono::Duration;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::harness::{
    client::Client,
    person::Person,
    raw::RawSocket,
    reply::redacted,
    school::operator,
    server::TestServer,
    socket::{Socket, request},
};

#[tokio::test]
async fn a_token_in_the_header_opens_a_socket_which_says_ready() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let socket = ada.socket().await;

    assert_eq!(socket.ready["session_id"], ada.session_id);
    insta::assert_json_snapshot!("ready", redacted(&socket.ready));
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_no_second() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let query = ticket_query(&ada).await;

    let mut socket = Socket::connect(request(&server.client, &query, &[])).await.expect("the ticket is good");
    let second = Socket::connect(request(&server.client, &query, &[])).await;

    assert_eq!(socket.hears("ready").await["data"]["user"]["id"], ada.id);
    assert_refused(second, 401, "invalid_ticket");
}

#[tokio::test]
async fn a_ticket_that_nobody_used_in_time_opens_nothing() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let given = ada.post("/auth/ticket", json!({})).await.expect(200);
    let query = format!("?ticket={}", given["ticket"].as_str().expect("a ticket is text"));

    server.clock.advance(Duration::seconds(given["expires_in"].as_i64().expect("a number of seconds")));

    assert_refused(Socket::connect(request(&server.client, &query, &[])).await, 401, "invalid_ticket");
}

#[tokio::test]
async fn a_ticket_lets_nobody_in_who_has_lost_the_right_since() {
    let server = TestServer::start().await;
    let (olga, [ada, bob, eve]) = (operator(&server).await, server.people(["ada", "bob", "eve"]).await);
    let watchman = server.person("watchman").await;
    let group = watchman.opens_group_with([&ada, &bob, &eve]).await;
    let mut looking = watchman.socket().await;
    looking.sends("conversation:join", json!({"conversation_id": group})).await;
    let tickets = [ticket_query(&ada).await, ticket_query(&bob).await, ticket_query(&eve).await];

    ada.post("/auth/logout", json!({})).await.expect(204);
    bob.delete("/users/me").await.expect(204);
    olga.put(&format!("/admin/users/{}/ban", eve.id), json!({"reason": "Spam"})).await.expect(200);
    // So that what was issued before is older than what ended it.
    server.clock.advance(Duration::seconds(1));

    for query in tickets {
        let mut socket = Socket::connect(request(&server.client, &query, &[])).await.expect("the ticket is good");
        assert_eq!(socket.is_closed().await.0, 4003);
    }
    looking.heard_nothing_of("user:online").await;
    let admitted = ada.signs_in_again().await.socket().await;
    assert_eq!(looking.hears("user:online").await["data"]["user_id"], ada.id);
    drop(admitted);
}

#[tokio::test]
async fn a_subprotocol_carries_the_token_and_only_the_protocol_is_answered() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let offered = format!("colloquy.v1, bearer.{}", token(&ada));

    let mut socket = RawSocket::shake_hands(&server.client, &[("Sec-WebSocket-Protocol", &offered)]).await;

    let head = socket.head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-protocol: colloquy.v1\r\n"), "{head}");
    assert!(socket.reads("\"ready\"").await.contains(&ada.id));
}

#[tokio::test]
async fn a_first_frame_proves_whose_socket_it_is() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut socket = open_without_proof(&server.client).await;

    socket.sends_frame(&json!({"type": "auth", "ref": "me", "data": {"token": token(&ada)}})).await;

    assert_eq!(socket.hears("ready").await["data"]["session_id"], ada.session_id);
    assert_eq!(socket.hears("ack").await["ref"], "me");
}

#[tokio::test]
async fn a_wrong_token_at_the_handshake_is_401() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let late = server.person("late").await;
    late.post("/auth/logout", json!({})).await.expect(204);

    assert_refused(connect_with(&server.client, "no token at all").await, 401, "invalid_token");
    assert_refused(connect_with(&server.client, &format!("{}x", token(&ada))).await, 401, "invalid_token");
    assert_refused(connect_with(&server.client, token(&late)).await, 401, "session_revoked");
    let query = "?ticket=made-up";
    assert_refused(Socket::connect(request(&server.client, query, &[])).await, 401, "invalid_ticket");
    server.clock.advance(Duration::hours(1));
    assert_refused(connect_with(&server.client, token(&ada)).await, 401, "token_expired");
}

#[tokio::test]
async fn a_first_frame_with_a_wrong_token_closes_with_4001() {
    let server = TestServer::start().await;
    let mut socket = open_without_proof(&server.client).await;

    socket.sends_frame(&json!({"type": "auth", "data": {"token": "no token at all"}})).await;

    assert_eq!(socket.is_closed().await.0, 4001);
}

#[tokio::test]
async fn nothing_is_carried_out_before_the_socket_has_an_owner() {
    let server = TestServer::start().await;
    for frame in [json!({"type": "ping", "ref": "1"}), json!({"type": "sync", "data": {}}), json!({"type": "auth"})] {
        let mut socket = open_without_proof(&server.client).await;

        socket.sends_frame(&frame).await;

        assert_eq!(socket.is_closed().await.0, 4001, "{frame}");
    }
}

#[tokio::test]
async fn who_stays_silent_for_five_seconds_is_let_go() {
    let server = TestServer::start().await;
    let mut socket = open_without_proof(&server.client).await;
    let began = tokio::time::Instant::now();

    let (code, _) = socket.is_closed().await;

    assert_eq!(code, 4001);
    assert!(began.elapsed() > std::time::Duration::from_secs(4), "it was closed after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_plain_get_is_told_to_upgrade() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let reply = ada.get("/ws").await;

    assert_eq!(reply.header("upgrade"), "websocket");
    reply.refused(426, "upgrade_required");
}

#[tokio::test]
async fn by_default_only_pages_of_the_server_and_of_localhost_may_open_sockets() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let own = server.client.origin();

    for origin in [own, "http://localhost", "http://localhost:3000", "https://127.0.0.1:8443"] {
        connect_from(&ada, origin).await.unwrap_or_else(|error| panic!("{origin} is allowed, but: {error:?}"));
    }
    let twin = format!("{own}0");
    for origin in
        ["null", "https://evil.example", "http://localhost.evil.example", "http://127.0.0.1.evil.example", &twin]
    {
        assert_refused(connect_from(&ada, origin).await, 403, "origin_not_allowed");
    }
}

#[tokio::test]
async fn a_list_of_origins_replaces_the_default() {
    let server = TestServer::with(|settings| settings.allowed_origins = vec!["https://app.example".to_owned()]).await;
    let ada = server.person("ada").await;

    assert!(connect_from(&ada, "https://app.example").await.is_ok());
    for origin in ["http://app.example", "https://app.example.evil.example", "http://localhost", server.client.origin()]
    {
        assert_refused(connect_from(&ada, origin).await, 403, "origin_not_allowed");
    }
    assert!(connect_with(&server.client, token(&ada)).await.is_ok(), "a missing Origin is fine");
}

fn token(person: &Person) -> &str {
    person.token().expect("who is signed in has a token")
}

async fn ticket_query(person: &Person) -> String {
    let given = person.post("/auth/ticket", json!({})).await.expect(200);
    format!("?ticket={}", given["ticket"].as_str().expect("a ticket is text"))
}

async fn connect_with(client: &Client, token: &str) -> Result<Socket, tungstenite::Error> {
    Socket::connect(request(client, "", &[("authorization", &format!("Bearer {token}"))])).await
}

async fn connect_from(person: &Person, origin: &str) -> Result<Socket, tungstenite::Error> {
    let bearer = format!("Bearer {}", token(person));
    Socket::connect(request(person, "", &[("authorization", &bearer), ("origin", origin)])).await
}

async fn open_without_proof(client: &Client) -> Socket {
    Socket::connect(request(client, "", &[])).await.expect("the first frame may prove it")
}

#[track_caller]
fn assert_refused(opened: Result<Socket, tungstenite::Error>, status: u16, code: &str) {
    let response = match opened {
        Err(tungstenite::Error::Http(response)) => response,
        Err(error) => panic!("the handshake should be refused with {status} {code}, but: {error:?}"),
        Ok(_) => panic!("the handshake should be refused with {status} {code}, but a socket opened"),
    };
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    let body = response.body().as_deref().unwrap_or_default();
    let problem: Value = serde_json::from_slice(body).expect("a refusal is a problem in JSON");
    assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)));
    assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{problem:#}");
}
