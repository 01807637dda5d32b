//! Sending the same again, and many sending at once: everything is there once, in one order.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::harness::{each, id, new_id, person::Person, reply::Reply, seq, server::TestServer};

async fn sends_at_once(people: &[&Person], conversation: &str, message: &Value) -> Vec<Reply> {
    join_all(people.iter().map(|person| person.sends(conversation, message.clone()))).await
}

#[tokio::test]
async fn a_retry_is_answered_with_what_was_stored() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;
    let message = json!({"id": new_id(), "body": "Hello", "metadata": {"a": 1, "b": 2}, "mentions": [bob.id]});

    let first = ada.sends(&group, message.clone()).await.expect(201);
    let again = ada.sends(&group, message).await.expect(200);

    assert_eq!(first, again);
    assert_eq!(ada.sees(&group).await["head_seq"], 1);
    bobs.hears("message:new").await;
    bobs.heard_nothing_of("message:new").await;
}

#[tokio::test]
async fn the_order_of_fields_and_mentions_makes_no_other_message() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob, &eve]).await;
    let id = new_id();

    let one =
        json!({"id": id, "body": "Hello", "metadata": {"a": 1, "b": {"c": 2, "d": 3}}, "mentions": [bob.id, eve.id]});
    let other = format!(
        r#"{{"mentions": ["{}", "{}"], "metadata": {{"b": {{"d": 3, "c": 2}}, "a": 1}}, "body": "Hello", "id": "{id}",
            "kind": "text", "location": null}}"#,
        eve.id, bob.id
    );
    ada.sends(&group, one).await.expect(201);

    ada.sends(&group, serde_json::from_str(&other).expect("it is JSON")).await.expect(200);
}

#[tokio::test]
async fn anything_else_under_the_same_id_is_a_mismatch() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let answered = ada.says(&group, "A question").await;
    let id = new_id();
    let place = json!({"latitude": 1.0, "longitude": 2.0});
    let sent = ada.sends(&group, json!({"id": id, "body": "Hello"})).await.expect(201);

    for other in [
        json!({"body": "Hello!"}),
        json!({"body": "Hello", "metadata": {}}),
        json!({"body": "Hello", "mentions": [bob.id]}),
        json!({"body": "Hello", "reply_to": answered["id"]}),
        json!({"body": "Hello", "kind": "location", "location": place}),
    ] {
        let other = crate::harness::with(json!({"id": id}), other);
        ada.sends(&group, other).await.refused(409, "idempotency_mismatch");
    }
    bob.sends(&group, json!({"id": id, "body": "Hello"})).await.refused(409, "idempotency_mismatch");

    assert_eq!(ada.looks_at(&sent).await.expect(200), sent);
    assert_eq!(ada.sees(&group).await["head_seq"], 2);
}

#[tokio::test]
async fn a_retry_is_compared_with_what_was_first_sent_and_answered_with_what_is_now() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let message = json!({"id": new_id(), "body": "Hello"});
    let sent = ada.sends(&group, message.clone()).await.expect(201);
    ada.edits(&sent, "Goodbye").await.expect(200);

    let retried = ada.sends(&group, message.clone()).await.expect(200);
    assert_eq!((&retried["body"], &retried["changed_seq"]), (&json!("Goodbye"), &json!(2)));
    let edited = json!({"id": message["id"], "body": "Goodbye"});
    ada.sends(&group, edited).await.refused(409, "idempotency_mismatch");

    ada.deletes(&sent, "everyone").await.expect(200);
    let retried = ada.sends(&group, message).await.expect(200);
    assert_eq!((&retried["body"], retried["deleted_at"].is_string()), (&Value::Null, true));
}

#[tokio::test]
async fn a_refused_send_burns_neither_its_id_nor_a_seq() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([]).await;
    let id = new_id();

    ada.sends(&group, json!({"id": id, "body": "x", "mentions": [bob.id]})).await.refused_for("mentions");
    bob.sends(&group, json!({"id": id, "body": "Let me in"})).await.refused(404, "not_found");

    let sent = ada.sends(&group, json!({"id": id, "body": "Now"})).await.expect(201);
    assert_eq!(seq(&sent), 1);
}

#[tokio::test]
async fn fifty_identical_sends_at_once_make_one_message() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let message = json!({"id": new_id(), "body": "Once"});

    let replies = sends_at_once(&[&ada; 50], &group, &message).await;

    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1, "{replies:#?}");
    for reply in &replies {
        assert!(matches!(reply.status, 200 | 201), "{reply}");
        assert_eq!(reply.body, replies[0].body);
    }
    assert_eq!(bob.words(&group).await, ["Once"]);
    assert_eq!((&bob.sees(&group).await["head_seq"], &bob.sees(&group).await["unread"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_hundred_identical_sends_on_two_nodes_make_one_message() {
    let (north, south) = TestServer::pair().await;
    let ada = north.person("ada").await;
    let (here, there) = (ada.clone(), ada.at(&south));
    let group = ada.opens_group_with([]).await;
    let message = json!({"id": new_id(), "body": "Once"});

    let (mut replies, others) =
        join(sends_at_once(&[&here; 50], &group, &message), sends_at_once(&[&there; 50], &group, &message)).await;
    replies.extend(others);

    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1, "{replies:#?}");
    assert!(replies.iter().all(|reply| reply.body == replies[0].body), "{replies:#?}");
    assert_eq!(ada.words(&group).await, ["Once"]);
}

#[tokio::test]
async fn sixteen_writers_leave_no_hole_and_every_socket_hears_them_in_order() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut writers = Vec::new();
    for number in 0..16 {
        let writer = server.person(&format!("writer{number}")).await;
        ada.adds(&group, [&writer]).await.expect(201);
        writers.push(writer);
    }
    let start = ada.sees(&group).await["head_seq"].as_i64().expect("a number");
    let mut sockets = [ada.socket().await, writers[0].socket().await, writers[15].socket().await];

    let talk = writers.iter().map(async |writer| {
        let mut seqs = Vec::new();
        for number in 0..25 {
            seqs.push(seq(&writer.says(&group, &format!("{} {number}", writer.username)).await));
        }
        seqs
    });
    let talked = join_all(talk).await;

    for seqs in &talked {
        assert!(seqs.is_sorted(), "who waits for an answer talks in order: {seqs:?}");
    }
    let mut all: Vec<_> = talked.into_iter().flatten().collect();
    all.sort_unstable();
    let wanted: Vec<_> = (start + 1..=start + 400).collect();
    assert_eq!(all, wanted);
    for socket in &mut sockets {
        let mut heard = Vec::new();
        while heard.len() < 400 {
            heard.push(seq(&socket.hears("message:new").await));
        }
        assert_eq!(heard, wanted);
    }
}

#[tokio::test]
async fn many_conversations_are_written_at_once_without_getting_in_each_others_way() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let mut groups = Vec::new();
    for _ in 0..8 {
        groups.push(ada.opens_group_with([&bob]).await);
    }

    let talk = groups.iter().flat_map(|group| [(&ada, group), (&bob, group)]).map(async |(person, group)| {
        for number in 0..10 {
            person.says(group, &number.to_string()).await;
        }
    });
    join_all(talk).await;

    for group in &groups {
        let history = ada.history(group).await;
        assert_eq!(history.iter().map(seq).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_server_that_is_given_no_id_makes_one() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    let first = ada.sends(&group, json!({"body": "Hello"})).await.expect(201);
    let second = ada.sends(&group, json!({"body": "Hello", "id": null})).await.expect(201);

    assert_ne!(id(&first), id(&second));
    assert_eq!(each(&json!(ada.history(&group).await), "id"), [&first["id"], &second["id"]]);
}
