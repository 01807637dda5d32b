//! What people report, what operators do about it, and what is kept of that.

use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::{Value, json};

use crate::harness::{
    command::colloquy,
    each,
    files::{PDF, read, uploads},
    id, new_id,
    person::Person,
    school::operator,
    server::{PASSWORD, TestServer},
};

/// In which a banned person's sockets close.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn audit_log(olga: &Person) -> Vec<Value> {
    let log = olga.get("/admin/audit-log").await.expect(200);
    log["items"].as_array().expect("it is a list").clone()
}

#[tokio::test]
async fn who_is_no_operator_may_do_nothing_under_admin() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = bob.says(&group, "Hello").await;

    for path in ["reports", "users", "audit-log"] {
        ada.get(&format!("/admin/{path}")).await.refused(403, "not_allowed");
        server.client.get(&format!("/admin/{path}")).await.refused_with(401);
    }
    let why = json!({"reason": "Because", "state": "resolved", "roles": []});
    ada.patch(&format!("/admin/reports/{}", new_id()), why.clone()).await.refused(403, "not_allowed");
    ada.put(&format!("/admin/users/{}/ban", bob.id), why.clone()).await.refused(403, "not_allowed");
    ada.put(&format!("/admin/users/{}/roles", bob.id), why).await.refused(403, "not_allowed");
    ada.delete(&format!("/admin/users/{}/ban", bob.id)).await.refused(403, "not_allowed");
    let message = id(&said);
    let deletion = ada.delete(&format!("/admin/conversations/{group}/messages/{message}?reason=Because")).await;
    deletion.refused(404, "not_found");
    assert_eq!(ada.words(&group).await, ["Hello"]);
}

#[tokio::test]
async fn a_report_is_seen_by_operators_and_closed_once() {
    let server = TestServer::start().await;
    let (olga, [ada, eve]) = (operator(&server).await, server.people(["ada", "eve"]).await);
    let group = ada.opens_group_with([&eve]).await;
    let said = eve.says(&group, "Buy this!").await;
    let mut eves = eve.socket().await;
    let of_message = json!({"conversation_id": group, "message_id": id(&said), "reason": "Spam"});

    let report = ada.post("/reports", of_message.clone()).await.expect(201);
    assert_eq!(ada.post("/reports", of_message).await.expect(200), report);
    ada.post("/reports", json!({"user_id": eve.id, "reason": "A spammer"})).await.expect(201);
    eve.edits(&said, "Hello").await.expect(200);

    let open = olga.get("/admin/reports?state=open").await.expect(200);
    assert_eq!(each(&open, "words"), [&json!(null), &json!("Buy this!")]);
    assert_eq!(each(&open, "user_id"), [&json!(eve.id), &json!(eve.id)]);
    let place = format!("/admin/reports/{}", id(&report));
    olga.patch(&place, json!({"state": "open", "reason": "No"})).await.refused_for("state");
    let closed = olga.patch(&place, json!({"state": "resolved", "reason": "Told off"})).await;
    insta::assert_json_snapshot!("closed_report", closed.shape());
    olga.patch(&place, json!({"state": "dismissed", "reason": "Or not"})).await.expect(200);
    let open = olga.get("/admin/reports?state=open").await.expect(200);
    assert_eq!(each(&open, "reason"), [&json!("A spammer")]);
    assert_eq!(olga.get(&format!("/admin/reports?user_id={}", ada.id)).await.expect(200)["items"], json!([]));
    let [closing, ..] = &audit_log(&olga).await[..] else { panic!("nothing is in the log") };
    assert_eq!((&closing["action"], &closing["reason"]), (&json!("report_closed"), &json!("Told off")));
    eves.heard_nothing_where("of a report", |frame| frame.to_string().contains("Spam")).await;
}

#[tokio::test]
async fn only_what_one_sees_can_be_reported() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = bob.says(&group, "Hello").await;
    let of_message = json!({"conversation_id": group, "message_id": id(&said), "reason": "Spam"});

    eve.post("/reports", of_message.clone()).await.refused(404, "not_found");
    bob.post("/reports", of_message).await.refused_for("user_id");
    ada.post("/reports", json!({"user_id": new_id(), "reason": "Spam"})).await.refused(404, "not_found");
    ada.post("/reports", json!({"user_id": bob.id, "reason": " "})).await.refused_for("reason");
    ada.post("/reports", json!({"reason": "Spam"})).await.refused_for("user_id");
}

#[tokio::test]
async fn an_operator_deletes_a_message_without_being_there_and_all_members_hear_it() {
    let server = TestServer::start().await;
    let (olga, [ada, eve]) = (operator(&server).await, server.people(["ada", "eve"]).await);
    let group = ada.opens_group_with([&eve]).await;
    let said = eve.says(&group, "Nasty").await;
    let (mut adas, mut olgas) = (ada.socket().await, olga.socket().await);
    let place = format!("/admin/conversations/{group}/messages/{}", id(&said));

    olga.delete(&place).await.refused_for("reason");
    let gone = olga.delete(&format!("{place}?reason=Insulting")).await.expect(200);
    olga.delete(&format!("{place}?reason=Insulting")).await.expect(200);

    assert_eq!((&gone["body"], &gone["changed_seq"]), (&Value::Null, &json!(2)));
    let heard = adas.hears("message:deleted").await;
    assert_eq!((&heard["seq"], &heard["data"]["id"]), (&json!(2), &said["id"]));
    olgas.heard_nothing_in(&group).await;
    olga.get(&format!("/conversations/{group}")).await.refused(404, "not_found");
    let log = audit_log(&olga).await;
    let deletions: Vec<_> = log.iter().filter(|entry| entry["action"] == "message_deleted").collect();
    let [entry] = deletions[..] else { panic!("{log:#?}") };
    assert_eq!((&entry["user_id"], &entry["message_id"]), (&json!(eve.id), &said["id"]));
    assert_eq!((&entry["actor_id"], &entry["reason"]), (&json!(olga.id), &json!("Insulting")));
}

#[tokio::test]
async fn a_ban_closes_sockets_on_every_node_and_ends_by_itself() {
    let (north, south) = TestServer::pair().await;
    let (olga, [ada, eve]) = (operator(&north).await, north.people(["ada", "eve"]).await);
    let group = ada.opens_group_with([&eve]).await;
    let (mut here, mut there) = (eve.socket().await, eve.at(&south).signs_in_again().await.socket().await);
    let file = uploads(&eve, &group, "a.pdf", PDF).await.expect(201);
    let place = format!("/admin/users/{}/ban", eve.id);
    let past = json!({"until": "2020-01-01T00:00:00Z", "reason": "Spam"});
    olga.put(&place, past).await.refused_for("until");
    olga.put(&format!("/admin/users/{}/ban", olga.id), json!({"reason": "Spam"})).await.refused_for("user_id");

    let began = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "The end of the ban is chosen by the client's own clock.")]
    let until = Utc::now() + chrono::Duration::hours(1);
    olga.put(&place, json!({"until": until, "reason": "Spam"})).await.expect(200);
    assert_eq!((here.is_closed().await.0, there.is_closed().await.0), (4003, 4003));
    assert!(began.elapsed() < AT_ONCE * 3, "{:?}", began.elapsed());
    eve.sends(&group, json!({"body": "Ha"})).await.refused_with(403);
    read(&north.client, &file["url"], &[]).await.refused(404, "not_found");
    let login = json!({"username": "eve", "password": PASSWORD});
    north.client.post("/auth/login", login.clone()).await.refused(403, "banned");
    let banned = olga.get("/admin/users?banned=true").await.expect(200);
    assert_eq!(each(&banned, "username"), [&json!("eve")]);

    north.clock.advance(chrono::Duration::minutes(61));
    north.client.post("/auth/login", login).await.expect(200);
}

#[tokio::test]
async fn every_privileged_act_is_in_the_log_whoever_did_it() {
    let server = TestServer::start().await;
    let (olga, ada) = (operator(&server).await, server.person("ada").await);
    let database = [("DATABASE_URL", server.database.url())];

    colloquy(&["user", "create", "bob", "--password", PASSWORD, "--role", "coach"], &database).await.expect();
    colloquy(&["user", "ban", "ada", "--hours", "1", "--reason", "Spam"], &database).await.expect();
    colloquy(&["user", "unban", "ada"], &database).await.expect();
    colloquy(&["token", "ada"], &database).await.expect();
    olga.put(&format!("/admin/users/{}/roles", ada.id), json!({"roles": ["coach"], "reason": "Hired"}))
        .await
        .expect(200);
    olga.put(&format!("/admin/users/{}/ban", ada.id), json!({"reason": "Fired"})).await.expect(200);
    olga.delete(&format!("/admin/users/{}/ban?reason=Sorry", ada.id)).await.expect(204);

    let log = audit_log(&olga).await;
    let acts: Vec<_> = log
        .iter()
        .rev()
        .map(|entry| (entry["action"].as_str(), entry["actor_id"].as_str(), entry["reason"].as_str()))
        .collect();
    let by_olga = Some(olga.id.as_str());
    assert_eq!(
        acts,
        [
            (Some("roles_changed"), None, None),
            (Some("user_created"), None, None),
            (Some("user_banned"), None, Some("Spam")),
            (Some("user_unbanned"), None, None),
            (Some("token_made"), None, None),
            (Some("roles_changed"), by_olga, Some("Hired")),
            (Some("user_banned"), by_olga, Some("Fired")),
            (Some("user_unbanned"), by_olga, Some("Sorry")),
        ]
    );
    assert_eq!(log[2]["details"], json!({"roles": ["coach"]}));
    assert_eq!(
        each(&olga.get("/admin/users?role=coach").await.expect(200), "username"),
        [&json!("bob"), &json!("ada")]
    );
    let first = olga.get("/admin/audit-log?limit=5").await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = olga.get(&format!("/admin/audit-log?limit=5&cursor={cursor}")).await.expect(200);
    assert_eq!(each(&second, "action").len(), 3);
}

#[tokio::test]
async fn who_is_an_operator_no_more_may_nothing_more_at_once() {
    let server = TestServer::start().await;
    let olga = operator(&server).await;
    olga.get("/admin/users").await.expect(200);

    let database = [("DATABASE_URL", server.database.url())];
    colloquy(&["user", "role", "olga"], &database).await.expect();

    olga.get("/admin/users").await.refused(403, "not_allowed");
}
