//! Devices that stay signed in: refreshing, listing, ending; and tickets for sockets.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    client::Client,
    each,
    person::Person,
    reply::Reply,
    server::{PASSWORD, TestServer},
    socket::{Socket, request},
};

async fn refreshes(client: &Client, token: &Value) -> Reply {
    client.post("/auth/refresh", json!({"refresh_token": token})).await
}

#[tokio::test]
async fn a_refresh_token_buys_an_access_token_and_its_successor() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let reply = refreshes(&server.client, &json!(ada.refresh_token)).await;

    insta::assert_json_snapshot!("refresh", reply.shape());
    let answer = reply.expect(200);
    assert_eq!(answer["session_id"], ada.session_id.as_str());
    assert_ne!(answer["refresh_token"], ada.refresh_token.as_str());
    Person::new(&server.client, "ada", &answer).get("/users/me").await.expect(200);
}

#[tokio::test]
async fn the_previous_refresh_token_stays_good_until_the_new_one_is_used() {
    let server = TestServer::start().await;
    let first = json!(server.person("ada").await.refresh_token);

    let lost = refreshes(&server.client, &first).await.expect(200);
    let again = refreshes(&server.client, &first).await.expect(200);
    let and_again = refreshes(&server.client, &first).await.expect(200);

    for answer in [&lost, &again, &and_again] {
        Person::new(&server.client, "ada", answer).get("/users/me").await.expect(200);
    }
    refreshes(&server.client, &and_again["refresh_token"]).await.expect(200);
}

#[tokio::test]
async fn a_spent_refresh_token_ends_the_session_for_whoever_holds_it() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let other = ada.signs_in_again().await;
    let first = json!(ada.refresh_token);
    let second = refreshes(&server.client, &first).await.expect(200);
    let third = refreshes(&server.client, &second["refresh_token"]).await.expect(200);

    refreshes(&server.client, &first).await.refused(401, "session_revoked");

    refreshes(&server.client, &third["refresh_token"]).await.refused_with(401);
    Person::new(&server.client, "ada", &third).get("/users/me").await.refused(401, "session_revoked");
    ada.get("/users/me").await.refused(401, "session_revoked");
    other.get("/users/me").await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_used_by_many_at_once_logs_nobody_out() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let first = json!(ada.refresh_token);

    let answers = join_all((0..8).map(|_| refreshes(&server.client, &first))).await;

    for answer in answers {
        let answer = answer.expect(200);
        Person::new(&server.client, "ada", &answer).get("/users/me").await.expect(200);
    }
    ada.get("/users/me").await.expect(200);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_and_harms_nobody() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let forged = "A".repeat(ada.refresh_token.len());

    for bad in ["", "nonsense", "\u{1F511}", forged.as_str(), ada.token().expect("she is signed in")] {
        refreshes(&server.client, &json!(bad)).await.refused_with(401);
    }

    ada.get("/users/me").await.expect(200);
    refreshes(&server.client, &json!(ada.refresh_token)).await.expect(200);
}

#[tokio::test]
async fn who_logs_out_is_out_on_that_device_alone() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let other = ada.signs_in_again().await;

    let reply = ada.post("/auth/logout", json!({})).await;

    assert_eq!(reply.expect(204), Value::Null);
    ada.get("/users/me").await.refused(401, "session_revoked");
    refreshes(&server.client, &json!(ada.refresh_token)).await.refused_with(401);
    other.get("/users/me").await.expect(200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_whose_they_are() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let lost = ada.signs_in_again().await;

    let reply = ada.get("/auth/sessions").await;
    eve.delete(&format!("/auth/sessions/{}", lost.session_id)).await.refused(404, "not_found");
    ada.delete(&format!("/auth/sessions/{}", lost.session_id)).await.expect(204);

    let sessions = reply.clone().expect(200);
    let current: Vec<_> =
        sessions["items"].as_array().expect("a list").iter().filter(|it| it["current"] == true).collect();
    assert_eq!(current.iter().map(|session| &session["id"]).collect::<Vec<_>>(), [ada.session_id.as_str()]);
    insta::assert_json_snapshot!("sessions", reply.shape());
    lost.get("/users/me").await.refused(401, "session_revoked");
    let left = ada.get("/auth/sessions").await.expect(200);
    assert_eq!(each(&left, "id"), [ada.session_id.as_str()]);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let other = ada.signs_in_again().await;

    let change = json!({"current_password": PASSWORD, "new_password": "a better password"});
    ada.post("/auth/password", change).await.expect(204);

    ada.get("/users/me").await.expect(200);
    refreshes(&server.client, &json!(ada.refresh_token)).await.expect(200);
    other.get("/users/me").await.refused(401, "session_revoked");
    refreshes(&server.client, &json!(other.refresh_token)).await.refused_with(401);
    let login = |password: &str| json!({"username": "ada", "password": password});
    server.client.post("/auth/login", login(PASSWORD)).await.refused(401, "bad_credentials");
    server.client.post("/auth/login", login("a better password")).await.expect(200);
}

#[tokio::test]
async fn who_does_not_know_the_password_does_not_change_it() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let other = ada.signs_in_again().await;

    let guess = json!({"current_password": "not the password", "new_password": "a better password"});
    let short = json!({"current_password": PASSWORD, "new_password": "1234567"});
    ada.post("/auth/password", guess).await.refused_for("current_password");
    ada.post("/auth/password", short).await.refused_for("new_password");

    other.get("/users/me").await.expect(200);
    other.signs_in_again().await;
}

#[tokio::test]
async fn a_ticket_opens_one_socket_once() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let reply = ada.post("/auth/ticket", json!({})).await;
    insta::assert_json_snapshot!("ticket", reply.shape());
    let query = format!("?ticket={}", reply.expect(200)["ticket"].as_str().expect("a ticket is text"));
    let mut socket = Socket::connect(request(&server.client, &query, &[])).await.expect("the ticket is good");

    let ready = socket.hears("ready").await;
    assert_eq!(ready["data"]["user"]["id"], ada.id.as_str());
    let again = Socket::connect(request(&server.client, &query, &[])).await.map(|_| ());
    let refusal = again.expect_err("the ticket is used up");
    assert!(refusal.to_string().contains("401"), "{refusal}");
}

#[tokio::test]
async fn a_ticket_shown_by_many_at_once_lets_one_in() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let ticket = ada.post("/auth/ticket", json!({})).await.expect(200);
    let query = format!("?ticket={}", ticket["ticket"].as_str().expect("a ticket is text"));

    let tries = join_all((0..8).map(|_| Socket::connect(request(&server.client, &query, &[])))).await;

    assert_eq!(tries.iter().filter(|socket| socket.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_ticket_is_good_for_as_long_as_it_says() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let ticket = ada.post("/auth/ticket", json!({})).await.expect(200);
    let query = format!("?ticket={}", ticket["ticket"].as_str().expect("a ticket is text"));

    server.clock.advance(chrono::Duration::seconds(ticket["expires_in"].as_i64().expect("a number") + 1));

    let late = Socket::connect(request(&server.client, &query, &[])).await.map(|_| ());
    assert!(late.expect_err("the ticket is too old").to_string().contains("401"));
}

#[tokio::test]
async fn nobody_but_whose_they_are_sees_devices_and_tickets() {
    let server = TestServer::start().await;

    server.client.get("/auth/sessions").await.refused(401, "unauthenticated");
    server.client.post("/auth/ticket", json!({})).await.refused(401, "unauthenticated");
    server.client.post("/auth/logout", json!({})).await.refused(401, "unauthenticated");
    server.client.post("/auth/password", json!({})).await.refused_with(401);
}
