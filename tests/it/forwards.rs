//! Forwards: copies that stay as they are, and tell nobody of a place that they may not see.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    client::perform, each, files::uploads, id, new_id, person::Person, reply::Reply, server::TestServer,
};

/// Forwards with a key, as who must not do it twice.
async fn forwards_once(person: &Person, message: &Value, targets: &[&str], key: &str) -> Reply {
    let conversation = message["conversation_id"].as_str().expect("a message has one");
    let path = format!("/conversations/{conversation}/messages/{}/forward", id(message));
    let request = person.ask(Method::POST, &path).header("Idempotency-Key", key);
    perform(request.json(&json!({"conversation_ids": targets}))).await
}

#[tokio::test]
async fn a_copy_goes_to_several_conversations_and_does_not_say_where_it_came_from() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let source = ada.opens_group_with([&bob]).await;
    let (direct, group) = (ada.opens_direct_with(&carol).await, ada.opens_group_with([&carol]).await);
    let question = ada.says(&source, "Where?").await;
    let place = json!({"latitude": 1.5, "longitude": 2.5, "label": "Here"});
    let wish = json!({"kind": "location", "body": "Look, Ada", "location": place, "metadata": {"zoom": 3},
        "mentions": [ada.id], "reply_to": question["id"]});
    let sent = bob.sends(&source, wish).await.expect(201);
    let (mut carols, mut bobs) = (carol.socket().await, bob.socket().await);

    let reply = ada.forwards(&sent, [&direct, &group, &direct]).await;

    insta::assert_json_snapshot!("forwarded", reply.shape());
    let items = reply.expect(201)["items"].take();
    assert_eq!(each(&items, "conversation_id"), [&direct, &group]);
    for (item, conversation) in items.as_array().expect("a list").iter().zip([&direct, &group]) {
        let copy = carols.hears_where("message:new", |event| event["conversation_id"] == conversation.as_str()).await;
        assert_eq!(copy["data"], item["message"]);
        let copy = &copy["data"];
        let origin = json!({"message_id": sent["id"], "sender_id": bob.id, "created_at": sent["created_at"]});
        assert_eq!((&copy["forwarded_from"], &copy["sender_id"]), (&origin, &json!(ada.id)));
        for same in ["kind", "body", "location", "metadata"] {
            assert_eq!(copy[same], sent[same], "{same}");
        }
        assert_eq!((&copy["mentions"], &copy["reply_to"]), (&json!([]), &Value::Null));
        assert_eq!(carol.sees(conversation).await["unread"], 1);
        assert!(
            !json!([carol.history(conversation).await, carol.syncs(json!({})).await]).to_string().contains(&source)
        );
    }
    bobs.heard_nothing_in(&direct).await;
    bobs.heard_nothing_new_in(&source).await;
}

#[tokio::test]
async fn only_in_its_own_conversation_a_copy_names_it_and_a_copy_of_a_copy_names_the_first() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (source, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([&bob]).await);
    let sent = bob.says(&source, "First").await;
    let copy_to = async |message: &Value, target: &str| {
        ada.forwards(message, [target]).await.expect(201)["items"][0]["message"].clone()
    };

    let here = copy_to(&sent, &source).await;
    let there = copy_to(&here, &other).await;
    let back = copy_to(&there, &source).await;

    let origin = json!({"message_id": sent["id"], "sender_id": bob.id, "created_at": sent["created_at"]});
    let named = crate::harness::with(origin.clone(), json!({"conversation_id": source}));
    assert_eq!(here["forwarded_from"], named);
    assert_eq!(copy_to(&here, &source).await["forwarded_from"], named);
    assert_eq!((&there["forwarded_from"], &back["forwarded_from"]), (&origin, &origin));
}

#[tokio::test]
async fn a_copy_stays_as_it_is_whatever_becomes_of_the_original() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (source, direct) = (ada.opens_group_with([]).await, ada.opens_direct_with(&bob).await);
    let sent = ada.says(&source, "As it was").await;
    let copy = ada.forwards(&sent, [&direct]).await.expect(201)["items"][0]["message"].clone();

    ada.edits(&sent, "Otherwise").await.expect(200);
    ada.deletes(&sent, "everyone").await.expect(200);
    ada.edits(&copy, "Mine now").await.refused(409, "forward_is_fixed");

    assert_eq!(bob.looks_at(&copy).await.expect(200)["body"], "As it was");
    ada.forwards(&sent, [&direct]).await.refused(409, "message_deleted");
    bob.reacts(&copy, "👍").await.expect(200);
    let tombstone = ada.deletes(&copy, "everyone").await.expect(200);
    assert_eq!(tombstone["body"], Value::Null);
    assert_eq!(bob.sees(&direct).await["head_seq"], 3);
}

#[tokio::test]
async fn what_one_conversation_refuses_the_others_take_and_each_says_so() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let source = ada.opens_group_with([&eve]).await;
    let (blocked, fine) = (ada.opens_direct_with(&bob).await, ada.opens_group_with([]).await);
    let (foreign, nowhere) = (eve.opens_group_with([]).await, new_id());
    bob.blocks(&ada).await.expect(200);
    let sent = ada.says(&source, "To all").await;

    let reply = ada.forwards(&sent, [&blocked, &foreign, &fine, &nowhere]).await;
    let request_id = reply.header("x-request-id").to_owned();
    let items = reply.expect(201)["items"].take();

    let outcome = |item: &Value| {
        (item["error"]["status"].clone(), item["error"]["code"].clone(), item["message"]["body"].clone())
    };
    let outcomes: Vec<_> = items.as_array().expect("a list").iter().map(outcome).collect();
    let refused = |status: u16, code: &str| (json!(status), json!(code), Value::Null);
    let taken = (Value::Null, Value::Null, json!("To all"));
    assert_eq!(outcomes, [refused(403, "not_allowed"), refused(404, "not_found"), taken, refused(404, "not_found")]);
    assert_eq!(items[0]["error"]["request_id"], request_id);
    assert_eq!(eve.words(&foreign).await, [] as [&str; 0]);

    ada.forwards(&sent, [&foreign]).await.refused(404, "not_found");
    ada.forwards(&sent, [&blocked, &foreign]).await.refused(403, "not_allowed");
}

#[tokio::test]
async fn a_retry_with_the_same_key_makes_no_second_copy() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (source, first, second) =
        (ada.opens_group_with([]).await, ada.opens_direct_with(&bob).await, ada.opens_group_with([&bob]).await);
    let sent = ada.says(&source, "Once").await;

    let once = forwards_once(&ada, &sent, &[&first, &second], "a key").await;
    let again = forwards_once(&ada, &sent, &[&first, &second], "a key").await;
    assert_eq!((once.status, &once.body), (201, &again.body));
    assert_eq!(again.status, 201, "it is the same answer");
    forwards_once(&ada, &sent, &[&first], "a key").await.refused(409, "idempotency_mismatch");

    // A node may have died after it sent and before it settled the key; meanwhile the original was edited.
    let abandon =
        "update idempotency_keys set status = null, receipt = null, created_at = created_at - interval '1 minute'";
    sqlx::query(abandon).execute(&mut server.database.connect().await).await.expect("the table is there");
    ada.edits(&sent, "Otherwise").await.expect(200);
    let found = forwards_once(&ada, &sent, &[&first, &second], "a key").await;
    assert_eq!(each(&found.expect(201)["items"], "message"), each(&once.body["items"], "message"));
    assert_eq!((bob.words(&first).await, bob.words(&second).await), (vec!["Once".to_owned()], vec!["Once".to_owned()]));

    forwards_once(&ada, &sent, &[&first], "another").await.expect(201);
    ada.forwards(&sent, [&first]).await.expect(201);
    assert_eq!(bob.words(&first).await, ["Once", "Otherwise", "Otherwise"], "without a key each is a new one");
}

#[tokio::test]
async fn who_may_not_see_a_message_does_not_forward_it() {
    let server = TestServer::start().await;
    let [ada, late, eve] = server.people(["ada", "late", "eve"]).await;
    let source = ada.opens_group([], json!({"history_for_new_members": "from_joining"})).await;
    let sent = ada.says(&source, "Before").await;
    ada.adds(&source, [&late]).await.expect(201);
    let notice = ada.history(&source).await.pop().expect("the joining is noted");
    let (lates, evils) = (late.opens_group_with([]).await, eve.opens_group_with([]).await);

    late.forwards(&sent, [&lates]).await.refused(404, "not_found");
    eve.forwards(&sent, [&evils]).await.refused(404, "not_found");
    late.forwards(&notice, [&lates]).await.refused_for("kind");
    let after = ada.says(&source, "After").await;
    late.deletes(&after, "me").await.expect(200);
    late.forwards(&after, [&lates]).await.refused(404, "not_found");

    assert_eq!((late.words(&lates).await.len(), eve.words(&evils).await.len()), (0, 0));
}

#[tokio::test]
async fn a_forward_names_between_one_and_twenty_conversations() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let source = ada.opens_group_with([]).await;
    let sent = ada.says(&source, "To many").await;
    let targets = join_all((0..21).map(|_| ada.opens_group_with([]))).await;
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();

    forwards_once(&ada, &sent, &[], "none").await.refused_for("conversation_ids");
    forwards_once(&ada, &sent, &targets, "many").await.refused_for("conversation_ids");
    let items = forwards_once(&ada, &sent, &targets[1..], "twenty").await.expect(201)["items"].take();

    assert_eq!(each(&items, "conversation_id"), targets[1..]);
    assert!(each(&items, "error").iter().all(|error| error.is_null()), "{items:#}");
    let path = format!("/conversations/{source}/messages/{}/forward", id(&sent));
    ada.post(&path, json!({})).await.refused_with(422);
}

#[tokio::test]
async fn each_copy_counts_as_a_message_sent() {
    let server = TestServer::with(|settings| settings.messages_per_minute = 3).await;
    let ada = server.person("ada").await;
    let source = ada.opens_group_with([]).await;
    let targets = join_all((0..3).map(|_| ada.opens_group_with([]))).await;
    let sent = ada.says(&source, "One").await;

    let items = ada.forwards(&sent, [&targets[0], &targets[1], &targets[2]]).await.expect(201)["items"].take();

    let refused: Vec<_> = each(&items, "error").into_iter().filter(|error| !error.is_null()).collect();
    assert_eq!(refused.len(), 1, "{items:#}");
    assert_eq!((&refused[0]["code"], &refused[0]["retryable"]), (&json!("rate_limited"), &json!(true)));
}

#[tokio::test]
async fn a_copy_that_is_refused_takes_no_room() {
    let server = TestServer::with(|settings| {
        settings.messages_per_minute = 2;
        settings.storage_quota_bytes = 20;
    });
    let server = server.await;
    let ada = server.person("ada").await;
    let [source, one, other] = [(); 3].map(|()| ada.opens_group_with([]));
    let (source, one, other) = (source.await, one.await, other.await);
    let file = uploads(&ada, &source, "a.txt", b"five.").await.expect(201);
    let sent = ada.sends(&source, json!({"attachment_ids": [id(&file)]})).await.expect(201);
    ada.forwards(&sent, [&one]).await.expect(201);

    ada.forwards(&sent, [&other]).await.refused(429, "rate_limited");

    uploads(&ada, &source, "b.txt", b"ten bytes.").await.expect(201);
    uploads(&ada, &source, "c.txt", b"1").await.refused(409, "limit_reached");
}

#[tokio::test]
async fn a_copy_is_heard_at_the_other_node() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let (source, direct) = (ada.opens_group_with([]).await, ada.opens_direct_with(&bob).await);
    let sent = ada.says(&source, "Over there").await;
    let mut bobs = bob.at(&south).socket().await;

    let copy = ada.forwards(&sent, [&direct]).await.expect(201)["items"][0]["message"].clone();

    assert_eq!(bobs.hears("message:new").await["data"], copy);
}
