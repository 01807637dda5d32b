//! One's own settings of a conversation, of which nobody else learns.

use serde_json::{Value, json};

use crate::harness::{person::Person, reply::Reply, server::TestServer};

async fn prefers(person: &Person, conversation: &str, preferences: Value) -> Reply {
    person.patch(&format!("/conversations/{conversation}/preferences"), preferences).await
}

#[tokio::test]
async fn preferences_are_changed_field_by_field() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    let all = json!({"pinned": true, "archived": true, "muted_until": "2031-01-01T00:00:00Z", "notify": "mentions",
        "draft": "I meant to say"});
    let reply = prefers(&ada, &group, all).await;
    insta::assert_json_snapshot!("preferences", reply.shape());
    assert_eq!(ada.sees(&group).await["preferences"], reply.expect(200));

    let changed =
        prefers(&ada, &group, json!({"muted_until": null, "draft": null, "archived": false})).await.expect(200);
    assert_eq!((&changed["muted_until"], &changed["draft"]), (&Value::Null, &Value::Null));
    assert_eq!((&changed["archived_at"], &changed["notify"]), (&Value::Null, &json!("mentions")));
    assert!(changed["pinned_at"].is_string(), "{changed:#}");
}

#[tokio::test]
async fn own_devices_are_told_and_nobody_else_is() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let other = ada.signs_in_again().await;
    let (mut others, mut bobs) = (other.socket().await, bob.socket().await);

    let preferences = prefers(&ada, &group, json!({"draft": "Dear Bob"})).await.expect(200);

    let told = others.hears("preferences:updated").await;
    assert_eq!(told["data"], json!({"conversation_id": group, "preferences": preferences}));
    assert_eq!(told.get("seq"), None, "preferences are not of the log: {told:#}");
    bobs.heard_nothing_new_in(&group).await;
    assert_eq!(bob.sees(&group).await["preferences"]["draft"], Value::Null);
    assert_eq!(ada.sees(&group).await["head_seq"], 0);
}

#[tokio::test]
async fn what_changes_nothing_is_told_to_nobody() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let before = prefers(&ada, &group, json!({"pinned": true, "draft": "x"})).await.expect(200);
    let mut socket = ada.socket().await;
    let cursor = ada.syncs(json!({})).await["own_cursor"].clone();

    let after = prefers(&ada, &group, json!({"pinned": true, "draft": "x", "notify": "all"})).await.expect(200);
    prefers(&ada, &group, json!({})).await.expect(200);

    assert_eq!(before, after);
    socket.heard_nothing_of("preferences:updated").await;
    assert_eq!(ada.syncs(json!({"own_cursor": cursor})).await["own"]["preferences"], json!([]));
}

#[tokio::test]
async fn what_no_preference_may_be_is_refused() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let group = ada.opens_group_with([]).await;

    for wrong in [
        json!({"notify": "some"}),
        json!({"pinned": "yes"}),
        json!({"muted_until": "tomorrow"}),
        json!({"draft": 7}),
        json!({"draft": "日".repeat(16_001)}),
    ] {
        prefers(&ada, &group, wrong).await.refused_with(422);
    }
    prefers(&eve, &group, json!({"pinned": true})).await.refused(404, "not_found");
    prefers(&ada, &group, json!({"draft": "日".repeat(16_000)})).await.expect(200);
}
