//! Not wanting to hear from somebody.

use serde_json::{Value, json};

use crate::harness::{each, new_id, server::TestServer};

#[tokio::test]
async fn between_two_of_whom_one_blocks_the_other_nothing_direct_is_sent() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let direct = ada.opens_direct_with(&eve).await;
    ada.says(&direct, "Before").await;

    ada.blocks(&eve).await.expect(200);

    for sender in [&ada, &eve] {
        let refusal = sender.sends(&direct, json!({"body": "Hello?"})).await.refused(403, "not_allowed");
        assert!(!refusal.to_string().to_lowercase().contains("block"), "{refusal:#}");
    }
    assert_eq!(eve.words(&direct).await, ["Before"]);

    ada.delete(&format!("/blocks/{}", eve.id)).await.expect(204);
    eve.says(&direct, "After").await;
    assert_eq!(ada.words(&direct).await, ["Before", "After"]);
}

#[tokio::test]
async fn across_a_block_nothing_else_is_done_to_a_direct_conversation_either() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let direct = ada.opens_direct_with(&eve).await;
    let said = ada.says(&direct, "Before").await;
    ada.pins(&said).await.expect(200);
    let liked = eve.reacts(&said, "👍").await.expect(200);
    ada.blocks(&eve).await.expect(200);
    let mut adas = ada.socket().await;

    for who in [&eve, &ada] {
        let fleeting = json!({"expires_in": 60});
        let refusal = who.patch(&format!("/conversations/{direct}"), fleeting).await.refused(403, "not_allowed");
        assert!(!refusal.to_string().to_lowercase().contains("block"), "{refusal:#}");
        who.pins(&said).await.refused(403, "not_allowed");
        who.unpins(&said).await.refused(403, "not_allowed");
        who.reacts(&said, "🎉").await.refused(403, "not_allowed");
        who.deletes(&said, "me").await.expect(200);
    }

    assert_eq!(ada.sees(&direct).await["head_seq"], liked["changed_seq"]);
    adas.heard_nothing_of("conversation:updated").await;
    adas.heard_nothing_of("message:unpinned").await;
}

#[tokio::test]
async fn a_blocked_person_does_not_open_a_direct_conversation_either() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    ada.blocks(&eve).await.expect(200);

    let wish = json!({"kind": "direct", "participant_ids": [ada.id]});
    eve.post("/conversations", wish).await.refused(403, "not_allowed");
}

#[tokio::test]
async fn across_a_block_nobody_is_invited_by_the_other() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (of_ada, of_eve) = (ada.opens_group_with([&bob]).await, eve.opens_group_with([&bob]).await);
    ada.blocks(&eve).await.expect(200);

    for (host, guest, group) in [(&ada, &eve, &of_ada), (&eve, &ada, &of_eve)] {
        let refusal = host.adds(group, [guest]).await.refused(403, "not_allowed");
        assert!(!refusal.to_string().to_lowercase().contains("block"), "{refusal:#}");
        let wish = json!({"kind": "group", "participant_ids": [bob.id, guest.id]});
        host.post("/conversations", wish).await.refused(403, "not_allowed");
        guest.get(&format!("/conversations/{group}")).await.refused(404, "not_found");
    }
    assert_eq!(ada.sees(&of_ada).await["head_seq"], 0);

    ada.makes(&of_ada, &bob, "admin").await.expect(200);
    bob.adds(&of_ada, [&eve]).await.expect(201);
}

#[tokio::test]
async fn across_a_block_nobody_sees_the_other_type_or_look() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    let (mut adas, mut bobs, mut eves) = (ada.socket().await, bob.socket().await, eve.socket().await);
    let here = json!({"conversation_id": group});
    adas.sends("conversation:join", here.clone()).await;
    bobs.sends("conversation:join", here.clone()).await;
    // Before the block she may have seen her come.
    adas.drains().await;
    ada.blocks(&eve).await.expect(200);

    let present = eves.sends("conversation:join", here.clone()).await;
    for command in ["typing:start", "typing:stop", "conversation:leave", "conversation:join"] {
        eves.sends(command, here.clone()).await;
    }
    for event in ["conversation:joined", "typing:start", "typing:stop", "conversation:left"] {
        bobs.hears_where(event, |frame| frame["data"]["user_id"] == eve.id.as_str()).await;
    }
    adas.sends("typing:start", here.clone()).await;
    adas.sends("typing:stop", here).await;
    bobs.hears_where("typing:stop", |frame| frame["data"]["user_id"] == ada.id.as_str()).await;

    assert!(!present.to_string().contains(&ada.id), "{present:#}");
    adas.hears("block:added").await;
    adas.heard_nothing_where("of eve", |frame| frame["data"]["user_id"] == eve.id.as_str()).await;
    eves.heard_nothing_where("ada type", |frame| {
        frame["type"].to_string().contains("typing") && frame["data"]["user_id"] == ada.id.as_str()
    })
    .await;
}

#[tokio::test]
async fn words_that_are_there_are_not_changed_across_a_block() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let direct = ada.opens_direct_with(&eve).await;
    let said = eve.says(&direct, "Hello").await;
    ada.blocks(&eve).await.expect(200);

    eve.edits(&said, "Answer me!").await.refused(403, "not_allowed");
    let ask = json!({"action": "send_message", "conversation_id": direct});

    assert_eq!(eve.post("/policy/check", ask).await.expect(200)["allowed"], true);
    assert_eq!(ada.words(&direct).await, ["Hello"]);
}

#[tokio::test]
async fn who_is_blocked_finds_who_blocks_as_before() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    ada.blocks(&eve).await.expect(200);

    assert_eq!(each(&eve.get("/contacts").await.expect(200), "username"), [&json!("ada")]);
    assert_eq!(each(&eve.get("/users?q=ada").await.expect(200), "username"), [&json!("ada")]);
    assert_eq!(ada.get("/contacts").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn in_a_group_the_blocked_talk_on() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let group = ada.opens_group_with([&eve]).await;

    ada.blocks(&eve).await.expect(200);
    eve.says(&group, "Hello, all").await;

    assert_eq!(ada.words(&group).await, ["Hello, all"]);
}

#[tokio::test]
async fn a_block_is_known_to_all_devices_of_who_blocks_and_to_nobody_else() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    ada.opens_direct_with(&eve).await;
    let other = ada.signs_in_again().await;
    let (mut adas, mut eves) = (other.socket().await, eve.socket().await);

    ada.blocks(&eve).await.expect(200);
    ada.delete(&format!("/blocks/{}", eve.id)).await.expect(204);

    assert_eq!(adas.hears("block:added").await["data"], json!({"user_id": eve.id}));
    assert_eq!(adas.hears("block:removed").await["data"], json!({"user_id": eve.id}));
    eves.heard_nothing_where("of a block", |frame| frame["type"].to_string().contains("block")).await;
}

#[tokio::test]
async fn blocks_are_listed_once_each() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let mut socket = ada.socket().await;

    ada.blocks(&eve).await.expect(200);
    ada.blocks(&bob).await.expect(200);
    socket.hears("block:added").await;
    socket.hears("block:added").await;
    ada.blocks(&eve).await.expect(200);

    let reply = ada.get("/blocks").await;
    insta::assert_json_snapshot!("blocks", reply.shape());
    socket.heard_nothing_of("block:added").await;
    let others = eve.get("/blocks").await.expect(200);
    assert_eq!(each(&others, "user"), [] as [&Value; 0]);
}

#[tokio::test]
async fn nobody_blocks_themselves_or_nobody() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    ada.put(&format!("/blocks/{}", ada.id), json!({})).await.refused_with(422);
    ada.put(&format!("/blocks/{}", new_id()), json!({})).await.refused(404, "not_found");
    ada.put("/blocks/nonsense", json!({})).await.refused_with(400);
    ada.delete(&format!("/blocks/{}", new_id())).await.expect(204);
}

#[tokio::test]
async fn blocks_travel_with_sync() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    ada.blocks(&eve).await.expect(200);
    let first = ada.syncs(json!({})).await;

    ada.blocks(&bob).await.expect(200);
    let second = ada.syncs(json!({"own_cursor": first["own_cursor"]})).await;

    assert_eq!(first["own"]["blocks"], json!([eve.id]));
    let blocks = second["own"]["blocks"].as_array().expect("a list");
    assert!(blocks.contains(&json!(bob.id)), "{second:#}");
}
