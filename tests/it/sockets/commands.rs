//! Every command does what REST does, and its ack carries what the contract says.

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{id, new_id, person::merge, reply::redacted, seq, server::TestServer, socket::Socket};

#[tokio::test]
async fn a_send_is_acknowledged_with_the_message_as_it_was_committed() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut socket = ada.socket().await;
    let message_id = new_id();

    let sent = socket
        .sends(
            "message:send",
            json!({"conversation_id": direct, "id": message_id, "body": "Hello, Bob.", "metadata": {"mood": "fine"}}),
        )
        .await;

    assert_eq!(sent["id"], message_id.as_str());
    assert_eq!(sent, ada.looks_at(&sent).await.expect(200));
    insta::assert_json_snapshot!("sent", redacted(&sent));
}

#[tokio::test]
async fn a_send_may_leave_the_id_to_the_server_and_say_all_that_rest_may_say() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let question = bob.says(&group, "Where are you?").await;
    let mut socket = ada.socket().await;

    let location = json!({"latitude": 59.9, "longitude": 10.7, "label": "Oslo"});
    let mut message =
        json!({"kind": "location", "location": location, "reply_to": id(&question), "mentions": [bob.id]});
    merge(&mut message, json!({"conversation_id": group}));
    let sent = socket.sends("message:send", message).await;

    assert_eq!((&sent["kind"], &sent["location"]), (&json!("location"), &location));
    assert_eq!((&sent["reply_to"]["id"], &sent["mentions"]), (&question["id"], &json!([bob.id])));
    assert_eq!(bob.sees(&group).await["mentions"], 1);
}

#[tokio::test]
async fn a_send_that_is_repeated_is_answered_with_the_message_and_told_once() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut sender, mut hearer) = (ada.socket().await, bob.socket().await);
    let message = json!({"conversation_id": direct, "id": new_id(), "body": "Once."});

    let first = sender.sends("message:send", message.clone()).await;
    let second = sender.sends("message:send", message).await;

    assert_eq!(first, second);
    hearer.hears("message:new").await;
    hearer.heard_nothing_of("message:new").await;
}

#[tokio::test]
async fn an_edit_and_a_deletion_are_acknowledged_with_the_message_as_it_is_then() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let message = ada.says(&direct, "Helo").await;
    let mut socket = ada.socket().await;
    let target = json!({"conversation_id": direct, "message_id": message["id"]});

    let edited = socket.sends("message:edit", with(&target, json!({"body": "Hello"}))).await;
    assert_eq!((&edited["body"], seq(&edited)), (&json!("Hello"), seq(&message)));
    assert_eq!(edited["changed_seq"], seq(&message) + 1);
    assert!(edited["edited_at"].is_string());

    let hidden = socket.sends("message:delete", with(&target, json!({"for": "me"}))).await;
    assert_eq!((&hidden["body"], &hidden["deleted_at"]), (&json!("Hello"), &Value::Null));
    ada.looks_at(&message).await.refused(404, "not_found");

    let other = ada.says(&direct, "Never mind.").await;
    let target = json!({"conversation_id": direct, "message_id": other["id"], "for": "everyone"});
    let deleted = socket.sends("message:delete", target).await;
    assert_eq!(deleted["body"], Value::Null);
    assert!(deleted["deleted_at"].is_string());
}

#[tokio::test]
async fn a_deletion_is_for_me_where_it_does_not_say() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let message = ada.says(&direct, "Hello").await;
    let mut socket = ada.socket().await;

    socket.sends("message:delete", json!({"conversation_id": direct, "message_id": message["id"]})).await;

    ada.looks_at(&message).await.refused(404, "not_found");
    assert_eq!(bob.looks_at(&message).await.expect(200)["body"], "Hello");
}

#[tokio::test]
async fn marks_are_acknowledged_with_ones_receipt() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (first, second) = (ada.says(&direct, "One").await, ada.says(&direct, "Two").await);
    let mut socket = bob.socket().await;

    let delivered = socket.sends("message:delivered", json!({"conversation_id": direct, "seq": seq(&second)})).await;
    assert_eq!((&delivered["delivered_seq"], &delivered["read_seq"]), (&json!(seq(&second)), &json!(0)));

    let read = socket.sends("message:read", json!({"conversation_id": direct, "message_ids": [first["id"]]})).await;
    assert_eq!((&read["delivered_seq"], &read["read_seq"]), (&json!(seq(&second)), &json!(seq(&first))));
    assert_eq!((&read["user_id"], &read["conversation_id"]), (&json!(bob.id), &json!(direct)));

    let read = socket.sends("message:read", json!({"conversation_id": direct, "seq": 1_000_000})).await;
    assert_eq!(read["read_seq"], seq(&second), "beyond the head means the head");
    assert_eq!(bob.sees(&direct).await["unread"], 0);
}

#[tokio::test]
async fn a_mark_without_a_place_reads_everything_but_delivers_nothing() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let message = ada.says(&direct, "Hello").await;
    let mut socket = bob.socket().await;

    let read = socket.sends("message:read", json!({"conversation_id": direct})).await;
    let problem = socket.is_refused("message:delivered", json!({"conversation_id": direct})).await;

    assert_eq!(read["read_seq"], seq(&message));
    assert_eq!(problem["code"], "validation_failed");
}

#[tokio::test]
async fn sync_answers_over_a_socket_as_over_rest() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    bob.says(&direct, "Hello").await;
    let mut socket = ada.socket().await;
    let stranger = new_id();

    for request in
        [json!({}), json!({"cursors": {&direct: 0, stranger: 5}, "limit": 1}), json!({"cursors": {&direct: 1}})]
    {
        let mut over_socket = socket.sends("sync", request.clone()).await;
        let mut over_rest = ada.syncs(request).await;

        assert!(over_socket["own_cursor"].take().is_string() && over_rest["own_cursor"].take().is_string());
        assert_eq!(over_socket, over_rest);
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_the_heads_of_what_changed_since_the_last() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (direct, group) = (ada.opens_direct_with(&bob).await, ada.opens_group_with([&bob]).await);
    let mut socket = bob.socket().await;
    socket.sends("ping", json!({})).await;

    assert_eq!(heads(&mut socket).await, json!({}));

    let message = ada.says(&direct, "Hello").await;
    hears_seq(&mut socket, 1).await;
    assert_eq!(heads(&mut socket).await, json!({&direct: 1}));

    ada.edits(&message, "Hello!").await.expect(200);
    ada.says(&group, "All here?").await;
    hears_seq(&mut socket, 1).await;
    assert_eq!(heads(&mut socket).await, json!({&direct: 2, group: 1}));
    assert_eq!(heads(&mut socket).await, json!({}));
}

#[tokio::test]
async fn a_token_is_renewed_in_place() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut socket = ada.socket().await;

    server.clock.advance(Duration::seconds(600));
    let renewed = ada.post("/auth/refresh", json!({"refresh_token": ada.refresh_token})).await.expect(200);
    socket.sends("auth", json!({"token": renewed["access_token"]})).await;
    server.clock.advance(Duration::seconds(600));

    socket.sends("ping", json!({})).await;
}

#[tokio::test]
async fn commands_are_carried_out_in_the_order_in_which_they_were_sent() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (direct, group) = (ada.opens_direct_with(&bob).await, ada.opens_group_with([&bob]).await);
    let mut socket = ada.socket().await;
    let ids: Vec<_> = (0..30).map(|_| new_id()).collect();

    let mut commands = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let conversation = if number % 7 == 0 { &group } else { &direct };
        let target = json!({"conversation_id": conversation, "message_id": id});
        let body = format!("message {number}");
        commands.push(("message:send", json!({"conversation_id": conversation, "id": id, "body": body})));
        if number % 3 == 0 {
            commands.push(("message:edit", with(&target, json!({"body": format!("edited {number}")}))));
        }
        if number % 5 == 0 {
            commands.push(("message:delete", with(&target, json!({"for": "everyone"}))));
        }
    }
    for (number, (command, data)) in commands.iter().enumerate() {
        socket.sends_frame(&json!({"type": command, "ref": number.to_string(), "data": data})).await;
    }

    let mut last_change = 0;
    for (number, (command, data)) in commands.iter().enumerate() {
        let answer = socket.hears_where("ack", |_| true).await;
        assert_eq!(answer["ref"], number.to_string(), "{command} {data}");
        if data["conversation_id"] == direct.as_str() {
            let change = answer["data"]["changed_seq"].as_i64().expect("a message has its last change");
            assert_eq!(change, last_change + 1, "{command} {data}");
            last_change = change;
        }
    }
}

#[tokio::test]
async fn a_command_without_a_ref_is_acknowledged_without_one() {
    let server = TestServer::start().await;
    let mut socket = server.person("ada").await.socket().await;

    socket.sends_frame(&json!({"type": "ping"})).await;

    assert_eq!(socket.hears("ack").await, json!({"type": "ack", "data": {"heads": {}, "own_seq": 0}}));
}

fn with(target: &Value, fields: Value) -> Value {
    let mut target = target.clone();
    merge(&mut target, fields);
    target
}

async fn heads(socket: &mut Socket) -> Value {
    socket.sends("ping", json!({})).await["heads"].take()
}

/// Waits for the next new message of the log's place.
async fn hears_seq(socket: &mut Socket, seq: i64) {
    socket.hears_where("message:new", |event| event["seq"] == seq).await;
}
