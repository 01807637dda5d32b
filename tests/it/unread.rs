//! Unread counts: of others' messages above one's own cursor, exact whatever happens.

use serde_json::{Value, json};

use crate::harness::{each, person::Person, seq, server::TestServer};

async fn unread(person: &Person, conversation: &str) -> (i64, i64) {
    let seen = person.sees(conversation).await;
    (seen["unread"].as_i64().expect("a number"), seen["mentions"].as_i64().expect("a number"))
}

#[tokio::test]
async fn only_the_words_of_others_count() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;

    ada.says(&group, "One").await;
    bob.says(&group, "Two").await;
    ada.adds(&group, [&eve]).await.expect(201);
    ada.patch(&format!("/conversations/{group}"), json!({"name": "Saturday"})).await.expect(200);

    assert_eq!(unread(&ada, &group).await, (1, 0));
    assert_eq!(unread(&bob, &group).await, (0, 0), "who speaks has read what came before");
    assert_eq!(unread(&eve, &group).await, (0, 0));
}

#[tokio::test]
async fn what_is_deleted_or_hidden_does_not_count_wherever_the_cursor_is() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut sent = Vec::new();
    for number in 0..6 {
        let mention = json!({"body": number.to_string(), "mentions": [bob.id]});
        sent.push(ada.sends(&group, mention).await.expect(201));
    }
    assert_eq!(unread(&bob, &group).await, (6, 6));

    ada.deletes(&sent[5], "everyone").await.expect(200);
    assert_eq!(unread(&bob, &group).await, (5, 5));
    bob.deletes(&sent[4], "me").await.expect(200);
    assert_eq!(unread(&bob, &group).await, (4, 4));
    bob.deletes(&sent[5], "me").await.expect(200);
    ada.deletes(&sent[4], "everyone").await.expect(200);
    assert_eq!(unread(&bob, &group).await, (4, 4), "what is deleted and hidden counts once as gone");

    bob.post(&format!("/conversations/{group}/read"), json!({"seq": seq(&sent[1])})).await.expect(200);
    assert_eq!(unread(&bob, &group).await, (2, 2));
    ada.deletes(&sent[0], "everyone").await.expect(200);
    bob.deletes(&sent[1], "me").await.expect(200);
    assert_eq!(unread(&bob, &group).await, (2, 2), "what was read before it was deleted was not counted any more");
    bob.reads(&group).await;
    assert_eq!(unread(&bob, &group).await, (0, 0));
}

#[tokio::test]
async fn a_read_cursor_may_lie_on_any_change() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let first = ada.says(&group, "One").await;
    ada.edits(&first, "One!").await.expect(200);
    ada.adds(&group, [&eve]).await.expect(201);
    ada.says(&group, "Two").await;
    let head = ada.sees(&group).await["head_seq"].as_i64().expect("a number");

    let mut counts = Vec::new();
    for place in 0..=head {
        bob.post(&format!("/conversations/{group}/read"), json!({"seq": place})).await.expect(200);
        counts.push(unread(&bob, &group).await.0);
    }

    assert_eq!(counts, [2, 1, 1, 1, 1, 0]);
}

#[tokio::test]
async fn the_total_is_over_all_conversations_and_names_those_that_have_any() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let group = ada.opens_group_with([&bob]).await;
    let quiet = ada.opens_group_with([&bob]).await;
    bob.says(&direct, "One").await;
    bob.sends(&group, json!({"body": "@ada", "mentions": [ada.id]})).await.expect(201);
    bob.says(&group, "Three").await;

    let reply = ada.get("/unread").await;

    let counts = reply.clone().expect(200);
    assert_eq!((&counts["total"], &counts["mentions"]), (&json!(3), &json!(1)));
    let mut named = each(&counts, "conversation_id");
    named.sort_by_key(ToString::to_string);
    let mut wanted = [json!(direct), json!(group)];
    wanted.sort_by_key(ToString::to_string);
    assert_eq!(named, wanted.iter().collect::<Vec<_>>());
    ada.reads(&direct).await;
    ada.reads(&quiet).await;
    insta::assert_json_snapshot!("total", ada.get("/unread").await.shape());
}

#[tokio::test]
async fn own_devices_are_told_absolute_counts_and_nobody_else_is() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (direct, group) = (ada.opens_direct_with(&bob).await, ada.opens_group_with([&bob]).await);
    bob.says(&direct, "Elsewhere").await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    bob.sends(&group, json!({"body": "@ada", "mentions": [ada.id]})).await.expect(201);

    let wanted = json!({"conversation_id": group, "unread": 1, "mentions": 1, "total": 2});
    adas.hears_where("unread:changed", |event| event["data"] == wanted).await;
    ada.reads(&group).await;
    let wanted = json!({"conversation_id": group, "unread": 0, "mentions": 0, "total": 1});
    adas.hears_where("unread:changed", |event| event["data"] == wanted).await;
    bobs.heard_nothing_where("others' counts", |frame| {
        frame["type"] == "unread:changed" && frame["data"]["unread"].as_i64() > Some(0)
    })
    .await;
}

#[tokio::test]
async fn a_deletion_for_everyone_takes_back_the_count_on_every_device() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Oops").await;
    let mut bobs = bob.socket().await;

    ada.deletes(&sent, "everyone").await.expect(200);

    let is_zero = |event: &Value| event["data"]["unread"] == 0 && event["data"]["conversation_id"] == group.as_str();
    bobs.hears_where("unread:changed", is_zero).await;
}

#[tokio::test]
async fn whose_counts_stay_as_they_are_is_not_told_of_them() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    ada.says(&group, "Hello").await;
    bobs.hears_where("unread:changed", |event| event["data"]["unread"] == 1).await;
    bobs.sends("message:delivered", json!({"conversation_id": group, "seq": 1})).await;
    bobs.hears("message:delivered").await;
    ada.patch(&format!("/conversations/{group}"), json!({"name": "Sunday"})).await.expect(200);
    bobs.hears("conversation:updated").await;
    bobs.heard_nothing_of("unread:changed").await;
    adas.heard_nothing_of("unread:changed").await;
    bob.says(&group, "Hello you").await;

    bobs.hears_where("unread:changed", |event| event["data"]["unread"] == 0).await;
    adas.hears_where("unread:changed", |event| event["data"]["unread"] == 1).await;
    ada.says(&group, "And on").await;
    adas.hears_where("unread:changed", |event| event["data"]["unread"] == 0).await;
}
