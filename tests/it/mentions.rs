//! Mentions: of people by an explicit list, and of everybody at once.

use serde_json::{Value, json};

use crate::harness::{id, person::Person, server::TestServer};

async fn mentions(person: &Person, conversation: &str) -> i64 {
    person.sees(conversation).await["mentions"].as_i64().expect("a number")
}

async fn revises(person: &Person, message: &Value, revision: Value) -> Value {
    let conversation = message["conversation_id"].as_str().expect("a message has one");
    person.patch(&format!("/conversations/{conversation}/messages/{}", id(message)), revision).await.expect(200)
}

#[tokio::test]
async fn mentioning_all_counts_for_everybody_but_oneself_and_once() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let mut bobs = bob.socket().await;

    let wish = json!({"body": "@all, and you, Bob", "mentions_all": true, "mentions": [bob.id]});
    let sent = ada.sends(&group, wish).await.expect(201);
    ada.says(&group, "Nobody in particular").await;

    assert_eq!((&sent["mentions_all"], &sent["mentions"]), (&json!(true), &json!([bob.id])));
    assert_eq!(bobs.hears("message:new").await["data"], sent);
    bobs.hears_where("unread:changed", |event| event["data"]["unread"] == 2 && event["data"]["mentions"] == 1).await;
    for (person, count) in [(&ada, 0), (&bob, 1), (&carol, 1)] {
        assert_eq!(mentions(person, &group).await, count, "{}", person.username);
    }
    assert_eq!(carol.get("/unread").await.expect(200)["mentions"], 1);
    carol.deletes(&sent, "me").await.expect(200);
    assert_eq!(mentions(&carol, &group).await, 0, "what one hid counts no more");
    bob.reads(&group).await;
    assert_eq!(mentions(&bob, &group).await, 0);

    let again = ada.sends(&group, json!({"body": "@all", "mentions_all": true})).await.expect(201);
    assert_eq!((mentions(&bob, &group).await, mentions(&carol, &group).await), (1, 1));
    let tombstone = ada.deletes(&again, "everyone").await.expect(200);
    assert_eq!(tombstone["mentions_all"], false);
    assert_eq!((mentions(&bob, &group).await, mentions(&carol, &group).await), (0, 0));
}

#[tokio::test]
async fn only_owners_and_admins_mention_all_in_a_group_and_both_in_a_direct_conversation() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let (group, direct) = (ada.opens_group_with([&bob, &carol]).await, ada.opens_direct_with(&bob).await);
    ada.makes(&group, &bob, "admin").await.expect(200);
    let wish = json!({"body": "@all", "mentions_all": true});

    carol.sends(&group, wish.clone()).await.refused(403, "insufficient_role");
    let plain = carol.says(&group, "Hello").await;
    let path = format!("/conversations/{group}/messages/{}", id(&plain));
    carol.patch(&path, wish.clone()).await.refused(403, "insufficient_role");
    assert_eq!(mentions(&ada, &group).await, 0);

    let called = bob.sends(&group, wish.clone()).await.expect(201);
    bob.sends(&direct, wish).await.expect(201);
    assert_eq!((mentions(&ada, &group).await, mentions(&ada, &direct).await), (1, 1));
    ada.makes(&group, &bob, "member").await.expect(200);
    revises(&bob, &called, json!({"body": "@all!"})).await;
    assert_eq!(mentions(&carol, &group).await, 1, "what was allowed stays through an edit of the words");
}

#[tokio::test]
async fn an_edit_brings_a_mention_of_all_and_takes_it_back() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Listen").await;
    let mut bobs = bob.socket().await;

    let edited = revises(&ada, &sent, json!({"body": "Listen", "mentions_all": true})).await;

    assert_eq!((&edited["mentions_all"], &edited["changed_seq"]), (&json!(true), &json!(2)));
    assert_eq!(bobs.hears("message:updated").await["data"], edited);
    bobs.hears_where("unread:changed", |event| event["data"]["mentions"] == 1).await;
    revises(&ada, &sent, json!({"body": "Listen", "mentions_all": false})).await;
    bobs.hears_where("unread:changed", |event| event["data"]["mentions"] == 0).await;
    assert_eq!(mentions(&bob, &group).await, 0);
}

#[tokio::test]
async fn who_joins_later_was_not_meant() {
    let server = TestServer::start().await;
    let [ada, late] = server.people(["ada", "late"]).await;
    let group = ada.opens_group_with([]).await;
    ada.sends(&group, json!({"body": "@all", "mentions_all": true})).await.expect(201);

    ada.adds(&group, [&late]).await.expect(201);

    assert_eq!(mentions(&late, &group).await, 0);
    ada.sends(&group, json!({"body": "@all", "mentions_all": true})).await.expect(201);
    assert_eq!(mentions(&late, &group).await, 1);
}

#[tokio::test]
async fn a_retry_with_another_mention_of_all_is_another_message() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let sent = ada.sends(&group, json!({"body": "@all", "mentions_all": true})).await.expect(201);

    let other = json!({"id": sent["id"], "body": "@all"});
    ada.sends(&group, other).await.refused(409, "idempotency_mismatch");
    let same = json!({"id": sent["id"], "body": "@all", "mentions_all": true});
    assert_eq!(ada.sends(&group, same).await.expect(200), sent);
}

#[tokio::test]
async fn an_edit_keeps_who_was_mentioned_and_left_since_and_counts_nobody_twice() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let sent = ada.sends(&group, json!({"body": "Bob, Helo", "mentions": [bob.id]})).await.expect(201);

    let edited = revises(&ada, &sent, json!({"body": "Bob, hello", "mentions": [bob.id, carol.id, carol.id]})).await;
    assert_eq!(edited["mentions"], json!([bob.id, carol.id]));
    assert_eq!(mentions(&carol, &group).await, 1);
    bob.removes(&group, &bob).await.expect(204);
    let again = revises(&ada, &sent, json!({"body": "Bob, hello!"})).await;

    assert_eq!((&again["body"], &again["mentions"]), (&json!("Bob, hello!"), &edited["mentions"]));
    let path = format!("/conversations/{group}/messages/{}", id(&sent));
    ada.patch(&path, json!({"body": "Carol", "mentions": [carol.id]})).await.expect(200);
    ada.patch(&path, json!({"body": "Bob", "mentions": [bob.id]})).await.refused_for("mentions");
}
