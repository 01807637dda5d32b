//! What is not found, and by whom: in the same moment in which it can't be read any more.

use chrono::Duration;
use serde_json::json;

use super::{asks, finds, finds_all, settled};
use crate::harness::{client::perform, new_id, server::TestServer};

#[tokio::test]
async fn nothing_is_found_of_a_conversation_that_one_is_not_in() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group([&bob], json!({"name": "secret"})).await;
    ada.says(&group, "the needle").await;
    settled(&server).await;

    assert_eq!(finds(&bob, "needle").await, ["the needle"]);
    assert_eq!(finds(&eve, "needle").await, [""; 0]);
    assert_eq!(finds(&eve, &format!("needle in:{group}")).await, [""; 0]);
    assert_eq!(finds(&eve, "needle in:secret").await, [""; 0]);
    let theirs = asks(&eve, &format!("q=needle&conversation_id={group}")).await.refused(404, "not_found");
    let none = asks(&eve, &format!("q=needle&conversation_id={}", new_id())).await.refused(404, "not_found");
    assert_eq!(theirs["detail"], none["detail"]);
    perform(server.client.ask(reqwest::Method::GET, "/search/messages?q=needle")).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn who_has_left_finds_nothing_and_who_comes_back_finds_what_they_may_read() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group([&bob], json!({"history_for_new_members": "from_joining"})).await;
    ada.says(&group, "needle before").await;
    settled(&server).await;
    assert_eq!(finds(&bob, "needle").await, ["needle before"]);

    bob.removes(&group, &bob).await.expect(204);
    assert_eq!(finds(&bob, "needle").await, [""; 0]);
    asks(&bob, &format!("q=needle&conversation_id={group}")).await.refused(404, "not_found");

    ada.says(&group, "needle meanwhile").await;
    ada.adds(&group, [&bob]).await.expect(201);
    ada.says(&group, "needle after").await;
    settled(&server).await;
    let readable: Vec<_> = bob.words(&group).await.into_iter().filter(|body| body.contains("needle")).collect();
    assert_eq!(finds_all(&bob, "needle").await, {
        let mut sorted = readable;
        sorted.sort();
        sorted
    });
    assert!(!finds(&bob, "needle").await.contains(&"needle meanwhile".to_owned()));
}

#[tokio::test]
async fn nothing_is_found_from_before_one_joined_where_that_is_the_rule() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let closed = ada.opens_group([], json!({"history_for_new_members": "from_joining"})).await;
    let open = ada.opens_group([], json!({"history_for_new_members": "all"})).await;
    let quoted = ada.says(&closed, "needle of old, closed").await;
    ada.says(&open, "needle of old, open").await;
    for group in [&closed, &open] {
        ada.adds(group, [&bob]).await;
        ada.says(group, "needle of late").await;
    }
    ada.sends(&closed, json!({"body": "a reply", "reply_to": quoted["id"]})).await.expect(201);
    settled(&server).await;

    assert_eq!(finds_all(&bob, "needle").await, ["needle of late", "needle of late", "needle of old, open"]);
    let reply = asks(&bob, "q=reply").await.expect(200);
    assert_eq!(reply["items"][0]["message"]["reply_to"]["preview"], json!(null));
    assert_eq!(finds(&ada, "needle").await.len(), 4);
}

#[tokio::test]
async fn what_one_deleted_for_oneself_others_still_find() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = ada.says(&group, "the needle").await;
    settled(&server).await;

    bob.deletes(&said, "me").await.expect(200);

    assert_eq!(finds(&bob, "needle").await, [""; 0]);
    assert_eq!(finds(&ada, "needle").await, ["the needle"]);
}

#[tokio::test]
async fn what_was_cleared_is_found_by_the_other_one_only() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    ada.says(&direct, "the needle").await;
    settled(&server).await;

    bob.delete(&format!("/conversations/{direct}")).await.expect(204);
    assert_eq!(finds(&bob, "needle").await, [""; 0]);

    ada.says(&direct, "another needle").await;
    settled(&server).await;
    assert_eq!(finds(&bob, "needle").await, ["another needle"]);
    assert_eq!(finds(&ada, "needle").await.len(), 2);
}

#[tokio::test]
async fn what_was_deleted_is_found_by_nobody_from_that_moment() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = ada.says(&group, "the needle").await;
    settled(&server).await;
    assert_eq!(finds(&bob, "needle").await, ["the needle"]);

    ada.deletes(&said, "everyone").await.expect(200);

    for person in [&ada, &bob] {
        assert_eq!(finds(person, "needle").await, [""; 0]);
        assert_eq!(finds(person, "from:ada").await, [""; 0]);
    }
    settled(&server).await;
    let left: i64 = sqlx::query_scalar("select count(*) from search_entries where lexemes::text like '%needle%'")
        .fetch_one(&mut server.database.connect().await)
        .await
        .expect("the database answers");
    assert_eq!(left, 0, "its words are gone in the index too");
}

#[tokio::test]
async fn what_was_edited_is_found_by_its_new_words_and_never_by_its_old_ones() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = ada.says(&group, "the needle").await;
    settled(&server).await;

    ada.edits(&said, "the pin").await.expect(200);
    assert_eq!(finds(&bob, "needle").await, [""; 0]);

    settled(&server).await;
    assert_eq!(finds(&bob, "needle").await, [""; 0]);
    assert_eq!(finds(&bob, "pin").await, ["the pin"]);
}

#[tokio::test]
async fn who_blocks_somebody_does_not_find_them_and_they_cannot_tell() {
    let server = TestServer::start().await;
    let [ada, eve, bob] = server.people(["ada", "eve", "bob"]).await;
    let group = ada.opens_group_with([&eve, &bob]).await;
    ada.says(&group, "needle by ada").await;
    eve.says(&group, "needle by eve").await;
    settled(&server).await;

    ada.blocks(&eve).await.expect(200);

    assert_eq!(finds(&ada, "needle").await, ["needle by ada"]);
    assert_eq!(finds(&ada, "from:eve").await, [""; 0]);
    for person in [&eve, &bob] {
        assert_eq!(finds_all(person, "needle").await, ["needle by ada", "needle by eve"]);
    }
    ada.delete(&format!("/blocks/{}", eve.id)).await.expect(204);
    assert_eq!(finds(&ada, "needle").await.len(), 2);
}

#[tokio::test]
async fn nothing_is_found_of_a_group_that_was_deleted() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "the needle").await;
    settled(&server).await;

    ada.delete(&format!("/conversations/{group}")).await.expect(204);

    for person in [&ada, &bob] {
        assert_eq!(finds(person, "needle").await, [""; 0]);
    }
}

#[tokio::test]
async fn what_has_expired_is_found_by_nobody() {
    let server = TestServer::with(|settings| settings.access_token_seconds = 86_400).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let said = ada.says(&group, "the needle").await;
    let expires_at = server.clock.now() + Duration::hours(1);
    sqlx::query("update messages set expires_at = $1 where id = $2::text::uuid")
        .bind(expires_at)
        .bind(said["id"].as_str())
        .execute(&mut server.database.connect().await)
        .await
        .expect("the database answers");
    settled(&server).await;
    assert_eq!(finds(&ada, "needle").await, ["the needle"]);

    server.clock.advance(Duration::hours(1));

    assert_eq!(finds(&ada, "needle").await, [""; 0]);
}
