//! For those who run a server: is it alive, is it ready, how is it doing, and what does it promise.

use std::{fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{PATIENCE, client::perform, reply::Reply, server::TestServer, until};

async fn gets(server: &TestServer, path: &str) -> Reply {
    perform(server.client.ask_outside(Method::GET, path)).await
}

#[tokio::test]
async fn a_server_says_that_it_lives_and_is_ready() {
    let server = TestServer::start().await;

    let (live, ready) = (gets(&server, "/health/live").await, gets(&server, "/health/ready").await);

    insta::assert_json_snapshot!("live", live.shape());
    insta::assert_json_snapshot!("ready", ready.shape());
}

#[tokio::test]
async fn metrics_count_what_happens_and_name_nobody() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;
    ada.says(&group, "Do not count my words").await;
    bobs.hears("message:new").await;

    let text = until("the message is counted", async || {
        let reply = gets(&server, "/metrics").await;
        assert!(reply.header("content-type").starts_with("text/plain"), "{reply}");
        let text = reply.expect(200).as_str().expect("Prometheus reads text").to_owned();
        text.lines()
            .any(|line| line.contains("messages_sent") && !line.starts_with('#') && !line.ends_with(" 0"))
            .then_some(text)
    })
    .await;

    for counted in ["requests", "sockets", "messages_sent", "deliveries", "queue_depth", "connections", "commit"] {
        let is_there = text.lines().any(|line| !line.starts_with('#') && line.contains(counted));
        assert!(is_there, "nothing of `{counted}` is in\n{text}");
    }
    for secret in [ada.id.as_str(), &group, "ada", "words"] {
        assert!(!text.contains(secret), "`{secret}` is in\n{text}");
    }
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_for_who_has_the_token() {
    let server = TestServer::with(|settings| {
        settings.metrics_token = "let me count".parse().ok();
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("it is a network")];
    })
    .await;
    let from_elsewhere = async |token: Option<&str>| {
        let client = token.map_or_else(|| server.client.clone(), |token| server.client.with_token(token));
        perform(client.ask_outside(Method::GET, "/metrics").header("x-forwarded-for", "198.51.100.1")).await
    };

    gets(&server, "/metrics").await.expect(200);
    from_elsewhere(None).await.refused_with(401);
    from_elsewhere(Some("let me guess")).await.refused_with(401);
    from_elsewhere(Some("let me count")).await.expect(200);
}

#[tokio::test]
async fn the_contract_is_served_as_it_is_committed() {
    let server = TestServer::start().await;

    let committed = |name: &str| {
        json!(fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("it is committed"))
    };

    let (rest, sockets) = (gets(&server, "/openapi.yaml").await, gets(&server, "/asyncapi.yaml").await);

    assert!(rest.header("content-type").contains("yaml") && sockets.header("content-type").contains("yaml"));
    assert_eq!(rest.expect(200), committed("openapi.yaml"));
    assert_eq!(sockets.expect(200), committed("asyncapi.yaml"));
}

#[tokio::test]
async fn the_contract_can_be_browsed_without_any_outside_host() {
    let server = TestServer::start().await;

    // Whoever leaves out the slash is led there.
    let page = gets(&server, "/docs").await;
    let script = gets(&server, "/docs/swagger-initializer.js").await;

    for reply in [page, script] {
        let text = reply.expect(200).to_string();
        assert!(!text.contains("https://") && !text.contains("http://"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_stops_in_good_order_keeps_everything_and_another_goes_on() {
    let (north, south) = TestServer::pair().await;
    let ada = north.person("ada").await;
    let group = ada.opens_group_with([]).await;
    ada.says(&group, "Before").await;
    let mut socket = ada.socket().await;

    let stopping = north.stop();
    let closed = socket.is_closed();
    let ((), (code, reason)) = futures_util::future::join(stopping, closed).await;

    assert_eq!(code, 1001);
    assert!(reason.starts_with("reconnect_after_ms="), "{reason}");
    assert_eq!(ada.at(&south).words(&group).await, ["Before"]);
}

#[tokio::test]
async fn connections_that_rest_between_two_requests_do_not_delay_the_end() {
    let server = TestServer::with(|settings| settings.shutdown_seconds = 3_600).await;
    let mut resting = TcpStream::connect(server.address()).await.expect("the server listens");
    resting.write_all(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n").await.expect("the server reads");
    let mut first = [0; 15];
    resting.read_exact(&mut first).await.expect("the server answers");
    assert_eq!(&first, b"HTTP/1.1 200 OK");

    timeout(PATIENCE, server.stop()).await.expect("nobody is waited for who asks nothing");

    let mut rest = Vec::new();
    resting.read_to_end(&mut rest).await.expect("it is closed in good order");
}

#[tokio::test]
async fn whatever_can_be_got_can_be_asked_after() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let whole = perform(ada.ask(Method::GET, "/users/me")).await;

    let head = perform(ada.ask(Method::HEAD, "/users/me")).await;

    assert_eq!((head.status, &head.body), (200, &Value::Null));
    for name in ["content-type", "content-length"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    for path in ["/health/live", "/health/ready", "/metrics", "/openapi.yaml", "/asyncapi.yaml", "/docs/"] {
        let head = perform(server.client.ask_outside(Method::HEAD, path)).await;
        assert_eq!((head.status, &head.body), (200, &Value::Null), "{path}");
    }
    for (path, status) in [("/users/me", 401), ("/nowhere", 404), ("/sync", 405), ("/ws", 426)] {
        let head = perform(server.client.ask(Method::HEAD, path)).await;
        assert_eq!((head.status, &head.body), (status, &Value::Null), "{path}");
    }
    // The connection goes on: nothing of a body was left on it.
    ada.get("/users/me").await.expect(200);
}
