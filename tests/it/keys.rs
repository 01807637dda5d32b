//! `Idempotency-Key`: a creating call that is made again is answered the same, and carried out once.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{client::perform, each, id, person::Person, reply::Reply, server::TestServer};

async fn posts(person: &Person, key: &str, path: &str, body: Value) -> Reply {
    perform(person.ask(Method::POST, path).header("idempotency-key", key).json(&body)).await
}

async fn how_many(person: &Person) -> usize {
    each(&person.get("/conversations").await.expect(200), "id").len()
}

#[tokio::test]
async fn the_same_key_and_body_are_answered_the_same_and_carried_out_once() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let body = json!({"kind": "group", "participant_ids": [bob.id], "name": "Saturday"});

    let first = posts(&ada, "key 1", "/conversations", body.clone()).await;
    let group = id(&first.body).to_owned();
    ada.patch(&format!("/conversations/{group}"), json!({"name": "Sunday"})).await.expect(200);
    let again = posts(&ada, "key 1", "/conversations", body).await;

    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body, "the answer of then, not of now");
    assert_eq!((how_many(&ada).await, how_many(&bob).await), (1, 1));
}

#[tokio::test]
async fn another_body_or_another_call_under_the_same_key_is_a_mismatch() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let made = posts(&ada, "key", "/conversations", json!({"kind": "group", "name": "One"})).await.expect(201);
    let participants = format!("/conversations/{}/participants", id(&made));

    let other = json!({"kind": "group", "name": "Two"});
    posts(&ada, "key", "/conversations", other).await.refused(409, "idempotency_mismatch");
    posts(&ada, "key", &participants, json!({"user_ids": [bob.id]})).await.refused(409, "idempotency_mismatch");

    assert_eq!((how_many(&ada).await, how_many(&bob).await), (1, 0));
}

#[tokio::test]
async fn a_key_is_its_owners_alone() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;

    let adas = posts(&ada, "key", "/conversations", json!({"kind": "group", "name": "Ada's"})).await.expect(201);
    let bobs = posts(&bob, "key", "/conversations", json!({"kind": "group", "name": "Bob's"})).await.expect(201);

    assert_ne!(id(&adas), id(&bobs));
    assert_eq!(bobs["created_by"], bob.id.as_str());
}

#[tokio::test]
async fn the_same_call_made_by_many_at_once_is_carried_out_once() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let body = json!({"kind": "group", "name": "Saturday"});

    let replies = join_all((0..10).map(|_| posts(&ada, "key", "/conversations", body.clone()))).await;

    // Who asks while the first call is under way waits for its answer.
    let made: Vec<_> = replies.into_iter().map(|reply| reply.expect(201)).collect();
    assert!(made.iter().all(|answer| *answer == made[0]), "{made:#?}");
    assert_eq!(how_many(&ada).await, 1);
    let later = posts(&ada, "key", "/conversations", body).await.expect(201);
    assert_eq!(later, made[0]);
}

#[tokio::test]
async fn a_refused_call_burns_no_key() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let direct = json!({"kind": "direct", "participant_ids": [eve.id]});
    eve.blocks(&ada).await.expect(200);

    posts(&ada, "key", "/conversations", direct.clone()).await.refused(403, "not_allowed");
    eve.delete(&format!("/blocks/{}", ada.id)).await.expect(204);

    posts(&ada, "key", "/conversations", direct).await.expect(201);
}

#[tokio::test]
async fn people_are_added_once_under_a_key() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([]).await;
    let participants = format!("/conversations/{group}/participants");

    let first = posts(&ada, "key", &participants, json!({"user_ids": [bob.id]})).await;
    ada.removes(&group, &bob).await.expect(204);
    let again = posts(&ada, "key", &participants, json!({"user_ids": [bob.id]})).await;

    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(ada.sees(&group).await["participant_count"], 1);
}

#[tokio::test]
async fn a_key_is_kept_for_a_day() {
    let server = TestServer::with(|settings| settings.access_token_seconds = 200_000).await;
    let ada = server.person("ada").await;
    let body = json!({"kind": "group", "name": "Saturday"});
    let first = posts(&ada, "key", "/conversations", body.clone()).await.expect(201);

    server.clock.advance(chrono::Duration::hours(23));
    assert_eq!(posts(&ada, "key", "/conversations", body.clone()).await.expect(201), first);
    server.clock.advance(chrono::Duration::hours(2));

    let second = posts(&ada, "key", "/conversations", body).await.expect(201);
    assert_ne!(id(&first), id(&second));
}

#[tokio::test]
async fn a_key_has_up_to_255_plain_signs() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let body = json!({"kind": "group"});

    for bad in ["", &"x".repeat(256), "schlüssel"] {
        posts(&ada, bad, "/conversations", body.clone()).await.refused_with(400);
    }
    posts(&ada, &"x".repeat(255), "/conversations", body).await.expect(201);
    assert_eq!(how_many(&ada).await, 1);
}
