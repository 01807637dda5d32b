//! Editing and deleting: by whom, what stays readable, what is gone, and who is told.

use futures_util::future::join3;
use serde_json::{Value, json};

use crate::harness::{
    each,
    files::{PDF, uploads},
    id,
    person::Person,
    seq,
    server::TestServer,
};

async fn edits(person: &Person, message: &Value) -> Value {
    let conversation = message["conversation_id"].as_str().expect("a message has one");
    person.get(&format!("/conversations/{conversation}/messages/{}/edits", id(message))).await.expect(200)
}

#[tokio::test]
async fn an_edit_changes_the_words_and_keeps_what_they_were() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.sends(&group, json!({"body": "One", "metadata": {"a": 1}, "mentions": [bob.id]})).await.expect(201);
    let mut bobs = bob.socket().await;

    let reply = ada.edits(&sent, "Two").await;
    insta::assert_json_snapshot!("edited", reply.shape());
    let edited = reply.expect(200);
    ada.edits(&sent, "Three").await.expect(200);

    let told = bobs.hears("message:updated").await;
    assert_eq!((&told["data"], &told["seq"]), (&edited, &json!(2)));
    assert_eq!(bobs.hears("message:updated").await["data"]["body"], "Three");
    let versions = edits(&bob, &sent).await;
    assert_eq!(each(&versions, "body"), ["One", "Two"]);
    insta::assert_json_snapshot!("versions", crate::harness::reply::redacted(&versions));
    assert_eq!(each(&versions, "editor_id"), [ada.id.as_str(), ada.id.as_str()]);
    assert_eq!(bob.words(&group).await, ["Three"]);
    assert_eq!(bob.sees(&group).await["unread"], 1);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_takes_no_seq_and_tells_nobody() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Same").await;
    let mut bobs = bob.socket().await;

    let same = ada.edits(&sent, "Same").await.expect(200);

    assert_eq!((&same["edited_at"], &same["changed_seq"]), (&Value::Null, &json!(1)));
    assert_eq!(ada.sees(&group).await["head_seq"], 1);
    assert_eq!(each(&edits(&ada, &sent).await, "body"), [] as [&Value; 0]);
    bobs.heard_nothing_new_in(&group).await;
}

#[tokio::test]
async fn only_the_author_edits() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group([&bob], json!({"name": "One"})).await;
    let sent = bob.says(&group, "Mine").await;
    ada.patch(&format!("/conversations/{group}"), json!({"name": "Two"})).await.expect(200);
    let notice = ada.history(&group).await.pop().expect("the change is noted");
    let head = ada.sees(&group).await["head_seq"].clone();

    ada.edits(&sent, "Ours").await.refused(403, "not_the_author");
    ada.edits(&notice, "Nothing happened").await.refused(403, "not_the_author");

    assert_eq!(ada.looks_at(&sent).await.expect(200)["body"], "Mine");
    assert_eq!(ada.sees(&group).await["head_seq"], head);
}

#[tokio::test]
async fn an_edit_is_bound_like_a_message() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let group = ada.opens_group_with([]).await;
    let sent = ada.says(&group, "Short").await;
    let path = format!("/conversations/{group}/messages/{}", id(&sent));

    ada.edits(&sent, "").await.refused_for("body");
    ada.edits(&sent, &"日".repeat(16_001)).await.refused_for("body");
    ada.patch(&path, json!({})).await.refused_with(422);
    ada.patch(&path, json!({"body": "@eve", "mentions": [eve.id]})).await.refused_for("mentions");
    ada.patch(&path, json!({"body": "x", "metadata": {"note": "x".repeat(4_096)}})).await.refused_for("metadata");
    ada.edits(&sent, &"日".repeat(16_000)).await.expect(200);

    assert_eq!(ada.sees(&group).await["head_seq"], 2);
}

#[tokio::test]
async fn an_edit_clears_what_it_names_with_null_and_leaves_what_it_does_not_name() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = json!({"body": "@bob", "metadata": {"colour": "red"}, "mentions": [bob.id], "mentions_all": true});
    let sent = ada.sends(&group, said).await.expect(201);
    let path = format!("/conversations/{group}/messages/{}", id(&sent));

    let twice = json!({"body": "@bob!", "mentions": [bob.id, bob.id]});
    let edited = ada.patch(&path, twice).await.expect(200);
    assert_eq!((&edited["metadata"], &edited["mentions"]), (&sent["metadata"], &json!([bob.id])));
    let nulls = json!({"body": "bob", "metadata": null, "mentions": null, "mentions_all": null});
    let cleared = ada.patch(&path, nulls).await.expect(200);

    assert_eq!((&cleared["metadata"], &cleared["mentions"]), (&Value::Null, &json!([])));
    assert_eq!(cleared["mentions_all"], false);
}

#[tokio::test]
async fn words_beside_a_file_can_be_taken_away_and_a_text_keeps_its_own() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let file = uploads(&ada, &group, "a.pdf", PDF).await.expect(201);
    let captioned = ada.sends(&group, json!({"body": "Read this", "attachment_ids": [id(&file)]})).await.expect(201);
    let text = ada.says(&group, "Words").await;
    let path = |message: &Value| format!("/conversations/{group}/messages/{}", id(message));

    ada.patch(&path(&text), json!({"body": null})).await.refused_for("body");
    let marked = ada.patch(&path(&text), json!({"metadata": {"colour": "red"}})).await.expect(200);
    assert_eq!((&marked["body"], &marked["metadata"]), (&json!("Words"), &json!({"colour": "red"})));
    let bare = ada.patch(&path(&captioned), json!({"body": null})).await.expect(200);

    assert_eq!((&bare["body"], &bare["attachments"][0]["id"]), (&Value::Null, &file["id"]));
    assert_eq!(edits(&ada, &bare).await["items"][0]["body"], "Read this");
}

#[tokio::test]
async fn who_is_mentioned_by_an_edit_counts_from_then_on() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    let sent = ada.sends(&group, json!({"body": "@bob", "mentions": [bob.id]})).await.expect(201);

    let path = format!("/conversations/{group}/messages/{}", id(&sent));
    let edited = ada.patch(&path, json!({"body": "@eve", "mentions": [eve.id]})).await.expect(200);

    assert_eq!(edited["mentions"], json!([eve.id]));
    assert_eq!((&bob.sees(&group).await["mentions"], &eve.sees(&group).await["mentions"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn what_is_deleted_for_everyone_leaves_a_tombstone_without_words_anywhere() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.sends(&group, json!({"body": "Secret", "metadata": {"more": "secret"}, "mentions": [bob.id]})).await;
    let sent = sent.expect(201);
    ada.edits(&sent, "Secret too").await.expect(200);
    let mut bobs = bob.socket().await;

    let reply = ada.deletes(&sent, "everyone").await;

    insta::assert_json_snapshot!("tombstone", reply.shape());
    let tombstone = reply.expect(200);
    let told = bobs.hears("message:deleted").await;
    assert_eq!((&told["data"], &told["seq"]), (&tombstone, &json!(3)));
    assert_eq!(bob.looks_at(&sent).await.expect(200), tombstone);
    assert_eq!(each(&edits(&bob, &sent).await, "body").iter().filter(|body| body.is_string()).count(), 0);
    let shown = [bob.sees(&group).await, bob.syncs(json!({})).await, json!(bob.history(&group).await)];
    assert!(!json!(shown).to_string().to_lowercase().contains("secret"), "{shown:#?}");
    assert_eq!((&shown[0]["unread"], &shown[0]["mentions"]), (&json!(0), &json!(0)));
    let mut db = server.database.connect().await;
    let kept: i64 = sqlx::query_scalar(
        "select (select count(*) from messages where messages::text ilike '%secret%')
              + (select count(*) from message_edits where message_edits::text ilike '%secret%')",
    )
    .fetch_one(&mut db)
    .await
    .expect("the tables are there");
    assert_eq!(kept, 0, "words of a tombstone stay in the database");
}

#[tokio::test]
async fn a_tombstone_stays_one() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Gone").await;
    let tombstone = ada.deletes(&sent, "everyone").await.expect(200);
    let mut bobs = bob.socket().await;

    ada.edits(&sent, "Back").await.refused(409, "message_deleted");
    assert_eq!(ada.deletes(&sent, "everyone").await.expect(200), tombstone);

    assert_eq!(ada.sees(&group).await["head_seq"], 2);
    bobs.heard_nothing_new_in(&group).await;
}

#[tokio::test]
async fn authors_and_a_groups_owner_and_admins_delete_for_everyone_and_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    ada.makes(&group, &bob, "admin").await.expect(200);
    let (hers, evils) = (ada.says(&group, "From the owner").await, eve.says(&group, "From a member").await);
    let third = eve.says(&group, "Another").await;
    let notice = ada.history(&group).await.remove(0);
    assert_eq!(notice["kind"], "system");

    eve.deletes(&hers, "everyone").await.refused(403, "insufficient_role");
    bob.deletes(&hers, "everyone").await.expect(200);
    ada.deletes(&evils, "everyone").await.expect(200);
    eve.deletes(&third, "everyone").await.expect(200);
    ada.deletes(&notice, "everyone").await.refused_with(403);

    let direct = ada.opens_direct_with(&bob).await;
    let said = ada.says(&direct, "Between us").await;
    bob.deletes(&said, "everyone").await.refused_with(403);
    assert_eq!(ada.looks_at(&said).await.expect(200)["body"], "Between us");
}

#[tokio::test]
async fn what_is_deleted_for_me_is_gone_for_me_alone() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let first = bob.says(&group, "First").await;
    let second = bob.sends(&group, json!({"body": "Second", "mentions": [ada.id]})).await.expect(201);
    let other = ada.signs_in_again().await;
    let (mut others, mut bobs) = (other.socket().await, bob.socket().await);

    let path = format!("/conversations/{group}/messages/{}", id(&second));
    let answer = ada.delete(&path).await.expect(200);

    assert_eq!(id(&answer), id(&second));
    let hidden = json!({"conversation_id": group, "message_id": second["id"]});
    assert_eq!(others.hears("message:hidden").await["data"], hidden);
    others.hears_where("unread:changed", |event| event["data"]["unread"] == 1).await;
    bobs.heard_nothing_new_in(&group).await;
    let seen = ada.sees(&group).await;
    assert_eq!((&seen["unread"], &seen["mentions"], &seen["last_message"]["id"]), (&json!(1), &json!(0), &first["id"]));
    assert_eq!(
        (ada.words(&group).await, bob.words(&group).await),
        (vec!["First".into()], vec!["First".into(), "Second".into()])
    );
    assert_eq!(seen["head_seq"], 2);
    assert_eq!(ada.syncs(json!({})).await["own"]["hidden"], json!([hidden]));
    ada.deletes(&second, "me").await.expect(200);
    others.heard_nothing_of("message:hidden").await;
}

#[tokio::test]
async fn what_one_said_is_taken_back_although_one_sees_it_no_more() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (direct, group) = (ada.opens_direct_with(&bob).await, ada.opens_group_with([&bob]).await);
    let (cleared, theirs) = (ada.says(&direct, "Cleared").await, bob.says(&direct, "Theirs").await);
    let (hidden, abuse) = (ada.says(&group, "Hidden").await, bob.says(&group, "Abuse").await);

    for message in [&hidden, &abuse] {
        ada.deletes(message, "me").await.expect(200);
        ada.deletes(message, "everyone").await.expect(200);
    }
    ada.delete(&format!("/conversations/{direct}")).await.expect(204);
    ada.deletes(&cleared, "everyone").await.expect(200);
    ada.deletes(&theirs, "everyone").await.refused(404, "not_found");

    assert_eq!(bob.words(&group).await, ["(deleted)", "(deleted)"]);
    assert_eq!(bob.words(&direct).await, ["(deleted)", "Theirs"]);
    ada.looks_at(&cleared).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_deletion_names_for_whom() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let sent = ada.says(&group, "Hello").await;

    ada.deletes(&sent, "nobody").await.refused_with(400);

    ada.looks_at(&sent).await.expect(200);
    let unknown = crate::harness::with(sent, json!({"id": crate::harness::new_id()}));
    ada.deletes(&unknown, "me").await.refused(404, "not_found");
    ada.edits(&unknown, "x").await.refused(404, "not_found");
}

#[tokio::test]
async fn editing_and_deleting_at_once_ends_in_a_tombstone_that_all_agree_on() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;

    for round in 0..10 {
        let sent = ada.says(&group, "Original").await;
        let (first, deleted, second) =
            join3(ada.edits(&sent, "Edited"), ada.deletes(&sent, "everyone"), ada.edits(&sent, "Edited more")).await;

        deleted.expect(200);
        for edit in [first, second] {
            assert!(matches!(edit.status, 200 | 409), "{edit}");
        }
        let told = bobs.hears("message:deleted").await;
        let now = bob.looks_at(&sent).await.expect(200);
        assert_eq!(now["body"], Value::Null, "round {round}");
        assert_eq!(told["data"], now, "what was told is what stays");
        assert_eq!(bob.sees(&group).await["head_seq"].as_i64(), Some(seq(&told)), "nothing comes after a deletion");
    }
}

#[tokio::test]
async fn versions_come_in_pages_with_editor_and_time() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let sent = ada.says(&group, "0").await;
    for number in 1..=5 {
        ada.edits(&sent, &number.to_string()).await.expect(200);
    }

    let path = format!("/conversations/{group}/messages/{}/edits", id(&sent));
    let first = ada.get(&format!("{path}?limit=3")).await.expect(200);
    assert_eq!(each(&first, "body"), ["0", "1", "2"]);
    assert_eq!(each(&first, "editor_id"), [ada.id.as_str(); 3]);
    let cursor = first["next_cursor"].as_str().expect("there are more");
    let second = ada.get(&format!("{path}?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!((each(&second, "body"), &second["next_cursor"]), (vec![&json!("3"), &json!("4")], &Value::Null));
    ada.get(&format!("{path}?cursor=x")).await.refused(400, "bad_request");
    ada.get(&format!("{path}?limit=101")).await.refused_for("limit");
}

#[tokio::test]
async fn a_reply_to_a_deleted_message_says_so_and_shows_nothing_of_it() {
    let server = TestServer::start().await;
    let [ada, bob, late] = server.people(["ada", "bob", "late"]).await;
    let group = ada.opens_group([&bob], json!({"history_for_new_members": "from_joining"})).await;
    let asked = ada.says(&group, "Secret?").await;
    let answered = bob.sends(&group, json!({"body": "Yes", "reply_to": asked["id"]})).await.expect(201);
    assert_eq!(
        (&answered["reply_to"]["preview"], &answered["reply_to"]["deleted_at"]),
        (&json!("Secret?"), &Value::Null)
    );
    ada.adds(&group, [&late]).await.expect(201);
    let (mut bobs, mut lates) = (bob.socket().await, late.socket().await);

    let tombstone = ada.deletes(&asked, "everyone").await.expect(200);
    let again = bob.sends(&group, json!({"body": "What was it?", "reply_to": asked["id"]})).await.expect(201);

    let gone = json!({"id": asked["id"], "seq": 1, "sender_id": ada.id, "kind": "text", "preview": null,
        "deleted_at": tombstone["deleted_at"]});
    assert_eq!((&again["reply_to"], &bobs.hears("message:new").await["data"]["reply_to"]), (&gone, &gone));
    assert_eq!(bob.looks_at(&answered).await.expect(200)["reply_to"], gone);
    assert_eq!(bob.sees(&group).await["last_message"]["reply_to"], gone);
    let unseen = crate::harness::with(gone, json!({"deleted_at": null}));
    assert_eq!(lates.hears("message:new").await["data"]["reply_to"], unseen, "it was never theirs to see");
    assert_eq!(late.looks_at(&again).await.expect(200)["reply_to"], unseen);
}
