//! One's own settings of a conversation, of which nobody else learns.

use futures_util::future::join_all;
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
        json!({"muted_until": "-9999-01-01T00:00:00Z"}),
        json!({"muted_until": "+10000-01-01T00:00:00Z"}),
        json!({"draft": 7}),
        json!({"draft": "日".repeat(16_001)}),
    ] {
        prefers(&ada, &group, wrong).await.refused_with(422);
    }
    prefers(&eve, &group, json!({"pinned": true})).await.refused(404, "not_found");
    prefers(&ada, &group, json!({"draft": "日".repeat(16_000)})).await.expect(200);
}

#[tokio::test]
async fn a_new_message_takes_a_conversation_out_of_the_archive_and_tells_own_devices_alone() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = bob.says(&group, "Before").await;
    prefers(&ada, &group, json!({"archived": true, "pinned": true, "draft": "Dear Bob"})).await.expect(200);
    let cursor = ada.syncs(json!({})).await["own_cursor"].clone();
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    bob.edits(&sent, "An edit is nothing new").await.expect(200);
    bob.reacts(&sent, "👍").await.expect(200);
    bob.reads(&group).await;
    adas.heard_nothing_of("preferences:updated").await;
    assert_eq!(ada.get("/conversations?archived=true").await.expect(200)["items"][0]["id"], group.as_str());
    bob.says(&group, "After").await;

    let told = adas.hears("preferences:updated").await["data"].take();
    assert_eq!(told, json!({"conversation_id": group, "preferences": ada.sees(&group).await["preferences"]}));
    let now = &told["preferences"];
    assert_eq!((&now["archived_at"], &now["draft"]), (&Value::Null, &json!("Dear Bob")));
    assert!(now["pinned_at"].is_string(), "all else stays: {now:#}");
    assert_eq!(ada.get("/conversations?archived=true").await.expect(200)["items"], json!([]));
    let missed = ada.syncs(json!({"own_cursor": cursor})).await;
    assert_eq!(missed["own"]["preferences"][0]["archived_at"], Value::Null);
    bobs.heard_nothing_of("preferences:updated").await;
}

#[tokio::test]
async fn what_is_mute_stays_in_the_archive_while_it_is() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let until = server.clock.now() + chrono::Duration::minutes(3);
    prefers(&ada, &direct, json!({"archived": true, "muted_until": until})).await.expect(200);
    let mut adas = ada.socket().await;

    bob.says(&direct, "Psst").await;
    adas.heard_nothing_of("preferences:updated").await;
    server.clock.advance(chrono::Duration::minutes(5));
    assert!(ada.sees(&direct).await["preferences"]["archived_at"].is_string(), "nothing new has come since");
    bob.says(&direct, "Hello").await;

    adas.hears("preferences:updated").await;
    assert_eq!(ada.sees(&direct).await["preferences"]["archived_at"], Value::Null);
}

#[tokio::test]
async fn nobody_who_left_hears_that_it_is_out_of_the_archive() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    prefers(&bob, &group, json!({"archived": true})).await.expect(200);
    bob.removes(&group, &bob).await.expect(204);
    let mut bobs = bob.socket().await;

    ada.says(&group, "Bob is gone").await;

    bobs.heard_nothing_in(&group).await;
}

#[tokio::test]
async fn many_conversations_at_once_come_out_of_many_archives_and_each_is_told_once() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let groups = join_all((0..8).map(|_| ada.opens_group_with([&bob, &carol]))).await;
    let mut sockets = [ada.socket().await, bob.socket().await, carol.socket().await];

    for _ in 0..3 {
        for person in [&ada, &bob, &carol] {
            join_all(groups.iter().map(|group| prefers(person, group, json!({"archived": true})))).await;
        }
        let cursors =
            join_all([&ada, &bob, &carol].map(async |person| person.syncs(json!({})).await["own_cursor"].clone()))
                .await;
        for socket in &mut sockets {
            socket.drains().await;
        }

        // Drafts of the same people meanwhile, for they write into the same rows and logs.
        let sends = join_all(groups.iter().map(|group| bob.says(group, "Hello")));
        let drafts = join_all(groups.iter().map(|group| prefers(&ada, group, json!({"draft": "Hm"}))));
        tokio::join!(sends, drafts);

        for ((person, socket), cursor) in [&ada, &bob, &carol].into_iter().zip(&mut sockets).zip(cursors) {
            let heard = socket.drains().await;
            let out = |event: &Value| {
                event["type"] == "preferences:updated" && event["data"]["preferences"]["archived_at"].is_null()
            };
            for group in &groups {
                let told =
                    heard.iter().filter(|event| out(event) && event["data"]["conversation_id"] == group.as_str());
                let (told, is_drafting) = (told.count(), person.id == ada.id);
                assert!(told == 1 || is_drafting && told > 1, "{group} comes back to {}", person.username);
                assert_eq!(person.sees(group).await["preferences"]["archived_at"], Value::Null);
            }
            let own = person.syncs(json!({"own_cursor": cursor})).await["own"]["preferences"].take();
            assert_eq!(own.as_array().expect("a list").len(), groups.len());
        }
        for group in &groups {
            assert_eq!(ada.sees(group).await["preferences"]["draft"], "Hm", "neither loses what the other wrote");
            prefers(&ada, group, json!({"draft": null})).await.expect(200);
        }
    }
}

#[tokio::test]
async fn two_devices_that_change_different_settings_at_once_lose_nothing() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for round in 0..10 {
        let draft = format!("Draft {round}");
        let wishes =
            [json!({"pinned": true}), json!({"draft": draft}), json!({"notify": "none"}), json!({"archived": true})];
        join_all(wishes.map(|wish| prefers(&ada, &group, wish))).await;

        let now = ada.sees(&group).await["preferences"].clone();
        assert_eq!((&now["draft"], &now["notify"]), (&json!(draft), &json!("none")), "round {round}");
        assert!(now["pinned_at"].is_string() && now["archived_at"].is_string(), "round {round}: {now:#}");
        prefers(&ada, &group, json!({"pinned": false, "notify": "all", "archived": false})).await.expect(200);
    }
}

#[tokio::test]
async fn a_draft_is_left_to_the_device_that_typed_it_when_something_is_sent() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    prefers(&ada, &group, json!({"draft": "On my phone"})).await.expect(200);

    ada.says(&group, "From my desk").await;
    assert_eq!(ada.sees(&group).await["preferences"]["draft"], "On my phone");

    let cleared = prefers(&ada, &group, json!({"draft": ""})).await.expect(200);
    assert_eq!(cleared["draft"], Value::Null, "nothing typed is no draft");
}

#[tokio::test]
async fn null_clears_every_setting() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let before = ada.sees(&group).await["preferences"].clone();
    let all = json!({"pinned": true, "archived": true, "muted_until": "2031-01-01T00:00:00Z", "notify": "none",
        "draft": "Well"});
    let set = prefers(&ada, &group, all).await.expect(200);
    assert_eq!(set["muted_until"], "2031-01-01T00:00:00.000000Z", "times are told to the microsecond");

    let nulls = json!({"pinned": null, "archived": null, "muted_until": null, "notify": null, "draft": null});
    let cleared = prefers(&ada, &group, nulls).await.expect(200);

    assert_eq!(cleared, before);
    assert_eq!(prefers(&ada, &group, json!({})).await.expect(200), before);
}
