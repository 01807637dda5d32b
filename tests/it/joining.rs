//! What those who join later see of what was said before, by the group's setting.

use serde_json::json;

use crate::harness::{each, id, new_id, person::Person, seq, server::TestServer};

async fn group_with_history(ada: &Person, rule: &str) -> String {
    ada.opens_group([], json!({"history_for_new_members": rule})).await
}

#[tokio::test]
async fn where_history_is_for_all_the_newcomer_reads_everything_and_has_nothing_unread() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = group_with_history(&ada, "all").await;
    let old = ada.sends(&group, json!({"body": "Old"})).await.expect(201);
    ada.adds(&group, [&bob]).await.expect(201);

    assert_eq!(bob.words(&group).await, ["Old"]);
    bob.looks_at(&old).await.expect(200);
    assert_eq!((&bob.sees(&group).await["unread"], &bob.sees(&group).await["mentions"]), (&json!(0), &json!(0)));

    ada.says(&group, "New").await;
    assert_eq!(bob.sees(&group).await["unread"], 1);
    assert_eq!(bob.get("/unread").await.expect(200)["total"], 1);
}

#[tokio::test]
async fn where_history_is_from_joining_the_newcomer_sees_nothing_older_anywhere() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = group_with_history(&ada, "from_joining").await;
    let old = ada.says(&group, "Old").await;
    ada.edits(&old, "Old, edited").await.expect(200);
    ada.adds(&group, [&bob]).await.expect(201);
    let new = ada.says(&group, "New").await;

    assert_eq!(bob.words(&group).await, ["New"]);
    let messages = format!("/conversations/{group}/messages");
    for query in ["?after=0", &format!("?before={}", seq(&new)), &format!("?around={}", seq(&old))] {
        let page = bob.get(&format!("{messages}{query}")).await.expect(200);
        assert!(each(&page, "seq").iter().all(|seq| seq.as_i64() > Some(2)), "{query}: {page:#}");
        assert_eq!(page["has_more_before"], false, "{query}: {page:#}");
    }
    bob.looks_at(&old).await.refused(404, "not_found");
    for path in ["edits", "receipts"] {
        bob.get(&format!("{messages}/{}/{path}", id(&old))).await.refused(404, "not_found");
    }
    bob.deletes(&old, "me").await.refused(404, "not_found");
    bob.sends(&group, json!({"body": "Re", "reply_to": id(&old)})).await.refused_for("reply_to");
    for cursors in [json!({}), json!({&group: 0})] {
        let sync = bob.syncs(json!({"cursors": cursors})).await;
        assert!(!sync.to_string().contains("Old"), "{sync:#}");
        assert!(sync.to_string().contains("New"), "{sync:#}");
    }
    assert_eq!(bob.sees(&group).await["unread"], 1);
}

#[tokio::test]
async fn an_edit_or_deletion_of_an_older_message_is_not_told_to_the_newcomer() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group([&eve], json!({"history_for_new_members": "from_joining"})).await;
    let (kept, gone) = (ada.says(&group, "Old secret").await, ada.says(&group, "Old mistake").await);
    ada.adds(&group, [&bob]).await.expect(201);
    let (mut bobs, mut eves) = (bob.socket().await, eve.socket().await);
    let cursor = bob.sees(&group).await["head_seq"].clone();

    ada.edits(&kept, "Old secret, edited").await.expect(200);
    ada.deletes(&gone, "everyone").await.expect(200);

    eves.hears("message:updated").await;
    eves.hears("message:deleted").await;
    bobs.heard_nothing_where("of old messages", |frame| {
        frame["type"] == "message:updated" || frame["type"] == "message:deleted" || frame.to_string().contains("Old")
    })
    .await;
    let sync = bob.syncs(json!({"cursors": {&group: cursor}})).await;
    assert!(!sync.to_string().contains("Old") && !sync.to_string().contains(id(&gone)), "{sync:#}");
}

#[tokio::test]
async fn a_reply_to_an_older_message_shows_the_newcomer_no_preview() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = group_with_history(&ada, "from_joining").await;
    let old = ada.says(&group, "Old secret").await;
    ada.adds(&group, [&bob]).await.expect(201);
    let mut bobs = bob.socket().await;

    let reply = ada.sends(&group, json!({"id": new_id(), "body": "Re", "reply_to": id(&old)})).await.expect(201);

    let heard = bobs.hears_where("message:new", |event| event["data"]["id"] == reply["id"]).await;
    let seen = bob.looks_at(&reply).await.expect(200);
    let synced = bob.syncs(json!({})).await;
    for shown in [&heard, &seen, &synced] {
        assert!(!shown.to_string().contains("Old secret"), "{shown:#}");
    }
}

#[tokio::test]
async fn who_was_there_before_the_rule_changed_keeps_what_they_had() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.says(&group, "Old").await;

    let rule = json!({"history_for_new_members": "from_joining"});
    ada.patch(&format!("/conversations/{group}"), rule).await.expect(200);
    ada.adds(&group, [&eve]).await.expect(201);

    assert_eq!(bob.words(&group).await, ["Old"]);
    assert_eq!(eve.words(&group).await, [] as [&str; 0]);
}

#[tokio::test]
async fn who_comes_back_under_from_joining_sees_nothing_from_before_coming_back() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group([&bob], json!({"history_for_new_members": "from_joining"})).await;
    let cursor = seq(&ada.says(&group, "While here").await);
    ada.removes(&group, &bob).await.expect(204);
    ada.says(&group, "While away").await;

    ada.adds(&group, [&bob]).await.expect(201);
    ada.says(&group, "After").await;

    assert_eq!(bob.words(&group).await, ["After"]);
    let sync = bob.syncs(json!({"cursors": {&group: cursor}})).await;
    assert!(!sync.to_string().contains("While away"), "{sync:#}");
}

#[tokio::test]
async fn who_comes_back_under_from_joining_is_not_answered_with_what_they_sent_before() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group([&bob], json!({"history_for_new_members": "from_joining"})).await;
    let draft = json!({"id": new_id(), "body": "Did it arrive?"});
    let sent = bob.sends(&group, draft.clone()).await.expect(201);
    ada.removes(&group, &bob).await.expect(204);
    ada.reacts(&sent, "👍").await.expect(200);
    ada.adds(&group, [&bob]).await.expect(201);

    bob.sends(&group, draft).await.refused(404, "not_found");

    assert_eq!(ada.words(&group).await, ["Did it arrive?"]);
}
