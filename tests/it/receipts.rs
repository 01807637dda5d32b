//! How far everybody has come: cursors that only move forward, with the times at which they did.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::harness::{each, id, person::Person, reply::redacted, seq, server::TestServer};

async fn marks(person: &Person, conversation: &str, what: &str, how_far: Value) -> Value {
    person.post(&format!("/conversations/{conversation}/{what}"), how_far).await.expect(200)
}

/// Where somebody stands, as anybody in the conversation sees it: delivered and read.
async fn stands(asker: &Person, conversation: &str, whose: &Person) -> (i64, i64) {
    let list = asker.get(&format!("/conversations/{conversation}/receipts")).await.expect(200);
    let items = list["items"].as_array().expect("a list");
    let own = items.iter().find(|item| item["user_id"] == whose.id.as_str()).expect("everybody is in it");
    (own["delivered_seq"].as_i64().expect("a number"), own["read_seq"].as_i64().expect("a number"))
}

async fn of_message(asker: &Person, message: &Value) -> Value {
    let conversation = message["conversation_id"].as_str().expect("a message has one");
    asker.get(&format!("/conversations/{conversation}/messages/{}/receipts", id(message))).await.expect(200)
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} should be a time"))
}

#[tokio::test]
async fn who_reads_is_told_to_all_members_and_to_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "One").await;
    ada.says(&group, "Two").await;
    let other = bob.signs_in_again().await;
    let (mut adas, mut others, mut eves) = (ada.socket().await, other.socket().await, eve.socket().await);

    let reply = bob.post(&format!("/conversations/{group}/read"), json!({"seq": 2})).await;

    insta::assert_json_snapshot!("own_receipt", reply.shape());
    let event = adas.hears("message:read").await;
    insta::assert_json_snapshot!("read_event", redacted(&event));
    assert_eq!((&event["data"]["user_id"], &event["data"]["seq"]), (&json!(bob.id), &json!(2)));
    assert_eq!(event.get("seq"), None, "receipts are not of the log: {event:#}");
    assert_eq!(others.hears("message:read").await["data"], event["data"]);
    let is_read = |event: &Value| event["data"]["unread"] == 0 && event["data"]["total"] == 0;
    others.hears_where("unread:changed", is_read).await;
    eves.heard_nothing_in(&group).await;
}

#[tokio::test]
async fn reading_implies_that_it_was_delivered_and_not_the_other_way_round() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    for word in ["One", "Two", "Three"] {
        ada.says(&group, word).await;
    }

    marks(&bob, &group, "delivered", json!({"seq": 2})).await;
    assert_eq!(stands(&ada, &group, &bob).await, (2, 0));
    assert_eq!(bob.sees(&group).await["unread"], 3);
    marks(&bob, &group, "read", json!({"seq": 3})).await;
    assert_eq!(stands(&ada, &group, &bob).await, (3, 3));
}

#[tokio::test]
async fn cursors_never_go_back_nor_beyond_the_head() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    for word in ["One", "Two", "Three"] {
        ada.says(&group, word).await;
    }

    marks(&bob, &group, "read", json!({"seq": 2})).await;
    let back = marks(&bob, &group, "read", json!({"seq": 1})).await;
    assert_eq!((&back["seq"], &back["read_seq"]), (&json!(2), &json!(2)));
    let beyond = marks(&bob, &group, "read", json!({"seq": i64::MAX})).await;
    assert_eq!(beyond["read_seq"], 3);
    ada.says(&group, "Four").await;
    assert_eq!(bob.sees(&group).await["unread"], 1);
    marks(&bob, &group, "delivered", json!({"seq": 1})).await;
    assert_eq!(stands(&bob, &group, &bob).await, (3, 3));
}

#[tokio::test]
async fn a_cursor_that_does_not_move_is_told_to_nobody() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "One").await;
    bob.reads(&group).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    for how_far in [json!({}), json!({"seq": 0}), json!({"seq": 1}), json!({"seq": 99})] {
        marks(&bob, &group, "read", how_far).await;
    }
    marks(&bob, &group, "delivered", json!({"seq": 1})).await;
    marks(&ada, &group, "read", json!({})).await;

    adas.heard_nothing_new_in(&group).await;
    bobs.heard_nothing_new_in(&group).await;
    assert_eq!(ada.sees(&group).await["head_seq"], 1);
}

#[tokio::test]
async fn one_reads_everything_or_up_to_a_place_or_up_to_certain_messages() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let first = ada.says(&group, "One").await;
    let second = ada.says(&group, "Two").await;
    ada.says(&group, "Three").await;

    marks(&bob, &group, "read", json!({"message_ids": [second["id"], first["id"]]})).await;
    assert_eq!(bob.sees(&group).await["unread"], 1);
    marks(&bob, &group, "read", json!({})).await;
    assert_eq!(bob.sees(&group).await["unread"], 0);
    ada.says(&group, "Four").await;
    let no_body = bob.ask(reqwest::Method::POST, &format!("/conversations/{group}/read"));
    crate::harness::client::perform(no_body).await.expect(200);
    assert_eq!(bob.sees(&group).await["unread"], 0);

    let read = format!("/conversations/{group}/read");
    bob.post(&read, json!({"seq": -1})).await.refused_for("seq");
    bob.post(&read, json!({"seq": "one"})).await.refused_with(422);
    bob.post(&read, json!({"message_ids": [crate::harness::new_id()]})).await.refused(404, "not_found");
    bob.post(&read, json!({"message_ids": []})).await.refused_for("message_ids");
    bob.post(&format!("/conversations/{group}/delivered"), json!({})).await.refused_for("seq");
}

#[tokio::test]
async fn a_message_knows_when_it_reached_each_of_the_others() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    let first = ada.says(&group, "One").await;
    let second = ada.says(&group, "Two").await;

    server.clock.advance(Duration::seconds(10));
    marks(&bob, &group, "delivered", json!({"seq": seq(&second)})).await;
    server.clock.advance(Duration::seconds(10));
    marks(&bob, &group, "read", json!({"seq": seq(&first)})).await;
    server.clock.advance(Duration::seconds(10));
    marks(&bob, &group, "read", json!({"seq": seq(&second)})).await;

    let (ones, twos) = (of_message(&ada, &first).await, of_message(&ada, &second).await);
    insta::assert_json_snapshot!("of_message", redacted(&ones));
    let of = |list: &Value, person: &Person| {
        let items = list["items"].as_array().expect("a list").clone();
        items.into_iter().find(|item| item["user_id"] == person.id.as_str()).expect("they are listed")
    };
    let gap = |later: &Value, earlier: &Value| (time(later) - time(earlier)).num_seconds();
    assert_eq!(each(&ones, "user_id").len(), 2, "the sender is none of the others: {ones:#}");
    assert_eq!(gap(&of(&ones, &bob)["delivered_at"], &first["created_at"]), 10);
    assert_eq!(gap(&of(&ones, &bob)["read_at"], &first["created_at"]), 20);
    assert_eq!(gap(&of(&twos, &bob)["delivered_at"], &second["created_at"]), 10);
    assert_eq!(gap(&of(&twos, &bob)["read_at"], &second["created_at"]), 30);
    assert_eq!((&of(&twos, &eve)["delivered_at"], &of(&twos, &eve)["read_at"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn the_status_of_a_message_is_what_all_others_have_reached() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    let sent = ada.says(&group, "One").await;
    let seen = async |status: &str| {
        assert_eq!(ada.looks_at(&sent).await.expect(200)["status"], status);
        assert_eq!(bob.history(&group).await[0]["status"], status);
        assert_eq!(eve.sees(&group).await["last_message"]["status"], status);
        assert_eq!(ada.syncs(json!({})).await["conversations"][0]["messages"][0]["status"], status);
    };

    seen("sent").await;
    marks(&bob, &group, "read", json!({})).await;
    seen("sent").await;
    marks(&eve, &group, "delivered", json!({"seq": 1})).await;
    seen("delivered").await;
    marks(&eve, &group, "read", json!({})).await;
    seen("read").await;
    assert_eq!(ada.says(&group, "Two").await["status"], "sent");
}

#[tokio::test]
async fn who_leaves_or_joins_does_not_hold_a_status_back() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "One").await;
    bob.reads(&group).await;
    assert_eq!(ada.looks_at(&sent).await.expect(200)["status"], "read");

    ada.adds(&group, [&eve]).await.expect(201);
    assert_eq!(ada.looks_at(&sent).await.expect(200)["status"], "read", "who joins later has nothing to catch up on");

    let second = ada.says(&group, "Two").await;
    bob.reads(&group).await;
    assert_eq!(ada.looks_at(&second).await.expect(200)["status"], "sent");
    ada.removes(&group, &eve).await.expect(204);
    assert_eq!(ada.looks_at(&second).await.expect(200)["status"], "read");
}

#[tokio::test]
async fn who_may_not_see_a_message_is_not_among_those_whom_it_reached() {
    let server = TestServer::start().await;
    let [ada, bob, late] = server.people(["ada", "bob", "late"]).await;
    let group = ada.opens_group([&bob], json!({"history_for_new_members": "from_joining"})).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (before, cleared) = (ada.says(&group, "Before").await, ada.says(&direct, "Soon cleared").await);
    ada.adds(&group, [&late]).await.expect(201);
    let after = ada.says(&group, "After").await;
    bob.reads(&direct).await;

    late.reads(&group).await;
    bob.delete(&format!("/conversations/{direct}")).await.expect(204);

    assert_eq!(each(&of_message(&ada, &before).await, "user_id"), [&json!(bob.id)]);
    assert_eq!(each(&of_message(&ada, &after).await, "user_id"), [&json!(bob.id), &json!(late.id)]);
    let reached = of_message(&ada, &cleared).await;
    assert!(reached["items"][0]["read_at"].is_string(), "who has cleared what they read has read it: {reached:#}");
}

#[tokio::test]
async fn events_carry_sent() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut adas = ada.socket().await;
    let sent = ada.says(&group, "One").await;
    bob.reads(&group).await;

    ada.edits(&sent, "One!").await.expect(200);

    assert_eq!(adas.hears("message:updated").await["data"]["status"], "sent");
}

#[tokio::test]
async fn receipts_of_a_conversation_are_listed_for_each_member() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "One").await;
    bob.reads(&group).await;

    let reply = bob.get(&format!("/conversations/{group}/receipts")).await;

    insta::assert_json_snapshot!("of_conversation", reply.shape());
    bob.get(&format!("/conversations/{group}/receipts?limit=0")).await.refused_for("limit");
    let first = bob.get(&format!("/conversations/{group}/receipts?limit=1")).await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = bob.get(&format!("/conversations/{group}/receipts?limit=1&cursor={cursor}")).await.expect(200);
    assert_ne!(each(&first, "user_id"), each(&second, "user_id"));
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn marks_made_by_many_devices_at_once_end_at_the_furthest() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    for number in 0..20 {
        ada.says(&group, &number.to_string()).await;
    }

    let order = (1..=20).map(|turn| json!({"seq": turn * 7 % 20 + 1}));
    futures_util::future::join_all(order.map(|how_far| marks(&bob, &group, "read", how_far))).await;

    assert_eq!(stands(&ada, &group, &bob).await, (20, 20));
    assert_eq!(bob.sees(&group).await["unread"], 0);
}

#[tokio::test]
async fn a_cursor_whose_row_is_held_waits_and_holds_up_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    ada.says(&group, "One").await;
    let mut db = server.database.connect().await;
    let mut held = db.begin().await.expect("it is a database");
    sqlx::query("select 1 from members where user_id = $1::uuid for update")
        .bind(bob.id.parse::<uuid::Uuid>().expect("it is an id"))
        .execute(&mut *held)
        .await
        .expect("nobody else holds it");

    let (caller, place) = (bob.clone(), group.clone());
    let waiting = tokio::spawn(async move { marks(&caller, &place, "read", json!({})).await });
    for _ in 0..3 {
        assert_eq!(marks(&eve, &group, "read", json!({})).await["read_seq"], 1);
    }
    assert_eq!(stands(&ada, &group, &bob).await, (0, 0));
    assert!(!waiting.is_finished());
    held.rollback().await.expect("it was held until now");

    assert_eq!(waiting.await.expect("it is answered")["read_seq"], 1);
    assert_eq!(stands(&ada, &group, &bob).await, (1, 1));
}

#[tokio::test]
async fn strangers_move_no_cursor_whatever_they_say() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "One").await;
    bob.removes(&group, &bob).await.expect(204);

    for stranger in [&bob, &eve] {
        for how_far in [json!({}), json!({"seq": 1}), json!({"message_ids": [id(&sent)]})] {
            stranger.post(&format!("/conversations/{group}/read"), how_far).await.refused(404, "not_found");
        }
        stranger.post(&format!("/conversations/{group}/delivered"), json!({"seq": 1})).await.refused(404, "not_found");
    }
    let list = ada.get(&format!("/conversations/{group}/receipts")).await.expect(200);
    assert_eq!(each(&list, "user_id"), [&json!(ada.id)]);
}
