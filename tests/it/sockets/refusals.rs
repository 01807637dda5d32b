//! Refused commands: an error by its `ref`, with the same stable code that REST has, and the socket goes on.

use serde_json::json;

use super::heard_no_news_of;
use crate::harness::{id, new_id, reply::redacted, server::TestServer};

#[tokio::test]
async fn a_refusal_is_a_problem_under_the_commands_ref() {
    let server = TestServer::start().await;
    let mut socket = server.person("ada").await.socket().await;

    socket
        .sends_frame(&json!({"type": "message:send", "ref": "r1", "data": {"conversation_id": new_id(), "body": "x"}}))
        .await;

    insta::assert_json_snapshot!("error", redacted(&socket.hears("error").await));
}

#[tokio::test]
async fn what_is_not_ones_own_is_not_found_by_any_command() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let message = ada.says(&direct, "Hello").await;
    let elsewhere = eve.opens_group_with([]).await;
    let mut socket = eve.socket().await;

    for conversation in [direct.as_str(), &new_id()] {
        let target = json!({"conversation_id": conversation, "message_id": id(&message), "body": "x", "seq": 1});
        for command in [
            "message:send",
            "message:edit",
            "message:delete",
            "typing:start",
            "typing:stop",
            "conversation:join",
            "conversation:leave",
        ] {
            let problem = socket.is_refused(command, target.clone()).await;
            assert_eq!((&problem["code"], &problem["status"]), (&json!("not_found"), &json!(404)), "{command}");
        }
        for command in ["message:read", "message:delivered"] {
            let problem = socket.is_refused(command, json!({"conversation_id": conversation, "seq": 1})).await;
            assert_eq!(problem["code"], "not_found", "{command}");
        }
    }
    // Nor under a conversation of her own.
    let target = json!({"conversation_id": elsewhere, "message_id": id(&message), "body": "x", "for": "everyone"});
    for command in ["message:edit", "message:delete"] {
        assert_eq!(socket.is_refused(command, target.clone()).await["code"], "not_found", "{command}");
    }
    let read =
        socket.is_refused("message:read", json!({"conversation_id": elsewhere, "message_ids": [id(&message)]})).await;
    assert_eq!(read["code"], "not_found");
    assert_eq!(ada.words(&direct).await, ["Hello"]);
}

#[tokio::test]
async fn refusals_have_the_codes_of_rest() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (mine, theirs) = (bob.says(&group, "Mine").await, ada.says(&group, "Theirs").await);
    let mut socket = bob.socket().await;
    let target =
        |message, body: &str| json!({"conversation_id": group, "message_id": message, "body": body, "for": "everyone"});

    let edit = socket.is_refused("message:edit", target(id(&theirs), "x")).await;
    assert_eq!((&edit["code"], &edit["status"]), (&json!("not_the_author"), &json!(403)));
    let delete = socket.is_refused("message:delete", target(id(&theirs), "x")).await;
    assert_eq!((&delete["code"], &delete["status"]), (&json!("insufficient_role"), &json!(403)));
    let too_long = socket.is_refused("message:edit", target(id(&mine), &"x".repeat(16_001))).await;
    assert_eq!((&too_long["code"], &too_long["status"]), (&json!("validation_failed"), &json!(422)));
    let other = json!({"conversation_id": group, "id": id(&mine), "body": "Something else"});
    let mismatch = socket.is_refused("message:send", other).await;
    assert_eq!((&mismatch["code"], &mismatch["status"]), (&json!("idempotency_mismatch"), &json!(409)));

    bob.deletes(&mine, "everyone").await.expect(200);
    let late = socket.is_refused("message:edit", target(id(&mine), "Too late")).await;
    assert_eq!((&late["code"], &late["status"]), (&json!("message_deleted"), &json!(409)));
    for nobody_says_that in ["", "nul\u{0}", &"x".repeat(16_001)] {
        let send = json!({"conversation_id": group, "body": nobody_says_that});
        assert_eq!(socket.is_refused("message:send", send).await["code"], "validation_failed");
    }
    assert_eq!(socket.is_refused("presence:set", json!({"status": "asleep"})).await["code"], "validation_failed");
    assert_eq!(socket.is_refused("sync", json!({"limit": 501})).await["code"], "validation_failed");
    assert_eq!(socket.is_refused("sync", json!({"own_cursor": "yesterday"})).await["code"], "bad_request");
}

#[tokio::test]
async fn between_two_where_one_blocked_the_other_nothing_is_sent_and_no_more_is_said() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    bob.blocks(&ada).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    let to_bob = adas.is_refused("message:send", json!({"conversation_id": direct, "body": "Hello?"})).await;
    let to_ada = bobs.is_refused("message:send", json!({"conversation_id": direct, "body": "Go away."})).await;
    let typing = adas.is_refused("typing:start", json!({"conversation_id": direct})).await;

    for problem in [to_bob, to_ada, typing] {
        assert_eq!((&problem["code"], &problem["status"]), (&json!("not_allowed"), &json!(403)));
    }
    bobs.heard_nothing_in(&direct).await;
}

#[tokio::test]
async fn a_refused_command_changes_nothing_and_tells_nobody() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let message = ada.says(&group, "Hello").await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    let target = json!({"conversation_id": group, "message_id": id(&message), "body": "x", "for": "everyone"});
    bobs.is_refused("message:edit", target.clone()).await;
    bobs.is_refused("message:delete", target).await;
    bobs.is_refused("message:send", json!({"conversation_id": group, "body": ""})).await;

    heard_no_news_of(&mut adas, &group).await;
    heard_no_news_of(&mut bobs, &group).await;
    assert_eq!(ada.sees(&group).await["head_seq"], 1);
}

#[tokio::test]
async fn a_command_over_its_limit_is_refused_with_429_and_the_socket_goes_on() {
    let server = TestServer::with(|settings| settings.messages_per_minute = 2).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut socket = ada.socket().await;
    let (first, message) = (new_id(), |id: String| json!({"conversation_id": direct, "id": id, "body": "Hello"}));
    socket.sends("message:send", message(first.clone())).await;
    socket.sends("message:send", message(new_id())).await;

    let problem = socket.is_refused("message:send", message(new_id())).await;

    assert_eq!((&problem["code"], &problem["status"]), (&json!("rate_limited"), &json!(429)));
    assert!(problem["retry_after"].as_u64().is_some_and(|seconds| (1..=60).contains(&seconds)), "{problem:#}");
    assert_eq!(problem["retryable"], true);
    // A retry counts against no limit.
    socket.sends("message:send", message(first)).await;
}
