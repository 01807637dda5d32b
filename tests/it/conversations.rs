//! Conversations: found or made, seen, changed and deleted.

use futures_util::future::join_all;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::harness::{
    camera::{coded, fields, four_fields, seen},
    each,
    files::{bytes, gives_avatar},
    id, new_id, seq,
    server::TestServer,
};

#[tokio::test]
async fn a_direct_conversation_is_made_once_and_found_from_both_sides() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;

    let made = ada.post("/conversations", json!({"kind": "direct", "participant_ids": [bob.id]})).await;
    let found = bob.post("/conversations", json!({"kind": "direct", "participant_ids": [ada.id]})).await;
    let again = ada.post("/conversations", json!({"kind": "direct", "participant_ids": [bob.id, ada.id]})).await;

    insta::assert_json_snapshot!("direct", made.shape());
    let conversation = made.expect(201);
    assert_eq!(id(&found.expect(200)), id(&conversation));
    assert_eq!(id(&again.expect(200)), id(&conversation));
}

#[tokio::test]
async fn a_direct_conversation_made_from_both_sides_at_once_is_one() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let open = |from: &crate::harness::person::Person, to: &crate::harness::person::Person| {
        let (from, body) = (from.clone(), json!({"kind": "direct", "participant_ids": [to.id]}));
        async move { from.post("/conversations", body).await }
    };

    let replies = join_all((0..10).map(|turn| if turn % 2 == 0 { open(&ada, &bob) } else { open(&bob, &ada) })).await;

    let first = id(&replies[0].body).to_owned();
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1, "{replies:#?}");
    for reply in replies {
        assert!(matches!(reply.status, 200 | 201), "{reply}");
        assert_eq!(id(&reply.body), first);
    }
    assert_eq!(each(&ada.get("/conversations").await.expect(200), "id"), [first.as_str()]);
    assert_eq!(each(&bob.get("/conversations").await.expect(200), "id"), [first.as_str()]);
}

#[tokio::test]
async fn a_direct_conversation_is_between_two_who_exist() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let direct = |ids: Value| json!({"kind": "direct", "participant_ids": ids});

    for ids in [json!([]), json!([ada.id]), json!([bob.id, eve.id]), json!([new_id()])] {
        ada.post("/conversations", direct(ids)).await.refused_for("participant_ids");
    }
    ada.post("/conversations", json!({"kind": "direct"})).await.refused_for("participant_ids");
    ada.post("/conversations", json!({"kind": "channel", "participant_ids": [bob.id]})).await.refused_with(422);
    ada.post("/conversations", direct(json!(["bob"]))).await.refused_with(422);

    assert_eq!(each(&bob.get("/conversations").await.expect(200), "id"), [] as [&Value; 0]);
}

#[tokio::test]
async fn a_direct_conversation_stays_as_it_is() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let before = ada.sees(&direct).await;

    ada.patch(&format!("/conversations/{direct}"), json!({"name": "Us"})).await.refused(409, "direct_is_fixed");
    ada.adds(&direct, [&eve]).await.refused(409, "direct_is_fixed");
    ada.removes(&direct, &bob).await.refused(409, "direct_is_fixed");
    ada.removes(&direct, &ada).await.refused(409, "direct_is_fixed");
    ada.makes(&direct, &bob, "owner").await.refused(409, "direct_is_fixed");

    assert_eq!(ada.sees(&direct).await, before);
}

#[tokio::test]
async fn a_group_has_what_its_maker_gave_it() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;

    let body = json!({"kind": "group", "participant_ids": [bob.id, eve.id, bob.id, ada.id], "name": "Saturday",
        "description": "Breakfast", "category": "batch", "history_for_new_members": "from_joining",
        "members_may_pin": true});
    let reply = ada.post("/conversations", body).await;

    insta::assert_json_snapshot!("group", reply.shape());
    let group = reply.expect(201);
    assert_eq!(group["created_by"], ada.id.as_str());
    assert_eq!(each(&group["participants"], "user_id").len(), 3);
    assert_eq!(bob.sees(id(&group)).await["my_role"], "member");
}

#[tokio::test]
async fn a_group_needs_nothing_but_its_kind() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    let group = ada.post("/conversations", json!({"kind": "group"})).await.expect(201);

    assert_eq!((&group["name"], &group["history_for_new_members"]), (&Value::Null, &json!("all")));
    assert_eq!((&group["participant_count"], &group["my_role"]), (&json!(1), &json!("owner")));
}

#[tokio::test]
async fn what_a_group_may_not_be_is_refused() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;

    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(121))),
        ("description", json!("x".repeat(1_001))),
        ("participant_ids", json!([new_id()])),
        ("participant_ids", (0..101).map(|_| new_id()).collect()),
    ] {
        ada.post("/conversations", json!({"kind": "group", field: value})).await.refused_for(field);
    }
    for wrong in [json!({"history_for_new_members": "some"}), json!({"name": 7}), json!({"members_may_pin": "yes"})] {
        ada.post("/conversations", crate::harness::with(json!({"kind": "group"}), wrong)).await.refused_with(422);
    }
    assert_eq!(each(&ada.get("/conversations").await.expect(200), "id"), [] as [&Value; 0]);
    let longest = json!({"kind": "group", "name": "Ä".repeat(120), "description": "日".repeat(1_000)});
    ada.post("/conversations", longest).await.expect(201);
}

#[tokio::test]
async fn who_is_in_a_new_conversation_is_told_and_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (mut adas, mut bobs, mut eves) = (ada.socket().await, bob.socket().await, eve.socket().await);

    let group = ada.opens_group([&bob], json!({"name": "Saturday"})).await;

    let told = bobs.hears("conversation:new").await;
    assert_eq!((&told["data"]["id"], &told["data"]["my_role"]), (&json!(group), &json!("member")));
    assert_eq!(told["data"], bob.sees(&group).await);
    assert_eq!(adas.hears("conversation:new").await["data"]["my_role"], "owner");
    eves.heard_nothing_in(&group).await;
}

#[tokio::test]
async fn a_group_is_changed_field_by_field_and_its_members_are_told() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group([&bob], json!({"name": "Saturday", "description": "Breakfast"})).await;
    let (mut bobs, mut eves) = (bob.socket().await, eve.socket().await);

    let change = json!({"name": "Sunday", "description": null, "category": "batch"});
    let changed = ada.patch(&format!("/conversations/{group}"), change).await.expect(200);

    assert_eq!(
        (&changed["name"], &changed["description"], &changed["category"]),
        (&json!("Sunday"), &Value::Null, &json!("batch"))
    );
    let told = bobs.hears("conversation:updated").await;
    assert_eq!((&told["data"]["name"], &told["seq"]), (&json!("Sunday"), &json!(1)));
    for own in ["unread", "my_role", "preferences", "last_message", "mentions"] {
        assert_eq!(told["data"].get(own), None, "only the shared part is told to all: {told:#}");
    }
    let notice = bobs.hears("message:new").await;
    assert_eq!((&notice["data"]["kind"], &notice["seq"]), (&json!("system"), &json!(2)));
    insta::assert_json_snapshot!("settings_notice", crate::harness::reply::redacted(&notice));
    eves.heard_nothing_in(&group).await;
}

#[tokio::test]
async fn a_change_that_changes_nothing_takes_no_place_in_the_log_and_tells_nobody() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group([&bob], json!({"name": "Saturday"})).await;
    let mut bobs = bob.socket().await;

    ada.patch(&format!("/conversations/{group}"), json!({"name": "Saturday"})).await.expect(200);
    ada.patch(&format!("/conversations/{group}"), json!({})).await.expect(200);
    ada.patch(&format!("/conversations/{group}"), json!({"name": "x".repeat(121)})).await.refused_for("name");

    assert_eq!(ada.sees(&group).await["head_seq"], 0);
    bobs.heard_nothing_new_in(&group).await;
}

#[tokio::test]
async fn settings_are_changed_by_owners_and_admins_only() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    ada.makes(&group, &bob, "admin").await.expect(200);

    bob.patch(&format!("/conversations/{group}"), json!({"name": "Ours"})).await.expect(200);
    eve.patch(&format!("/conversations/{group}"), json!({"name": "Mine"})).await.refused(403, "insufficient_role");

    assert_eq!(eve.sees(&group).await["name"], "Ours");
}

#[tokio::test]
async fn nobody_sets_by_a_change_what_is_not_theirs_to_set() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let before = ada.sees(&group).await;

    let grab = json!({"id": new_id(), "kind": "direct", "head_seq": 99, "created_by": bob.id, "my_role": "owner",
        "participant_count": 7, "created_at": "2001-01-01T00:00:00Z"});
    ada.patch(&format!("/conversations/{group}"), grab).await;

    assert_eq!(ada.sees(&group).await, before);
}

#[tokio::test]
async fn a_group_is_deleted_by_an_owner_for_everyone() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = ada.says(&group, "Soon gone").await;
    ada.makes(&group, &bob, "admin").await.expect(200);
    let mut bobs = bob.socket().await;

    bob.delete(&format!("/conversations/{group}")).await.refused(403, "insufficient_role");
    ada.delete(&format!("/conversations/{group}")).await.expect(204);

    let removed = bobs.hears("conversation:removed").await;
    assert_eq!((&removed["data"], removed.get("seq")), (&json!({"conversation_id": group}), None));
    for person in [&ada, &bob] {
        person.get(&format!("/conversations/{group}")).await.refused(404, "not_found");
        person.looks_at(&said).await.refused(404, "not_found");
        assert_eq!(each(&person.get("/conversations").await.expect(200), "id"), [] as [&Value; 0]);
        assert_eq!(person.syncs(json!({"cursors": {&group: 1}})).await["removed"], json!([group]));
    }
    assert_eq!(bob.get("/unread").await.expect(200)["total"], 0);
}

#[tokio::test]
async fn a_direct_conversation_is_deleted_for_oneself_until_somebody_speaks_again() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let said = bob.says(&direct, "An old word").await;
    let mut bobs = bob.socket().await;

    ada.delete(&format!("/conversations/{direct}")).await.expect(204);

    assert_eq!(ada.words(&direct).await, [] as [&str; 0]);
    ada.looks_at(&said).await.refused(404, "not_found");
    assert_eq!(ada.sees(&direct).await["last_message"], Value::Null);
    assert_eq!(ada.get("/unread").await.expect(200)["total"], 0);
    assert_eq!(bob.words(&direct).await, ["An old word"]);
    bobs.heard_nothing_new_in(&direct).await;
    let cursor = ada.syncs(json!({})).await["own_cursor"].clone();
    ada.delete(&format!("/conversations/{direct}")).await.expect(204);
    let again = ada.syncs(json!({"own_cursor": cursor})).await;
    assert_eq!(again["own"]["preferences"], json!([]), "there was nothing more to clear");

    bob.says(&direct, "A new word").await;
    assert_eq!(ada.words(&direct).await, ["A new word"]);
    assert_eq!(ada.sees(&direct).await["unread"], 1);
    assert_eq!(bob.words(&direct).await, ["An old word", "A new word"]);
    assert_eq!(ada.opens_direct_with(&bob).await, direct);
}

#[tokio::test]
async fn fifty_participants_travel_with_a_group_and_the_rest_is_listed() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let mut others = Vec::new();
    for number in 0..54 {
        others.push(server.person(&format!("person{number:02}")).await);
    }
    let ids: Vec<_> = others.iter().map(|person| &person.id).collect();

    let group = ada.post("/conversations", json!({"kind": "group", "participant_ids": ids})).await.expect(201);

    assert_eq!(group["participant_count"], 55);
    assert_eq!(each(&group["participants"], "user_id").len(), 50);
    let path = format!("/conversations/{}/participants", id(&group));
    let first = ada.get(&path).await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there are more");
    let second = ada.get(&format!("{path}?cursor={cursor}")).await.expect(200);
    let mut all: Vec<_> = each(&first, "user_id").into_iter().chain(each(&second, "user_id")).collect();
    all.sort_by_key(std::string::ToString::to_string);
    all.dedup();
    assert_eq!((all.len(), &second["next_cursor"]), (55, &Value::Null));
}

#[tokio::test]
async fn null_in_a_change_clears() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let path = format!("/conversations/{group}");
    let before = ada.sees(&group).await;
    let all = json!({"name": "Ours", "description": "Talk", "category": "batch", "members_may_pin": true,
        "history_for_new_members": "from_joining", "expires_in": 60});
    let names: Vec<_> = all.as_object().expect("it is one").keys().cloned().collect();
    let changed = ada.patch(&path, all.clone()).await.expect(200);
    assert!(names.iter().all(|name| changed[name] == all[name]), "{changed:#}");

    let nulls: Value = names.iter().map(|name| (name.clone(), Value::Null)).collect::<serde_json::Map<_, _>>().into();
    let cleared = ada.patch(&path, nulls).await.expect(200);

    for name in &names {
        assert_eq!(cleared[name], before[name], "{name}");
    }
}

#[tokio::test]
async fn a_group_s_picture_is_a_setting_that_all_its_members_hear_of() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob, eve] = north.people(["ada", "bob", "eve"]).await;
    let bob = bob.at(&south);
    let group = ada.opens_group_with([&bob]).await;
    let (mut bobs, mut eves) = (bob.socket().await, eve.socket().await);
    let cursors = bob.syncs(json!({})).await["cursors"].clone();

    let own = gives_avatar(
        &ada,
        &format!("/conversations/{group}"),
        "group.png",
        &coded(&four_fields(50, 50), ImageFormat::Png),
    )
    .await
    .expect(200);

    let url = &own["avatar_url"];
    let heard = bobs.hears("conversation:updated").await;
    assert_eq!(heard["data"]["avatar_url"], *url);
    let notice = bobs.hears("message:new").await;
    assert_eq!(notice["data"]["metadata"], json!({"event": "settings_changed", "changed": {"avatar_url": url}}));
    assert_eq!(seq(&notice), seq(&heard) + 1);
    let synced = bob.syncs(json!({"cursors": cursors})).await;
    assert_eq!(synced["conversations"][0]["conversation"]["avatar_url"], *url);
    assert_eq!(fields(&seen(&bytes(&south.client, url).await)), "rgbw");

    ada.delete(&format!("/conversations/{group}/avatar")).await.expect(204);
    assert_eq!(bobs.hears("conversation:updated").await["data"]["avatar_url"], Value::Null);
    bobs.hears("message:new").await;
    let head = ada.sees(&group).await["head_seq"].clone();
    ada.delete(&format!("/conversations/{group}/avatar")).await.expect(204);
    assert_eq!(ada.sees(&group).await["head_seq"], head, "what changes nothing takes no place in the log");
    eves.heard_nothing_of("conversation:updated").await;
}
