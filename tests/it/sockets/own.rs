//! What concerns one person alone goes to that person's sockets alone; and who reads how far, to all.

use serde_json::{Value, json};

use super::heard_no_news_of;
use crate::harness::{id, person::Person, seq, server::TestServer, socket::Socket};

#[tokio::test]
async fn preferences_are_told_to_ones_own_devices_only() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut desk, mut phone, mut bobs) = devices(&ada, &bob).await;

    let path = format!("/conversations/{direct}/preferences");
    let preferences = ada.patch(&path, json!({"pinned": true, "draft": "Dear Bob,"})).await.expect(200);

    for socket in [&mut desk, &mut phone] {
        let event = socket.hears("preferences:updated").await;
        assert_eq!(event["data"], json!({"conversation_id": direct, "preferences": preferences}));
        assert!(event.get("seq").is_none());
    }
    bobs.heard_nothing_in(&direct).await;
}

#[tokio::test]
async fn a_message_deleted_for_me_is_told_to_my_devices_only() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let message = ada.says(&direct, "Hello").await;
    let (mut desk, mut phone, mut bobs) = devices(&ada, &bob).await;

    desk.sends("message:delete", json!({"conversation_id": direct, "message_id": id(&message)})).await;

    for socket in [&mut desk, &mut phone] {
        let event = socket.hears("message:hidden").await;
        assert_eq!(event["data"], json!({"conversation_id": direct, "message_id": id(&message)}));
        socket.heard_nothing_of("message:deleted").await;
    }
    heard_no_news_of(&mut bobs, &direct).await;
}

#[tokio::test]
async fn a_cleared_direct_conversation_is_the_business_of_who_cleared_it() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let old = bob.says(&direct, "Hello").await;
    let (mut desk, mut phone, mut bobs) = devices(&ada, &bob).await;

    ada.delete(&format!("/conversations/{direct}")).await.expect(204);
    bob.edits(&old, "Hello!").await.expect(200);
    let new = bob.says(&direct, "Still there?").await;

    for socket in [&mut desk, &mut phone] {
        let told = socket.hears("preferences:updated").await;
        assert_eq!(told["data"]["conversation_id"], direct.as_str());
        assert_eq!(socket.hears("message:new").await["data"], new);
        socket.heard_nothing_of("message:updated").await;
    }
    bobs.heard_nothing_of("preferences:updated").await;
    assert_eq!(ada.words(&direct).await, ["Still there?"]);
    assert_eq!(bob.words(&direct).await, ["Hello!", "Still there?"]);
}

#[tokio::test]
async fn blocks_are_told_to_ones_own_devices_only() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    ada.opens_direct_with(&bob).await;
    let (mut desk, mut phone, mut bobs) = devices(&ada, &bob).await;

    ada.blocks(&bob).await;
    ada.delete(&format!("/blocks/{}", bob.id)).await.expect(204);

    for socket in [&mut desk, &mut phone] {
        assert_eq!(socket.hears("block:added").await["data"], json!({"user_id": bob.id}));
        assert_eq!(socket.hears("block:removed").await["data"], json!({"user_id": bob.id}));
    }
    bobs.heard_nothing_where("of a block", |event| event.to_string().contains("block")).await;
}

#[tokio::test]
async fn unread_counts_are_told_to_the_reader_in_absolute_numbers() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let (direct, group) = (ada.opens_direct_with(&bob).await, ada.opens_group_with([&bob, &carol]).await);
    let (mut bobs, mut phone, mut adas) = devices(&bob, &ada).await;

    ada.says(&direct, "One").await;
    ada.sends(&group, json!({"body": "Two", "mentions": [bob.id]})).await.expect(201);
    ada.says(&group, "Three").await;

    for socket in [&mut bobs, &mut phone] {
        let in_group = json!({"conversation_id": group, "unread": 2, "mentions": 1, "total": 3});
        socket.hears_where("unread:changed", |event| event["data"] == in_group).await;
    }
    bob.reads(&group).await;
    for socket in [&mut bobs, &mut phone] {
        let read = json!({"conversation_id": group, "unread": 0, "mentions": 0, "total": 1});
        socket.hears_where("unread:changed", |event| event["data"] == read).await;
    }
    adas.heard_nothing_where("of others' counts", |event| {
        event["type"] == "unread:changed" && event["data"]["unread"] != 0
    })
    .await;
}

#[tokio::test]
async fn a_deletion_takes_a_message_out_of_the_count() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut socket = bob.socket().await;
    let counts =
        |unread: i64| move |event: &Value| event["data"]["unread"] == unread && event["data"]["total"] == unread;

    let message = ada.says(&direct, "Oops").await;
    socket.hears_where("unread:changed", counts(1)).await;
    ada.deletes(&message, "everyone").await.expect(200);
    socket.hears_where("unread:changed", counts(0)).await;
}

#[tokio::test]
async fn an_answer_takes_away_what_it_answers() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut desk, mut phone, _) = devices(&bob, &ada).await;
    ada.says(&direct, "Are you there?").await;
    phone.hears_where("unread:changed", |event| event["data"]["unread"] == 1).await;

    desk.sends("message:send", json!({"conversation_id": direct, "body": "I am."})).await;

    phone.hears_where("unread:changed", |event| event["data"]["unread"] == 0).await;
}

#[tokio::test]
async fn how_far_somebody_has_come_is_told_to_all_members_and_to_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let message = ada.says(&direct, "Hello").await;
    let (mut bobs, mut phone, mut adas) = devices(&bob, &ada).await;
    let mut eves = eve.socket().await;

    bobs.sends("message:delivered", json!({"conversation_id": direct, "seq": seq(&message)})).await;
    let read = bobs.sends("message:read", json!({"conversation_id": direct, "seq": seq(&message)})).await;

    for socket in [&mut adas, &mut phone, &mut bobs] {
        let told = socket.hears("message:delivered").await;
        assert_eq!((&told["data"]["user_id"], &told["data"]["seq"]), (&json!(bob.id), &json!(1)));
        let told = socket.hears("message:read").await;
        let data = json!({"conversation_id": direct, "user_id": bob.id, "seq": 1, "at": read["read_at"]});
        assert_eq!((&told["data"], told.get("seq")), (&data, None));
    }
    eves.heard_nothing_in(&direct).await;
    assert_eq!(ada.looks_at(&message).await.expect(200)["status"], "read");
}

#[tokio::test]
async fn nobody_is_told_where_nothing_moves() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group([&bob, &carol], json!({"name": "Club"})).await;
    let (message, gone) = (ada.says(&group, "Hello").await, ada.says(&group, "Goodbye").await);
    ada.deletes(&gone, "everyone").await.expect(200);
    bob.deletes(&message, "me").await.expect(200);
    let (settings, preferences) = (format!("/conversations/{group}"), format!("/conversations/{group}/preferences"));
    bob.patch(&preferences, json!({"notify": "none", "pinned": true})).await.expect(200);
    bob.blocks(&carol).await;
    bob.reads(&group).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    ada.edits(&message, "Hello").await.expect(200);
    ada.deletes(&gone, "everyone").await.expect(200);
    bob.deletes(&message, "me").await.expect(200);
    ada.patch(&settings, json!({"name": "Club"})).await.expect(200);
    bob.patch(&preferences, json!({"notify": "none", "pinned": true})).await.expect(200);
    bob.blocks(&carol).await;
    bob.reads(&group).await;
    bob.post(&format!("{settings}/read"), json!({"seq": 1})).await.expect(200);
    bob.post(&format!("{settings}/delivered"), json!({"seq": 2})).await.expect(200);
    ada.makes(&group, &bob, "member").await.expect(200);
    ada.adds(&group, [&bob, &carol]).await.expect(200);

    heard_no_news_of(&mut adas, &group).await;
    heard_no_news_of(&mut bobs, &group).await;
    bobs.heard_nothing_of("block:added").await;
    assert_eq!(ada.sees(&group).await["head_seq"], 3);
}

/// Two devices of one person, and one of another.
async fn devices(one: &Person, other: &Person) -> (Socket, Socket, Socket) {
    (one.socket().await, one.signs_in_again().await.socket().await, other.socket().await)
}
