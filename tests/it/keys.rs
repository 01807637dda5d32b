//! `Idempotency-Key`: a creating call that is made again is answered the same, and carried out once.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{client::perform, each, id, new_id, person::Person, reply::Reply, server::TestServer, with};

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
    assert_eq!((id(&again.body), &again.body["name"]), (group.as_str(), &json!("Sunday")), "as it is now");
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
    let (first, again) = (&first.body["items"][0], &again.body["items"][0]);
    assert_eq!((&first["user_id"], &again["user_id"]), (&json!(bob.id), &json!(bob.id)));
    assert!(first["left_at"].is_null() && again["left_at"].is_string(), "{again:#}");
    assert_eq!(ada.sees(&group).await["participant_count"], 1);
}

#[tokio::test]
async fn a_key_is_settled_in_the_transaction_that_makes_the_thing() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let mut db = server.database.connect().await;
    // Nothing can be written about a key after it was claimed, as where the node dies there.
    let stop = "alter table idempotency_keys add constraint stop check (status is null)";
    sqlx::query(stop).execute(&mut db).await.expect("the table is there");
    let group = json!({"kind": "group", "participant_ids": [bob.id], "name": "Saturday"});
    let report = json!({"user_id": bob.id, "reason": "Spam"});

    posts(&ada, "group", "/conversations", group.clone()).await.refused(500, "internal");
    posts(&ada, "report", "/reports", report.clone()).await.refused(500, "internal");
    assert_eq!((how_many(&ada).await, how_many(&bob).await), (0, 0));

    sqlx::query("alter table idempotency_keys drop constraint stop").execute(&mut db).await.expect("it is there");
    for _ in 0..2 {
        posts(&ada, "group", "/conversations", group.clone()).await.expect(201);
        posts(&ada, "report", "/reports", report.clone()).await.expect(201);
    }
    assert_eq!((how_many(&ada).await, how_many(&bob).await), (1, 1));
}

#[tokio::test]
async fn a_retry_after_the_client_went_away_finds_what_was_made() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let settings = json!({"kind": "group", "name": "Saturday"});
    let sent = ada.says(&group, "Once").await;
    let forwards = format!("/conversations/{group}/messages/{}/forward", id(&sent));
    let mut db = server.database.connect().await;

    sqlx::raw_sql("begin; lock table conversations in share mode").execute(&mut db).await.expect("the table is there");
    let lost = timeout(Duration::from_millis(300), posts(&ada, "key", "/conversations", settings.clone())).await;
    let also =
        timeout(Duration::from_millis(300), posts(&ada, "forward", &forwards, json!({"conversation_ids": [group]})));
    assert!(lost.is_err() && also.await.is_err(), "both wait for the table");
    sqlx::raw_sql("commit").execute(&mut db).await.expect("it was begun");

    let found = posts(&ada, "key", "/conversations", settings).await.expect(201);
    posts(&ada, "forward", &forwards, json!({"conversation_ids": [group]})).await.expect(201);
    assert_eq!((&found["name"], how_many(&ada).await), (&json!("Saturday"), 2));
    assert_eq!(ada.words(&group).await, ["Once", "Once"]);
}

#[tokio::test]
async fn the_words_of_a_tombstone_do_not_come_back_by_a_retry() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let said = bob.says(&direct, "Regretted").await;
    let copied = ada.opens_group_with([]).await;
    let forwards = format!("/conversations/{direct}/messages/{}/forward", id(&said));
    let report = json!({"conversation_id": direct, "message_id": said["id"], "reason": "Rude"});
    let calls = [
        ("open", "/conversations", json!({"kind": "direct", "participant_ids": [bob.id]}), 200),
        ("forward", forwards.as_str(), json!({"conversation_ids": [copied, new_id()]}), 201),
        ("report", "/reports", report, 201),
    ];
    let mut before = Vec::new();
    for (key, path, body, status) in &calls {
        let answer = posts(&ada, key, path, body.clone()).await.expect(*status);
        assert_eq!(answer.to_string().contains("Regretted"), *key != "report", "{answer:#}");
        before.push(answer);
    }

    bob.deletes(&said, "everyone").await.expect(200);
    ada.deletes(&before[1]["items"][0]["message"], "everyone").await.expect(200);

    for ((key, path, body, status), before) in calls.into_iter().zip(before) {
        let again = posts(&ada, key, path, body).await.expect(status);
        assert!(!again.to_string().contains("Regretted"), "{again:#}");
        assert_eq!(again["id"], before["id"]);
        assert_eq!(again["items"][0]["message"]["id"], before["items"][0]["message"]["id"]);
        assert_eq!(again["items"][1]["error"], before["items"][1]["error"]);
    }
    let rows = "select string_agg(receipt::text, ' ') from idempotency_keys";
    let kept: String = sqlx::query_scalar(rows).fetch_one(&mut server.database.connect().await).await.expect("kept");
    assert!(!kept.contains("Regretted"), "{kept}");
}

#[tokio::test]
async fn what_made_nothing_under_a_key_counts_as_a_change() {
    let server = TestServer::with(|settings| settings.changes_per_minute = 2).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let body = json!({"kind": "direct", "participant_ids": [bob.id]});
    ada.opens_direct_with(&bob).await;

    posts(&ada, "one", "/conversations", body.clone()).await.expect(200);
    posts(&ada, "two", "/conversations", body.clone()).await.expect(200);
    posts(&ada, "three", "/conversations", body.clone()).await.refused(429, "rate_limited");

    posts(&ada, "two", "/conversations", body.clone()).await.expect(200);
    ada.post("/conversations", body).await.expect(200);
}

#[tokio::test]
async fn who_registers_again_under_the_same_key_is_the_same_person_with_another_session() {
    let server = TestServer::start().await;
    let registers = async |key: &str, body: Value| {
        perform(server.client.ask(Method::POST, "/auth/register").header("idempotency-key", key).json(&body)).await
    };
    let body = json!({"username": "ada", "password": "analytical engine", "email": "ada@example.com"});

    let first = registers("key", body.clone()).await.expect(201);
    let again = registers("key", body.clone()).await.expect(201);

    assert_eq!(again["user"], first["user"]);
    assert_ne!(again["session_id"], first["session_id"]);
    for signed_in in [&first, &again] {
        let token = signed_in["access_token"].as_str().expect("a token");
        perform(server.client.ask(Method::GET, "/users/me").bearer_auth(token)).await.expect(200);
    }
    for other in [
        json!({"username": "bob"}),
        json!({"password": "difference engine"}),
        json!({"display_name": "Ada"}),
        json!({"email": "a@example.com"}),
    ] {
        registers("key", with(body.clone(), other)).await.refused(409, "idempotency_mismatch");
    }
    registers("another", body.clone()).await.refused(409, "username_taken");
    registers("weak", with(body, json!({"username": "eve", "password": "weak"}))).await.refused_for("password");
    let eve = json!({"username": "eve", "password": "a better password"});
    registers("weak", eve).await.expect(201);
}

#[tokio::test]
async fn a_retried_registration_guesses_no_password_and_lets_in_nobody_who_is_banned() {
    let server = TestServer::with(|settings| settings.logins_per_minute = 3).await;
    let registers = async |password: &str| {
        let ask = server.client.ask(Method::POST, "/auth/register").header("idempotency-key", "key");
        perform(ask.json(&json!({"username": "ada", "password": password}))).await
    };
    registers("analytical engine").await.expect(201);

    for _ in 0..3 {
        registers("a bold guess").await.refused(409, "idempotency_mismatch");
    }
    registers("analytical engine").await.refused(429, "rate_limited");
    server.clock.advance(chrono::Duration::minutes(2));
    let ban = "update users set banned_until = now() + interval '1 year'";
    sqlx::query(ban).execute(&mut server.database.connect().await).await.expect("the table is there");

    registers("analytical engine").await.refused(403, "banned");
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
