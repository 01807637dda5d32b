//! What is said for a while: nobody reads it once that is over, and a tombstone takes its place in the log.

use chrono::Duration;
use futures_util::future::join3;
use serde_json::{Value, json};
use sqlx::{Acquire, PgConnection};

use crate::harness::{id, new_id, person::Person, seq, server::TestServer, until, with};

/// Sends words that expire.
async fn whispers(person: &Person, conversation: &str, body: &str, expires_in: i64) -> Value {
    let message = json!({"id": new_id(), "body": body, "expires_in": expires_in});
    person.sends(conversation, message).await.expect(201)
}

/// Waits until a message is a tombstone in the log, and answers with it.
async fn tombstone(person: &Person, message: &Value) -> Value {
    until("the message is a tombstone", async || {
        let now = person.looks_at(message).await.expect(200);
        (now["changed_seq"] != now["seq"] && now["deleted_at"].is_string()).then_some(now)
    })
    .await
}

/// Nobody can write to the log of a conversation until the answer is dropped.
async fn held<'a>(db: &'a mut PgConnection, conversation: &str) -> sqlx::Transaction<'a, sqlx::Postgres> {
    let mut tx = db.begin().await.expect("the database is there");
    let id: uuid::Uuid = conversation.parse().expect("it is an id");
    let locking = sqlx::query("select from conversations where id = $1 for update").bind(id).execute(&mut *tx);
    locking.await.expect("it can be locked");
    tx
}

fn lifetime(message: &Value) -> Duration {
    let time = |field: &str| -> chrono::DateTime<chrono::Utc> {
        message[field].as_str().unwrap_or_else(|| panic!("no {field}: {message:#}")).parse().expect("it is a time")
    };
    time("expires_at") - time("created_at")
}

#[tokio::test]
async fn what_has_expired_is_read_by_nobody_from_that_instant() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "Before").await;
    let mentioning = json!({"id": new_id(), "body": "The secret", "mentions": [bob.id], "expires_in": 5});
    let secret = ada.sends(&group, mentioning).await.expect(201);
    ada.edits(&secret, "The secret, edited").await.expect(200);
    ada.pins(&secret).await.expect(200);
    bob.reacts(&secret, "👍").await.expect(200);
    ada.sends(&group, json!({"id": new_id(), "body": "Reply", "reply_to": id(&secret)})).await.expect(201);
    let last = whispers(&ada, &group, "Another secret", 5).await;
    let cursor = bob.syncs(json!({})).await;
    let unread = |seen: &Value| (seen["unread"].clone(), seen["mentions"].clone());
    assert_eq!(unread(&bob.sees(&group).await), (json!(4), json!(1)));
    let mut db = server.database.connect().await;
    let log = held(&mut db, &group).await;

    server.clock.advance(Duration::seconds(5));

    let shown = [
        json!(bob.history(&group).await),
        bob.get(&format!("/conversations/{group}/messages?around={}", seq(&secret))).await.expect(200),
        bob.looks_at(&secret).await.expect(200),
        bob.get(&format!("/conversations/{group}/messages/{}/edits", id(&secret))).await.expect(200),
        bob.get(&format!("/conversations/{group}/pins")).await.expect(200),
        bob.sees(&group).await,
        bob.get("/conversations").await.expect(200),
        bob.syncs(json!({})).await,
        bob.syncs(json!({"cursors": {group.as_str(): 0}, "own_cursor": cursor["own_cursor"]})).await,
    ];
    assert!(!json!(shown).to_string().to_lowercase().contains("secret"), "{shown:#?}");
    assert_eq!(bob.words(&group).await, ["Before", "(deleted)", "Reply", "(deleted)"]);
    let reply = shown[0].as_array().and_then(|all| all.iter().find(|message| message["body"] == "Reply"));
    let answered = &reply.expect("it is there")["reply_to"];
    assert_eq!((&answered["preview"], &answered["deleted_at"]), (&Value::Null, &secret["expires_at"]));
    assert_eq!(shown[4]["items"], json!([]));
    assert_eq!(unread(&shown[5]), (json!(2), json!(0)));
    assert_eq!(unread(&bob.get("/unread").await.expect(200)["items"][0]), (json!(2), json!(0)));
    assert_eq!(shown[5]["last_message"], bob.looks_at(&last).await.expect(200));
    let as_seen = shown[2].clone();
    assert_eq!(as_seen["deleted_at"], as_seen["expires_at"]);
    assert_eq!((&as_seen["reactions"], &as_seen["pinned_at"]), (&json!([]), &Value::Null));
    assert_eq!(as_seen["changed_seq"], 5, "its tombstone is not in the log yet");

    log.rollback().await.expect("nothing was done");
    let buried = tombstone(&bob, &secret).await;
    assert_eq!(buried, with(as_seen, json!({"changed_seq": buried["changed_seq"]})), "all but its place is the same");
}

#[tokio::test]
async fn its_words_are_gone_for_good() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let message = json!({"body": "Secret", "metadata": {"more": "secret"}, "mentions": [bob.id], "expires_in": 5});
    let sent = ada.sends(&group, message).await.expect(201);
    ada.edits(&sent, "Secret too").await.expect(200);
    bob.reacts(&sent, "👍").await.expect(200);
    let mut bobs = bob.socket().await;

    server.clock.advance(Duration::seconds(5));

    let told = bobs.hears("message:deleted").await;
    insta::assert_json_snapshot!("tombstone", crate::harness::reply::redacted(&told));
    assert_eq!(bob.looks_at(&sent).await.expect(200), told["data"]);
    let is_zero = |event: &Value| event["data"]["unread"] == 0 && event["data"]["mentions"] == 0;
    bobs.hears_where("unread:changed", is_zero).await;
    let kept: i64 = sqlx::query_scalar(
        "select (select count(*) from messages where messages::text ilike '%secret%')
              + (select count(*) from message_edits) + (select count(*) from mentions)
              + (select count(*) from reactions)",
    )
    .fetch_one(&mut server.database.connect().await)
    .await
    .expect("the tables are there");
    assert_eq!(kept, 0, "words that expired stay in the database");
}

#[tokio::test]
async fn every_socket_on_every_node_hears_of_each_tombstone_once_and_in_order() {
    let nodes: [TestServer; 3] = TestServer::nodes().await;
    let [ada, bob, carol] = nodes[0].people(["ada", "bob", "carol"]).await;
    let (group, other) = (ada.opens_group_with([&bob, &carol]).await, ada.opens_group_with([&bob, &carol]).await);
    let mut sockets = Vec::new();
    for (person, node) in [&ada, &bob, &carol].into_iter().zip(&nodes) {
        sockets.push(person.at(node).socket().await);
    }
    for number in 0..20 {
        whispers(&ada.at(&nodes[number % 3]), if number % 4 == 0 { &other } else { &group }, "Secret", 5).await;
    }
    ada.says(&group, "Stays").await;

    nodes.iter().for_each(|node| node.clock.advance(Duration::seconds(5)));

    for socket in &mut sockets {
        let mut heard = Vec::new();
        for _ in 0..20 {
            let told = socket.hears("message:deleted").await;
            assert_eq!(told["data"]["body"], Value::Null);
            heard.push((told["conversation_id"].clone(), told["seq"].as_i64().expect("it is of the log")));
        }
        let of = |id: &str| heard.iter().filter(|(at, _)| at == id).map(|(_, seq)| *seq).collect::<Vec<_>>();
        assert_eq!(of(&group), (17..=31).collect::<Vec<_>>());
        assert_eq!(of(&other), (6..=10).collect::<Vec<_>>());
        socket.heard_nothing_of("message:deleted").await;
    }
    assert_eq!(bob.sees(&group).await["head_seq"], 31);
}

#[tokio::test]
async fn a_conversation_says_for_how_long_its_words_stay() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group([&bob], json!({"expires_in": 3600})).await;
    assert_eq!(ada.sees(&group).await["expires_in"], 3600);
    let first = ada.says(&group, "For an hour").await;
    let mut bobs = bob.socket().await;
    let path = format!("/conversations/{group}");

    bob.patch(&path, json!({"expires_in": 60})).await.refused(403, "insufficient_role");
    let changed = ada.patch(&path, json!({"expires_in": 60})).await.expect(200);

    assert_eq!(changed["expires_in"], 60);
    assert_eq!(bobs.hears("conversation:updated").await["data"]["expires_in"], 60);
    let notice = bobs.hears("message:new").await["data"].clone();
    assert_eq!(notice["metadata"], json!({"event": "settings_changed", "changed": {"expires_in": 60}}));
    assert_eq!(notice["expires_at"], Value::Null, "the log's own words stay");
    let of_it = bob.says(&group, "For a minute").await;
    let (shorter, longer) = (whispers(&bob, &group, "Less", 10).await, whispers(&bob, &group, "More", 600).await);
    let lifetimes = [&first, &of_it, &shorter, &longer].map(|message| lifetime(message).num_seconds());
    assert_eq!(lifetimes, [3600, 60, 10, 60], "the shorter counts, and what was sent before keeps its own");

    ada.patch(&path, json!({"expires_in": null})).await.expect(200);
    assert_eq!(bob.says(&group, "For good").await["expires_at"], Value::Null);
    server.clock.advance(Duration::seconds(60));
    tombstone(&ada, &of_it).await;
    tombstone(&ada, &longer).await;
    assert_eq!(ada.looks_at(&first).await.expect(200)["body"], "For an hour");
}

#[tokio::test]
async fn both_in_a_direct_conversation_say_for_how_long_words_stay() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let opened = json!({"kind": "direct", "participant_ids": [bob.id], "expires_in": 60});
    let direct = id(&ada.post("/conversations", opened).await.expect(201)).to_owned();
    let path = format!("/conversations/{direct}");
    assert_eq!(lifetime(&ada.says(&direct, "One").await).num_seconds(), 60);

    bob.patch(&path, json!({"expires_in": 30})).await.expect(200);

    assert_eq!(lifetime(&ada.says(&direct, "Two").await).num_seconds(), 30);
    bob.patch(&path, json!({"expires_in": 30, "name": "Us"})).await.refused(409, "direct_is_fixed");
    ada.patch(&path, json!({"expires_in": null})).await.expect(200);
    assert_eq!(bob.sees(&direct).await["expires_in"], Value::Null);
}

#[tokio::test]
async fn only_some_lifetimes_are_taken() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let longest = ada.get("/limits").await.expect(200)["expires_in_seconds"].as_i64().expect("a number");

    for refused in [json!(0), json!(-1), json!(longest + 1)] {
        ada.sends(&group, json!({"body": "x", "expires_in": refused})).await.refused_for("expires_in");
        let settings = json!({"expires_in": refused});
        ada.patch(&format!("/conversations/{group}"), settings.clone()).await.refused_for("expires_in");
        let opened = with(json!({"kind": "group"}), settings);
        ada.post("/conversations", opened).await.refused_for("expires_in");
    }
    for refused in [json!("60"), json!(1.5), json!(5_000_000_000_i64)] {
        ada.sends(&group, json!({"body": "x", "expires_in": refused})).await.refused_with(422);
    }
    assert_eq!(lifetime(&whispers(&ada, &group, "Long", longest).await).num_seconds(), longest);
    assert_eq!(whispers(&ada, &group, "Short", 1).await["kind"], "text");
}

#[tokio::test]
async fn a_retry_asks_for_the_same_lifetime() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let message = json!({"id": new_id(), "body": "Once", "expires_in": 60});
    let sent = ada.sends(&group, message.clone()).await.expect(201);

    assert_eq!(ada.sends(&group, message.clone()).await.expect(200), sent);
    for other in [json!(61), Value::Null] {
        let retry = with(message.clone(), json!({"expires_in": other}));
        ada.sends(&group, retry).await.refused(409, "idempotency_mismatch");
    }

    server.clock.advance(Duration::seconds(60));
    assert_eq!(ada.sends(&group, message).await.expect(200)["body"], Value::Null, "a retry brings nothing back");
}

#[tokio::test]
async fn what_has_expired_is_no_more_changed_than_a_tombstone() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = whispers(&ada, &group, "Secret", 5).await;

    server.clock.advance(Duration::seconds(5));

    ada.edits(&sent, "Back").await.refused(409, "message_deleted");
    bob.reacts(&sent, "👍").await.refused(409, "message_deleted");
    let deleted = ada.deletes(&sent, "everyone").await.expect(200);
    assert_eq!((&deleted["body"], &deleted["deleted_at"]), (&Value::Null, &sent["expires_at"]));
    let reply = bob.sends(&group, json!({"body": "What?", "reply_to": id(&sent)})).await.expect(201);
    assert_eq!(reply["reply_to"]["preview"], Value::Null);
    bob.deletes(&sent, "me").await.expect(200);
    bob.looks_at(&sent).await.refused(404, "not_found");
    assert_eq!(tombstone(&ada, &sent).await["edited_at"], Value::Null);
}

#[tokio::test]
async fn what_is_hidden_or_read_before_it_expires_counts_once() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(whispers(&ada, &group, "Secret", 5).await);
    }
    let kept = ada.says(&group, "Kept").await;
    bob.deletes(&sent[2], "me").await.expect(200);
    bob.post(&format!("/conversations/{group}/read"), json!({"seq": seq(&sent[0])})).await.expect(200);
    assert_eq!(bob.sees(&group).await["unread"], 2);
    let mut db = server.database.connect().await;
    let log = held(&mut db, &group).await;

    server.clock.advance(Duration::seconds(5));

    assert_eq!(bob.sees(&group).await["unread"], 1);
    log.rollback().await.expect("nothing was done");
    tombstone(&ada, &sent[2]).await;
    assert_eq!(bob.sees(&group).await["unread"], 1);
    bob.post(&format!("/conversations/{group}/read"), json!({"seq": seq(&kept)})).await.expect(200);
    assert_eq!(bob.sees(&group).await["unread"], 0);
}

#[tokio::test]
async fn editing_reacting_and_expiring_at_once_ends_in_a_tombstone_that_all_agree_on() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;

    for round in 0..10 {
        let sent = whispers(&ada, &group, "Original", 5).await;
        server.clock.advance(Duration::milliseconds(4_995));
        let (edit, reaction, late) = join3(ada.edits(&sent, "Edited"), bob.reacts(&sent, "👍"), async {
            server.clock.advance(Duration::milliseconds(10));
            ada.edits(&sent, "Edited too late, perhaps").await
        })
        .await;

        for reply in [edit, reaction, late] {
            assert!(matches!(reply.status, 200 | 409), "{reply}");
        }
        let told = bobs.hears("message:deleted").await;
        let now = bob.looks_at(&sent).await.expect(200);
        assert_eq!((&now["body"], &now["reactions"]), (&Value::Null, &json!([])), "round {round}");
        assert_eq!(told["data"], now, "what was told is what stays");
        assert_eq!(bob.sees(&group).await["head_seq"], told["seq"], "nothing comes after a deletion");
    }
}

#[tokio::test]
async fn what_one_node_leaves_another_sees_to() {
    let [left, right]: [TestServer; 2] = TestServer::nodes().await;
    let ada = left.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let sent = whispers(&ada, &group, "Secret", 60).await;
    left.stop().await;

    right.clock.advance(Duration::seconds(60));

    tombstone(&ada.at(&right), &sent).await;
}

#[tokio::test]
async fn a_server_that_starts_again_sees_to_what_expires() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let sent = whispers(&ada, &group, "Secret", 60).await;

    let server = server.restarts().await;
    let ada = ada.at(&server);
    assert_eq!(ada.looks_at(&sent).await.expect(200)["body"], "Secret");
    server.clock.advance(Duration::seconds(60));

    tombstone(&ada, &sent).await;
}
