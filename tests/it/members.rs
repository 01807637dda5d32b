//! Who is in a group, and as what: adding, removing, leaving, promoting, handing over.

use futures_util::future::join;
use serde_json::{Value, json};

use crate::harness::{
    each, new_id,
    person::Person,
    postgres::{held, waiting},
    reply::{Reply, redacted},
    seq,
    server::TestServer,
    until,
};

async fn roles(group: &str, asker: &Person) -> Vec<(String, String)> {
    let list = asker.get(&format!("/conversations/{group}/participants")).await.expect(200);
    let items = list["items"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    items.map(|item| (text(&item["user"]["username"]), text(&item["role"]))).collect()
}

fn named(roles: &[(&str, &str)]) -> Vec<(String, String)> {
    roles.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect()
}

#[tokio::test]
async fn who_is_added_is_told_of_the_group_and_the_others_of_them() {
    let server = TestServer::start().await;
    let [ada, bob, eve, joe] = server.people(["ada", "bob", "eve", "joe"]).await;
    let group = ada.opens_group([&bob], json!({"name": "Saturday"})).await;
    let (mut bobs, mut eves, mut joes) = (bob.socket().await, eve.socket().await, joe.socket().await);

    let reply = ada.adds(&group, [&eve]).await;

    insta::assert_json_snapshot!("added", reply.shape());
    let told = bobs.hears("participant:added").await;
    assert_eq!((&told["data"]["user_id"], &told["seq"]), (&json!(eve.id), &json!(1)));
    insta::assert_json_snapshot!("notice", redacted(&bobs.hears("message:new").await));
    bobs.heard_nothing_of("conversation:new").await;
    assert_eq!(eves.hears("conversation:new").await["data"]["id"], group.as_str());
    joes.heard_nothing_in(&group).await;
    ada.says(&group, "Welcome").await;
    assert_eq!(
        eves.hears_where("message:new", |event| event["data"]["kind"] == "text").await["data"]["body"],
        "Welcome"
    );
}

#[tokio::test]
async fn a_call_that_adds_many_writes_one_notice() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([]).await;

    ada.adds(&group, [&bob, &eve]).await.expect(201);

    let history = ada.history(&group).await;
    assert_eq!(history.iter().map(|message| &message["kind"]).collect::<Vec<_>>(), ["system"], "{history:#?}");
    assert_eq!((seq(&history[0]), &ada.sees(&group).await["head_seq"]), (3, &json!(3)));
}

#[tokio::test]
async fn who_is_there_already_is_not_added_again() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;

    let again = ada.adds(&group, [&bob]).await.expect(200);
    assert_eq!(each(&again, "user_id"), [bob.id.as_str()]);
    assert_eq!(ada.sees(&group).await["head_seq"], 0);

    let partly = ada.adds(&group, [&bob, &eve]).await.expect(201);
    assert_eq!(each(&partly, "user_id").len(), 2);
    assert_eq!(ada.sees(&group).await["participant_count"], 3);
}

#[tokio::test]
async fn nobody_unknown_and_no_more_than_a_hundred_are_added() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([]).await;
    let path = format!("/conversations/{group}/participants");

    ada.post(&path, json!({"user_ids": [bob.id, new_id()]})).await.refused_for("user_ids");
    ada.post(&path, json!({"user_ids": []})).await.refused_for("user_ids");
    let many: Vec<_> = (0..101).map(|_| new_id()).collect();
    ada.post(&path, json!({"user_ids": many})).await.refused_for("user_ids");
    let same = vec![&bob.id; 101];
    ada.post(&path, json!({"user_ids": same})).await.refused_for("user_ids");
    ada.post("/conversations", json!({"kind": "group", "participant_ids": same})).await.refused_for("participant_ids");
    ada.post(&path, json!({})).await.refused_with(422);
    ada.post(&path, json!({"user_ids": [bob.id], "role": "boss"})).await.refused_with(422);

    assert_eq!(
        (&ada.sees(&group).await["participant_count"], &ada.sees(&group).await["head_seq"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn members_neither_add_nor_remove_nor_promote() {
    let server = TestServer::start().await;
    let [ada, bob, eve, joe] = server.people(["ada", "bob", "eve", "joe"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;

    bob.adds(&group, [&joe]).await.refused(403, "insufficient_role");
    bob.removes(&group, &eve).await.refused(403, "insufficient_role");
    bob.makes(&group, &eve, "admin").await.refused(403, "insufficient_role");
    bob.makes(&group, &bob, "admin").await.refused(403, "insufficient_role");

    assert_eq!(ada.sees(&group).await["head_seq"], 0);
}

#[tokio::test]
async fn admins_keep_house_but_do_not_touch_owners() {
    let server = TestServer::start().await;
    let [ada, bob, eve, joe] = server.people(["ada", "bob", "eve", "joe"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    ada.makes(&group, &bob, "admin").await.expect(200);

    bob.adds(&group, [&joe]).await.expect(201);
    bob.makes(&group, &eve, "admin").await.expect(200);
    bob.removes(&group, &joe).await.expect(204);
    bob.makes(&group, &eve, "owner").await.refused(403, "insufficient_role");
    bob.makes(&group, &ada, "member").await.refused(403, "insufficient_role");
    bob.removes(&group, &ada).await.refused(403, "insufficient_role");
    let owner = json!({"user_ids": [joe.id], "role": "owner"});
    bob.post(&format!("/conversations/{group}/participants"), owner).await.refused(403, "insufficient_role");

    assert_eq!(roles(&group, &ada).await, named(&[("ada", "owner"), ("bob", "admin"), ("eve", "admin")]));
}

#[tokio::test]
async fn owners_make_and_unmake_owners_and_one_stays() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;

    ada.makes(&group, &ada, "member").await.refused(409, "last_owner");
    let reply = ada.makes(&group, &bob, "owner").await;
    insta::assert_json_snapshot!("promoted", reply.shape());
    let told = bobs.hears("participant:updated").await;
    assert_eq!((&told["data"]["role"], &told["seq"]), (&json!("owner"), &json!(1)));
    bob.makes(&group, &ada, "member").await.expect(200);
    bob.makes(&group, &bob, "admin").await.refused(409, "last_owner");

    assert_eq!(roles(&group, &ada).await, named(&[("ada", "member"), ("bob", "owner")]));
}

#[tokio::test]
async fn a_role_that_is_had_already_is_no_change() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;

    ada.makes(&group, &bob, "member").await.expect(200);

    assert_eq!(ada.sees(&group).await["head_seq"], 0);
    bobs.heard_nothing_new_in(&group).await;
    ada.makes(&group, &bob, "boss").await.refused_with(422);
}

#[tokio::test]
async fn two_owners_who_demote_each_other_at_once_leave_one() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;

    for _ in 0..5 {
        let group = ada.opens_group_with([&bob]).await;
        ada.makes(&group, &bob, "owner").await.expect(200);

        join(ada.makes(&group, &bob, "member"), bob.makes(&group, &ada, "member")).await;

        let roles = roles(&group, &ada).await;
        assert_eq!(roles.iter().filter(|(_, role)| role == "owner").count(), 1, "{roles:?}");
    }
}

#[tokio::test]
async fn who_is_removed_is_out_at_once() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    let said = ada.says(&group, "Before").await;
    let own = eve.opens_group_with([]).await;
    let (mut bobs, mut eves) = (bob.socket().await, eve.socket().await);

    ada.removes(&group, &eve).await.expect(204);
    ada.says(&group, "After").await;
    ada.edits(&said, "Before, edited").await.expect(200);

    assert_eq!(each(&eve.get("/conversations").await.expect(200), "id"), [own.as_str()]);
    assert_eq!(eves.hears("conversation:removed").await["data"], json!({"conversation_id": group}));
    eves.heard_nothing_in(&group).await;
    let told = bobs.hears("participant:removed").await;
    assert_eq!(told["data"]["user_id"], eve.id.as_str());
    assert!(told["data"]["left_at"].is_string(), "{told:#}");
    assert_eq!(bobs.hears_where("message:new", |event| event["data"]["kind"] == "text").await["data"]["body"], "After");
    eve.looks_at(&said).await.refused(404, "not_found");
    eve.sends(&group, json!({"body": "Hello?"})).await.refused(404, "not_found");
    assert_eq!(eve.get("/unread").await.expect(200)["total"], 0);
}

#[tokio::test]
async fn who_leaves_is_out_and_the_others_are_told() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut adas = ada.socket().await;

    bob.removes(&group, &bob).await.expect(204);

    assert_eq!(adas.hears("participant:removed").await["data"]["user_id"], bob.id.as_str());
    assert_eq!(adas.hears("message:new").await["data"]["kind"], "system");
    bob.get(&format!("/conversations/{group}")).await.refused(404, "not_found");
    bob.removes(&group, &bob).await.refused(404, "not_found");
    ada.removes(&group, &bob).await.refused(404, "not_found");
    assert_eq!(ada.sees(&group).await["participant_count"], 1);
}

#[tokio::test]
async fn who_comes_back_is_a_member_like_a_new_one() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.makes(&group, &bob, "admin").await.expect(200);
    ada.says(&group, "One").await;
    bob.removes(&group, &bob).await.expect(204);
    ada.says(&group, "Two").await;

    ada.adds(&group, [&bob]).await.expect(201);

    let seen = bob.sees(&group).await;
    assert_eq!((&seen["my_role"], &seen["unread"]), (&json!("member"), &json!(0)));
    assert_eq!(bob.words(&group).await, ["One", "Two"]);
    let list = ada.get(&format!("/conversations/{group}/participants")).await.expect(200);
    assert_eq!(each(&list, "left_at"), [&Value::Null, &Value::Null]);
}

#[tokio::test]
async fn the_last_owner_who_leaves_hands_over_to_the_oldest_admin() {
    let server = TestServer::start().await;
    let [ada, bob, eve, joe] = server.people(["ada", "bob", "eve", "joe"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.adds(&group, [&eve]).await.expect(201);
    ada.adds(&group, [&joe]).await.expect(201);
    ada.makes(&group, &joe, "admin").await.expect(200);
    ada.makes(&group, &eve, "admin").await.expect(200);
    let mut bobs = bob.socket().await;

    ada.removes(&group, &ada).await.expect(204);

    assert_eq!(roles(&group, &bob).await, named(&[("bob", "member"), ("eve", "owner"), ("joe", "admin")]));
    let told = bobs.hears("participant:updated").await;
    assert_eq!((&told["data"]["user_id"], &told["data"]["role"]), (&json!(eve.id), &json!("owner")));
}

#[tokio::test]
async fn where_there_is_no_admin_the_oldest_member_takes_over_and_where_there_is_an_owner_nobody() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([]).await;
    ada.adds(&group, [&eve]).await.expect(201);
    ada.adds(&group, [&bob]).await.expect(201);

    ada.removes(&group, &ada).await.expect(204);
    assert_eq!(roles(&group, &bob).await, named(&[("eve", "owner"), ("bob", "member")]));

    eve.makes(&group, &bob, "owner").await.expect(200);
    eve.removes(&group, &eve).await.expect(204);
    assert_eq!(roles(&group, &bob).await, named(&[("bob", "owner")]));
    bob.removes(&group, &bob).await.expect(204);
    assert_eq!(each(&bob.get("/conversations").await.expect(200), "id"), [] as [&Value; 0]);
}

#[tokio::test]
async fn participants_who_are_not_there_are_not_found() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([]).await;

    ada.removes(&group, &bob).await.refused(404, "not_found");
    ada.makes(&group, &bob, "admin").await.refused(404, "not_found");
    ada.delete(&format!("/conversations/{group}/participants/nonsense")).await.refused_with(400);
    ada.get(&format!("/conversations/{group}/participants?limit=0")).await.refused_for("limit");
    ada.get(&format!("/conversations/{group}/participants?cursor=nonsense")).await.refused_with(400);
}

#[tokio::test]
async fn joining_leaving_and_talking_at_once_leaves_no_hole_in_the_log() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;

    let comings = async {
        for _ in 0..8 {
            ada.adds(&group, [&eve]).await.expect(201);
            ada.removes(&group, &eve).await.expect(204);
        }
    };
    let talk = async {
        for number in 0..20 {
            bob.says(&group, &format!("Word {number}")).await;
        }
    };
    join(comings, talk).await;

    let head = ada.sees(&group).await["head_seq"].as_i64().expect("a number");
    let mut heard = Vec::new();
    while heard.last() != Some(&head) {
        let is_of_the_log = |event: &Value| event["conversation_id"] == group.as_str() && event["seq"].is_i64();
        heard.push(seq(&bobs.hears_any("of the log", is_of_the_log).await));
    }
    assert_eq!(heard, (1..=head).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_waits_to_speak_while_being_removed_is_refused() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;

    speaks_meanwhile(&server, (&bob, &group), {
        let (ada, bob, group) = (ada.clone(), bob.clone(), group.clone());
        async move { ada.removes(&group, &bob).await }
    })
    .await;

    assert!(!ada.words(&group).await.contains(&"One more thing".to_owned()));
}

#[tokio::test]
async fn who_waits_to_speak_in_a_group_while_it_is_deleted_is_refused() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;

    speaks_meanwhile(&server, (&bob, &group), {
        let (ada, group) = (ada.clone(), group.clone());
        async move { ada.delete(&format!("/conversations/{group}")).await }
    })
    .await;
}

/// Has somebody speak in a group while what ends their right to do so waits for its turn before them.
async fn speaks_meanwhile(
    server: &TestServer,
    (speaker, group): (&Person, &str),
    ending: impl Future<Output = Reply> + Send + 'static,
) {
    let (mut holder, mut onlooker) = (server.database.connect().await, server.database.connect().await);
    let holding = held(&mut holder, group).await;
    let ending = tokio::spawn(ending);
    until("the end waits", async || (waiting(&mut onlooker).await == 1).then_some(())).await;
    let speaking = tokio::spawn({
        let (speaker, group) = (speaker.clone(), group.to_owned());
        async move { speaker.sends(&group, json!({"body": "One more thing"})).await }
    });
    until("the send waits too", async || (waiting(&mut onlooker).await == 2).then_some(())).await;
    holding.rollback().await.expect("nothing was done");

    ending.await.expect("it ends").expect(204);
    speaking.await.expect("it ends").refused(404, "not_found");
}

#[tokio::test]
async fn whoever_is_removed_while_talking_has_said_nothing_after() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;

    for _ in 0..5 {
        let group = ada.opens_group_with([&eve]).await;
        let talk = async { while eve.sends(&group, json!({"body": "And another thing"})).await.status == 201 {} };
        join(talk, async { ada.removes(&group, &eve).await.expect(204) }).await;

        let history = ada.history(&group).await;
        let last = history.last().expect("there is the notice at least");
        assert_eq!(last["kind"], "system", "after the removal eve said {last:#}");
    }
}
