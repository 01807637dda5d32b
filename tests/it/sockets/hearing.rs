//! Who hears what happens in a conversation, and who does not.

use chrono::Duration;
use serde_json::{Value, json};

use super::heard_no_news_of;
use crate::harness::{id, person::Person, server::TestServer, socket::Socket};

#[tokio::test]
async fn a_message_reaches_every_device_of_every_member_and_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (phone, desk) = (ada.signs_in_again().await, ada.signs_in_again().await);
    let group = ada.opens_group_with([&bob]).await;
    let mut hearers =
        [ada.socket().await, phone.socket().await, desk.socket().await, desk.socket().await, bob.socket().await];
    let mut stranger = eve.socket().await;

    let message = ada.says(&group, "Hello").await;

    for hearer in &mut hearers {
        let event = hearer.hears("message:new").await;
        assert_eq!(event, json!({"type": "message:new", "conversation_id": group, "seq": 1, "data": message}));
    }
    for hearer in &mut hearers {
        heard_no_news_of(hearer, &group).await;
    }
    stranger.heard_nothing_in(&group).await;
}

#[tokio::test]
async fn a_command_tells_ones_own_socket_besides_its_ack() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;

    let sent = socket.sends("message:send", json!({"conversation_id": group, "body": "Hello me"})).await;
    let target = json!({"conversation_id": group, "message_id": id(&sent)});
    let edited = socket.sends("message:edit", merged(&target, json!({"body": "Hello myself"}))).await;
    let deleted = socket.sends("message:delete", merged(&target, json!({"for": "everyone"}))).await;

    assert_eq!(socket.hears("message:new").await["data"], sent);
    assert_eq!(socket.hears("message:updated").await["data"], edited);
    assert_eq!(socket.hears("message:deleted").await["data"], deleted);
}

#[tokio::test]
async fn every_durable_event_is_heard_without_joining_anything() {
    let server = TestServer::start().await;
    let [ada, bob, carol, eve] = server.people(["ada", "bob", "carol", "eve"]).await;
    let (mut hearer, mut stranger) = (bob.socket().await, eve.socket().await);

    let group = ada.opens_group([&bob], json!({"name": "Club"})).await;
    everything_that_can_happen(&ada, &carol, &group).await;

    let events = told_of(&mut hearer, &group).await;
    assert_eq!(
        types(&events),
        [
            "conversation:new",
            "message:new",
            "message:updated",
            "message:deleted",
            "participant:added",
            "message:new",
            "participant:updated",
            "message:new",
            "conversation:updated",
            "message:new",
            "message:delivered",
            "message:read",
            "participant:removed",
            "message:new",
        ]
    );
    stranger.heard_nothing_in(&group).await;
}

#[tokio::test]
async fn seq_stands_on_events_of_the_log_alone_and_has_no_gap() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let mut hearer = bob.socket().await;

    let group = ada.opens_group([&bob], json!({"name": "Club"})).await;
    everything_that_can_happen(&ada, &carol, &group).await;

    let events = told_of(&mut hearer, &group).await;
    let of_the_log: Vec<_> = events.iter().filter_map(|event| event["seq"].as_i64()).collect();
    assert_eq!(of_the_log, (1..=of_the_log.len() as i64).collect::<Vec<_>>());
    for event in &events {
        let is_of_the_log = !matches!(
            event["type"].as_str(),
            Some("conversation:new" | "message:delivered" | "message:read" | "unread:changed")
        );
        assert_eq!(event.get("seq").is_some(), is_of_the_log, "{event:#}");
        assert_eq!(event["conversation_id"], group.as_str(), "{event:#}");
    }
    let messages =
        events.iter().filter(|event| event["type"].as_str().is_some_and(|name| name.starts_with("message:")));
    for event in messages.filter(|event| event.get("seq").is_some()) {
        assert_eq!(event["data"]["changed_seq"], event["seq"], "{event:#}");
        assert_eq!(event["data"]["status"], "sent", "{event:#}");
    }
}

#[tokio::test]
async fn a_removed_member_hears_of_the_removal_and_nothing_after_it() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let (mut bobs, mut phone) = (bob.socket().await, bob.signs_in_again().await.socket().await);
    let mut carols = carol.socket().await;

    let before = ada.says(&group, "Bob, you are not polite.").await;
    ada.removes(&group, &bob).await.expect(204);
    let after = ada.says(&group, "He was not polite.").await;
    ada.edits(&before, "He was not polite at all.").await.expect(200);
    carol.reads(&group).await;
    ada.patch(&format!("/conversations/{group}"), json!({"name": "Without Bob"})).await.expect(200);

    for socket in [&mut bobs, &mut phone] {
        assert_eq!(types(&told_of(socket, &group).await), ["message:new", "conversation:removed"]);
    }
    carols.hears_where("message:new", |event| event["data"]["id"] == after["id"]).await;
    bob.get(&format!("/conversations/{group}")).await.refused(404, "not_found");
}

#[tokio::test]
async fn who_leaves_hears_that_on_all_devices_and_nothing_after_it() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (mut bobs, mut adas) = (bob.socket().await, ada.socket().await);

    bob.removes(&group, &bob).await.expect(204);
    ada.says(&group, "He has gone.").await;

    let removed = bobs.hears("conversation:removed").await;
    assert_eq!(removed["data"], json!({"conversation_id": group}));
    heard_no_news_of(&mut bobs, &group).await;
    let gone = adas.hears("participant:removed").await;
    assert_eq!(gone["data"]["user_id"], bob.id);
    assert!(gone["data"]["left_at"].is_string());
}

#[tokio::test]
async fn who_is_added_hears_of_the_conversation_first_and_then_everything() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let earlier = ada.says(&group, "Long ago").await;
    let mut carols = carol.socket().await;
    heard_no_news_of(&mut carols, &group).await;

    ada.adds(&group, [&carol]).await.expect(201);
    ada.says(&group, "Welcome").await;
    ada.edits(&earlier, "Once upon a time").await.expect(200);

    let events = told_of(&mut carols, &group).await;
    let expected = ["conversation:new", "participant:added", "message:new", "message:new", "message:updated"];
    assert_eq!(types(&events), expected);
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_i64()).collect();
    assert_eq!(seqs, [None, Some(2), Some(3), Some(4), Some(5)]);
    let new = &events[0]["data"];
    assert_eq!((&new["id"], &new["my_role"], &new["unread"]), (&json!(group), &json!("member"), &json!(0)));
}

#[tokio::test]
async fn who_comes_back_hears_again() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut socket = bob.socket().await;

    ada.removes(&group, &bob).await.expect(204);
    ada.says(&group, "Not for Bob").await;
    ada.adds(&group, [&bob]).await.expect(201);
    let message = ada.says(&group, "For Bob").await;

    let mut events = told_of(&mut socket, &group).await;
    // A socket may open between the making's commit and its telling.
    if events[0]["type"] == "conversation:new" {
        events.remove(0);
    }
    let expected = ["conversation:removed", "conversation:new", "participant:added", "message:new", "message:new"];
    assert_eq!(types(&events), expected);
    assert_eq!(events[4]["data"], message);
}

#[tokio::test]
async fn who_sees_no_earlier_history_hears_of_no_earlier_message_either() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group([&bob], json!({"history_for_new_members": "from_joining"})).await;
    let (edited, deleted) = (ada.says(&group, "Secret").await, ada.says(&group, "Top secret").await);
    ada.adds(&group, [&carol]).await.expect(201);
    let (mut bobs, mut carols) = (bob.socket().await, carol.socket().await);

    ada.edits(&edited, "Still secret").await.expect(200);
    ada.deletes(&deleted, "everyone").await.expect(200);
    let message = ada.says(&group, "Hello Carol").await;

    let events = told_of(&mut carols, &group).await;
    assert_eq!(types(&events), ["message:new"]);
    assert_eq!(events[0]["data"], message);
    assert_eq!(types(&told_of(&mut bobs, &group).await), ["message:updated", "message:deleted", "message:new"]);
}

#[tokio::test]
async fn a_reply_shows_a_late_joiner_nothing_of_what_was_said_before() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group([&bob], json!({"history_for_new_members": "from_joining"})).await;
    let secret = ada.says(&group, "The key is under the mat").await;
    ada.adds(&group, [&carol]).await.expect(201);
    let mut carols = carol.socket().await;

    let thanks = bob.sends(&group, json!({"body": "Thanks", "reply_to": id(&secret)})).await.expect(201);
    bob.sends(&group, json!({"body": "Hush", "reply_to": id(&secret), "expires_in": 60})).await.expect(201);
    bob.deletes(&thanks, "everyone").await.expect(200);
    server.clock.advance(Duration::seconds(60));

    for kind in ["message:new", "message:new", "message:deleted", "message:deleted"] {
        let heard = carols.hears(kind).await;
        assert!(!heard.to_string().contains("under the mat"), "{heard:#}");
    }
}

#[tokio::test]
async fn a_deleted_group_is_told_to_all_and_nothing_after_it() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (mut adas, mut bobs, mut eves) = (ada.socket().await, bob.socket().await, eve.socket().await);

    ada.delete(&format!("/conversations/{group}")).await.expect(204);

    for socket in [&mut adas, &mut bobs] {
        assert_eq!(socket.hears("conversation:removed").await["data"], json!({"conversation_id": group}));
        heard_no_news_of(socket, &group).await;
    }
    eves.heard_nothing_in(&group).await;
    bobs.is_refused("message:send", json!({"conversation_id": group, "body": "Anyone?"})).await;
}

#[tokio::test]
async fn a_new_conversation_is_told_to_each_as_they_see_it() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (mut adas, mut bobs, mut eves) = (ada.socket().await, bob.socket().await, eve.socket().await);

    let (direct, group) = (ada.opens_direct_with(&bob).await, ada.opens_group_with([&bob]).await);

    for (socket, person) in [(&mut adas, &ada), (&mut bobs, &bob)] {
        for conversation in [&direct, &group] {
            let told = socket.hears("conversation:new").await;
            assert_eq!(told["data"], person.sees(conversation).await);
        }
        socket.heard_nothing_of("conversation:new").await;
    }
    eves.heard_nothing_of("conversation:new").await;
}

/// Sends, edits, deletes, adds, promotes, renames, reads and leaves.
async fn everything_that_can_happen(ada: &Person, carol: &Person, group: &str) {
    let message = ada.says(group, "Helo").await;
    ada.edits(&message, "Hello").await.expect(200);
    ada.deletes(&message, "everyone").await.expect(200);
    ada.adds(group, [carol]).await.expect(201);
    ada.makes(group, carol, "admin").await.expect(200);
    carol.patch(&format!("/conversations/{group}"), json!({"name": "Carol's club"})).await.expect(200);
    ada.post(&format!("/conversations/{group}/delivered"), json!({"seq": 8})).await.expect(200);
    ada.reads(group).await;
    carol.removes(group, carol).await.expect(204);
}

/// What a socket was told of a conversation so far, but for counts of what is unread, which come in their own time.
async fn told_of(socket: &mut Socket, conversation: &str) -> Vec<Value> {
    let mut events = socket.drains().await;
    events.retain(|event| event["type"] != "unread:changed" && event["conversation_id"] == conversation);
    events
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("an event has a type")).collect()
}

fn merged(target: &Value, fields: Value) -> Value {
    let mut target = target.clone();
    crate::harness::person::merge(&mut target, fields);
    target
}
