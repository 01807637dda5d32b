//! A PostgreSQL that dies, goes away for a while, or cannot be reached.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::Executor;

use super::crowd::Crowd;
use crate::harness::{
    client::{Client, perform},
    own_postgres::OwnPostgres,
    postgres::Database,
    process::Process,
    proxy::{Proxy, Target},
    socket::{Socket, request},
    until,
};

/// Ends all sessions of the database but this one.
const TERMINATE: &str = "select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()";

#[tokio::test]
async fn backends_that_are_terminated_under_load_cost_no_message_and_no_socket() {
    let database = Database::create().await;
    let server = Process::start(&[("DATABASE_URL", database.url())]).await;
    let crowd = Crowd::gather(&[&server.client]).await;
    let mut admin = database.connect().await;

    for _ in 0..10 {
        admin.execute(TERMINATE).await.expect("the owner may");
        crowd.ledger.grows_by(20).await;
    }

    all_sockets_stayed(&crowd);
    crowd.end().await;
}

#[tokio::test]
async fn postgresql_may_die_or_go_away_for_a_while() {
    let mut postgres = OwnPostgres::start();
    let server = Process::start(&[("DATABASE_URL", postgres.url())]).await;
    let crowd = Crowd::gather(&[&server.client]).await;

    postgres.kill();
    is_away(&server.client, &crowd).await;
    postgres.start_again();
    is_back(&server.client, &crowd).await;
    postgres.stop();
    is_away(&server.client, &crowd).await;
    postgres.start_again();
    is_back(&server.client, &crowd).await;

    all_sockets_stayed(&crowd);
    crowd.end().await;
}

#[tokio::test]
async fn a_writer_whose_connection_died_while_nobody_spoke_refuses_nobody() {
    let database = Database::create().await;
    let server = Process::start(&[("DATABASE_URL", database.url())]).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    ada.says(&group, "Before").await;

    database.connect().await.execute(TERMINATE).await.expect("the owner may");

    ada.says(&group, "After").await;
}

#[tokio::test]
async fn the_network_to_postgresql_may_be_cut_and_slow() {
    let database = Database::create().await;
    let network = Proxy::to(Target::Socket(database.socket())).await;
    let server = Process::start(&[("DATABASE_URL", &database.url_over(network.address))]).await;
    let crowd = Crowd::gather(&[&server.client]).await;

    for _ in 0..2 {
        network.cut();
        is_away(&server.client, &crowd).await;
        network.mend();
        is_back(&server.client, &crowd).await;
    }
    network.delay(Duration::from_millis(30));
    crowd.ledger.grows_by(50).await;
    network.mend();

    all_sockets_stayed(&crowd);
    crowd.end().await;
}

#[tokio::test]
async fn connections_that_the_network_forgot_are_given_up() {
    let database = Database::create().await;
    let network = Proxy::to(Target::Socket(database.socket())).await;
    let server = Process::start(&[("DATABASE_URL", &database.url_over(network.address))]).await;
    let crowd = Crowd::gather(&[&server.client]).await;
    let (reader, read) = (crowd.people[0].clone(), async || crowd.people[0].get("/conversations").await.status);
    let path = "/conversations?limit=1";
    let reading = tokio::spawn(async move { join_all((0..40).map(|_| reader.get(path))).await });

    network.freeze();
    is_away(&server.client, &crowd).await;
    network.mend();
    is_back(&server.client, &crowd).await;

    for reply in reading.await.expect("all are answered") {
        if reply.status != 200 {
            reply.refused(503, "unavailable");
        }
    }
    until("every connection is a good one", async || {
        join_all((0..40).map(|_| read())).await.iter().all(|status| *status == 200).then_some(())
    })
    .await;
    all_sockets_stayed(&crowd);
    crowd.end().await;
}

#[tokio::test]
async fn a_server_can_be_stopped_while_its_database_does_not_answer() {
    let database = Database::create().await;
    let network = Proxy::to(Target::Socket(database.socket())).await;
    let url = database.url_over(network.address);
    let server = Process::start(&[("DATABASE_URL", &url), ("COLLOQUY_SHUTDOWN_SECONDS", "1")]).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;
    ada.says(&group, "Before").await;
    network.freeze();
    let path = format!("/conversations/{group}/messages");
    let unanswered = ada.ask(Method::POST, &path).json(&json!({"body": "Is anybody there?"})).send();
    let unanswered = tokio::spawn(unanswered);
    is_not_ready(&server.client).await;

    server.stop().await;

    assert_eq!(socket.is_closed().await.0, 1001);
    let answer = unanswered.await.expect("nobody panics");
    assert!(answer.is_err() || answer.is_ok_and(|reply| reply.status() == 503), "nothing was committed");
}

#[tokio::test]
async fn a_database_that_is_away_is_no_fault_of_whoever_opens_a_socket() {
    let mut postgres = OwnPostgres::start();
    let server = Process::start(&[("DATABASE_URL", postgres.url())]).await;
    let known = server.person("ada").await;
    known.get("/users/me").await.expect(200);
    // Nobody has seen this token yet, so that the database must be asked about it.
    let new = known.signs_in_again().await;
    let mut sockets = Vec::new();
    for person in [&known, &new] {
        let socket = Socket::connect(request(&server.client, "", &[])).await.expect("it opens without a proof");
        sockets.push((socket, person.token().expect("who is signed in has a token")));
    }

    postgres.kill();

    for (mut socket, token) in sockets {
        socket.sends_frame(&json!({"type": "auth", "data": {"token": token}})).await;
        assert_eq!(socket.hears("error").await["error"]["code"], "unavailable");
        let (code, reason) = socket.is_closed().await;
        assert!(code == 1001 && reason.starts_with("reconnect_after_ms="), "{code} {reason}");
    }
}

async fn is_away(client: &Client, crowd: &Crowd) {
    crowd.ledger.is_refused().await;
    is_not_ready(client).await;
    perform(client.ask_outside(Method::GET, "/health/live")).await.expect(200);
}

async fn is_not_ready(client: &Client) {
    until("the server says that its database is away", async || {
        let reply = perform(client.ask_outside(Method::GET, "/health/ready")).await;
        (reply.status == 503).then_some(())
    })
    .await;
}

async fn is_back(client: &Client, crowd: &Crowd) {
    until("the server is ready again", async || {
        let reply = perform(client.ask_outside(Method::GET, "/health/ready")).await;
        (reply.status == 200 && reply.body["status"] == json!("ok")).then_some(())
    })
    .await;
    crowd.ledger.grows_by(50).await;
}

fn all_sockets_stayed(crowd: &Crowd) {
    assert!(crowd.heard.iter().all(|heard| heard.borrow().opened == 1), "a socket had to be opened again");
}
