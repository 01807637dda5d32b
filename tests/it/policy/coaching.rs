//! The coaching rules: every pair of roles, by every way in.

use serde_json::{Value, json};

use crate::harness::{each, person::Person, school::School, seq};

const ROLES: [&str; 4] = ["admin", "coach", "parent", ""];

fn may_talk(one: &str, other: &str) -> bool {
    [one, other].contains(&"admin") && ![one, other].contains(&"")
}

async fn asks(person: &Person, question: Value) -> Value {
    person.post("/policy/check", question).await.expect(200)
}

/// Asserts that the rules refuse a message over REST and over a socket, naming the rule, and that asking says the same.
async fn is_silent(person: &Person, conversation: &str, rule: &str) {
    let problem = person.sends(conversation, json!({"body": "Hello?"})).await.refused(403, "against_rules");
    assert_eq!(problem["rule"], rule);
    let over_socket = json!({"conversation_id": conversation, "body": "Hello?"});
    let problem = person.socket().await.is_refused("message:send", over_socket).await;
    assert_eq!(
        (&problem["status"], &problem["code"], &problem["rule"]),
        (&json!(403), &json!("against_rules"), &json!(rule))
    );
    let ruling = asks(person, json!({"action": "send_message", "conversation_id": conversation})).await;
    assert_eq!((&ruling["allowed"], &ruling["rule"]), (&json!(false), &json!(rule)));
}

/// Asserts that somebody's message over a socket is heard by another.
async fn is_heard(person: &Person, conversation: &str, by: &Person) {
    let (mut speaks, mut hears) = (person.socket().await, by.socket().await);
    let sent = speaks.sends("message:send", json!({"conversation_id": conversation, "body": "Hello"})).await;
    let heard = hears.hears("message:new").await;
    assert_eq!(heard["data"]["id"], sent["id"]);
    person.says(conversation, "And again").await;
}

#[tokio::test]
async fn one_to_one_is_only_with_an_admin() {
    let school = School::open().await;
    for (place, one) in ROLES.iter().enumerate() {
        let opener = school.person(&format!("opener{place}"), one).await;
        for (other_place, other) in ROLES.iter().enumerate() {
            let peer = school.person(&format!("peer{place}{other_place}"), other).await;
            let wish = json!({"kind": "direct", "participant_ids": [peer.id]});
            let ruling =
                asks(&opener, json!({"action": "open_conversation", "kind": "direct", "participant_ids": [peer.id]}))
                    .await;
            let reply = opener.post("/conversations", wish).await;
            assert_eq!(ruling["allowed"], may_talk(one, other), "{one:?} {other:?}: {ruling}");
            if may_talk(one, other) {
                let conversation = reply.expect(201)["id"].as_str().expect("it has an id").to_owned();
                is_heard(&opener, &conversation, &peer).await;
                is_heard(&peer, &conversation, &opener).await;
            } else {
                assert_eq!(reply.refused(403, "against_rules")["rule"], "direct");
                assert_eq!(ruling["rule"], "direct");
                assert_eq!(each(&peer.get("/conversations").await.expect(200), "id"), [] as [&Value; 0]);
            }
        }
    }
}

#[tokio::test]
async fn only_admins_make_batches_and_nobody_makes_other_groups() {
    let school = School::open().await;
    let [ann, carl, pat] = school.staff().await;
    let nobody = school.person("norm", "").await;
    let batch = |people: &[&Person]| {
        let ids: Vec<_> = people.iter().map(|person| &person.id).collect();
        json!({"kind": "group", "category": "batch", "participant_ids": ids})
    };

    for maker in [&carl, &pat, &nobody] {
        let problem = maker.post("/conversations", batch(&[&ann])).await.refused(403, "against_rules");
        assert_eq!(problem["rule"], "groups.batch.made_by");
    }
    let problem = ann.post("/conversations", batch(&[&carl, &nobody])).await.refused(403, "against_rules");
    assert_eq!(problem["rule"], "groups.batch.members");
    for category in [json!(null), json!("party")] {
        let other = json!({"kind": "group", "category": category, "participant_ids": [carl.id]});
        let problem = ann.post("/conversations", other).await.refused(403, "against_rules");
        assert_eq!(problem["rule"], "groups");
    }
    let made = ann.post("/conversations", batch(&[&carl, &pat])).await.expect(201);
    let id = made["id"].as_str().expect("it has an id");
    is_heard(&ann, id, &carl).await;
    is_heard(&carl, id, &pat).await;
    is_heard(&pat, id, &ann).await;
    let away = ann.patch(&format!("/conversations/{id}"), json!({"category": "party"})).await;
    assert_eq!(away.refused(403, "against_rules")["rule"], "groups");
}

#[tokio::test]
async fn only_people_of_its_roles_come_into_a_batch() {
    let school = School::open().await;
    let [ann, carl, pat] = school.staff().await;
    let nobody = school.person("norm", "").await;
    let batch = ann.opens_group([&carl], json!({"category": "batch"})).await;

    let problem = ann.adds(&batch, [&pat, &nobody]).await.refused(403, "against_rules");

    assert_eq!(problem["rule"], "groups.batch.members");
    let ask = |who: &Person| json!({"action": "add_participants", "conversation_id": batch, "user_ids": [who.id]});
    assert_eq!(asks(&ann, ask(&nobody)).await["allowed"], false);
    assert_eq!(asks(&ann, ask(&pat)).await["allowed"], true);
    pat.get(&format!("/conversations/{batch}")).await.refused(404, "not_found");
    assert_eq!(ann.sees(&batch).await["head_seq"], 0);
    ann.adds(&batch, [&pat]).await.expect(201);
}

#[tokio::test]
async fn whose_role_changes_says_nothing_more_where_the_new_one_may_not() {
    let school = School::open().await;
    let [ann, carl, pat] = school.staff().await;
    let direct = ann.opens_direct_with(&carl).await;
    let batch = ann.opens_group([&carl, &pat], json!({"category": "batch"})).await;
    let before = carl.says(&direct, "Before").await;
    let mine = carl.says(&batch, "Mine").await;

    school.makes(&carl, "").await;
    is_silent(&carl, &direct, "direct").await;
    is_silent(&ann, &direct, "direct").await;
    is_silent(&carl, &batch, "groups.batch.members").await;
    carl.edits(&mine, "Or rather").await.refused(403, "against_rules");
    carl.reacts(&mine, "👍").await.refused(403, "against_rules");
    carl.socket().await.is_refused("typing:start", json!({"conversation_id": batch})).await;
    assert_eq!(carl.words(&direct).await, ["Before"]);
    is_heard(&pat, &batch, &carl).await;
    school.makes(&carl, "coach").await;

    let mut hears = ann.socket().await;
    let after = carl.says(&direct, "After").await;
    assert_eq!(seq(&after), seq(&before) + 1);
    assert_eq!(hears.hears("message:new").await["seq"], after["seq"]);
    carl.edits(&mine, "Or rather").await.expect(200);
}

#[tokio::test]
async fn a_batch_without_an_admin_is_silent_until_one_comes() {
    let school = School::open().await;
    let [ann, carl, pat] = school.staff().await;
    let boss = school.person("bea", "admin").await;
    let batch = ann.opens_group([&carl, &pat], json!({"category": "batch"})).await;
    let mine = carl.says(&batch, "Hello").await;

    ann.removes(&batch, &ann).await.expect(204);
    is_silent(&carl, &batch, "groups.batch.must_include").await;
    is_silent(&pat, &batch, "groups.batch.must_include").await;
    carl.edits(&mine, "Hello!").await.refused(403, "against_rules");

    carl.adds(&batch, [&boss]).await.expect(201);
    is_heard(&carl, &batch, &pat).await;
}

#[tokio::test]
async fn files_are_for_batches_only() {
    let school = School::open().await;
    let [ann, carl, _] = school.staff().await;
    let (direct, batch) =
        (ann.opens_direct_with(&carl).await, ann.opens_group([&carl], json!({"category": "batch"})).await);
    let ask = |conversation: &str| json!({"action": "send_message", "conversation_id": conversation, "attachments": ["image", "file"]});

    let refused = asks(&carl, ask(&direct)).await;

    assert_eq!(
        (&refused["allowed"], &refused["rule"]),
        (&json!(false), &json!("direct.an-admin-with-anybody.attachments"))
    );
    assert_eq!(asks(&carl, ask(&batch)).await["rule"], "groups.batch");
}

#[tokio::test]
async fn contacts_and_people_who_are_found_are_those_to_talk_to() {
    let school = School::open().await;
    let [ann, carl, pat] = school.staff().await;
    let other = school.person("anton", "coach").await;
    let nobody = school.person("anita", "").await;

    for (person, contacts) in
        [(&ann, vec!["anton", "carl", "pat"]), (&carl, vec!["ann"]), (&pat, vec!["ann"]), (&nobody, vec![])]
    {
        let listed = person.get("/contacts").await.expect(200);
        assert_eq!(
            each(&listed, "username"),
            contacts.iter().map(|name| json!(name)).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
    }
    let found = carl.get("/users?q=an").await.expect(200);
    assert_eq!(each(&found, "username"), [&json!("ann")]);
    let found = ann.get("/users?q=an").await.expect(200);
    let mut names = each(&found, "username");
    names.sort_by_key(|name| name.to_string());
    assert_eq!(names, [&json!("ann"), &json!("anton")]);
    ann.blocks(&other).await.expect(200);
    let first = ann.get("/contacts?limit=1").await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = ann.get(&format!("/contacts?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!([each(&first, "username"), each(&second, "username")], [[&json!("carl")], [&json!("pat")]]);
    assert_eq!(second["next_cursor"], Value::Null);
    ann.get("/contacts?cursor=nonsense").await.refused_with(400);
}
