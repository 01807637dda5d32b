//! What concerns one person alone reaches their sockets at every node, in order and once, whatever is lost between the nodes.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::nodes::is_ready;
use crate::harness::{id, person::Person, seq, server::TestServer, socket::Socket};

#[tokio::test]
async fn what_one_does_alone_at_both_nodes_at_once_is_heard_at_both_in_one_order() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let ada_at_south = ada.at(&south);
    let (mut desk, mut phone, mut bobs) =
        (ada.socket().await, ada_at_south.socket().await, bob.at(&south).socket().await);

    join_all((0..40).map(async |n| {
        let device = if n % 2 == 0 { &ada } else { &ada_at_south };
        drafts(device, &direct, &format!("Draft {n}")).await;
    }))
    .await;

    for socket in [&mut desk, &mut phone] {
        let mut heard = Vec::new();
        while heard.len() < 40 {
            heard.push(own_seq(&socket.hears("preferences:updated").await));
        }
        assert_eq!(heard, (1..=40).collect::<Vec<_>>());
        socket.heard_nothing_of("sync:required").await;
    }
    bobs.heard_nothing_in(&direct).await;
}

#[tokio::test]
async fn each_kind_of_own_matter_that_was_lost_between_the_nodes_is_told_as_it_is_by_then() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob, carol] = north.people(["ada", "bob", "carol"]).await;
    let [direct, other] = [ada.opens_direct_with(&bob).await, ada.opens_direct_with(&carol).await];
    let [first, second] = [bob.says(&direct, "One").await, bob.says(&direct, "Two").await];
    carol.says(&other, "Hello").await;
    let (mut phone, mut bobs) = (ada.at(&south).socket().await, bob.at(&south).socket().await);
    ada.deletes(&first, "me").await.expect(200);
    assert_eq!(own_seq(&phone.hears("message:hidden").await), 1);

    north.redis().pause();
    is_ready(&north, "degraded").await;
    is_ready(&south, "degraded").await;
    drafts(&ada, &direct, "Dear").await;
    ada.deletes(&second, "me").await.expect(200);
    ada.blocks(&bob).await;
    ada.blocks(&carol).await;
    ada.delete(&format!("/blocks/{}", bob.id)).await.expect(204);
    ada.delete(&format!("/conversations/{other}")).await.expect(204);
    let preferences = drafts(&ada, &direct, "Dear Bob,").await;

    let heard = heard_up_to(&mut phone, 8).await;
    assert!(heard.is_sorted_by_key(own_seq), "{heard:#?}");
    let last = |kind: &str, is_it: &dyn Fn(&Value) -> bool| {
        let found = heard.iter().rfind(|event| event["type"] == kind && is_it(&event["data"]));
        own_seq(found.unwrap_or_else(|| panic!("no such `{kind}` in {heard:#?}")))
    };
    assert_eq!(last("message:hidden", &|data| data["message_id"] == id(&second)), 3);
    assert_eq!(last("block:added", &|data| data["user_id"] == carol.id), 5);
    assert_eq!(last("block:removed", &|data| data["user_id"] == bob.id), 6);
    assert_eq!(last("preferences:updated", &|data| data["conversation_id"] == other.as_str()), 7);
    assert_eq!(last("preferences:updated", &|data| data["preferences"] == preferences), 8);
    assert_eq!(phone.sends("ping", json!({})).await["own_seq"], 8);
    phone.heard_nothing_where("any of it again", |frame| frame["own_seq"].is_i64()).await;
    bobs.heard_nothing_where("any of it", |frame| {
        frame["own_seq"].is_i64() || frame["type"] == "preferences:updated" || frame["type"] == "block:added"
    })
    .await;
    north.redis().resume();
}

#[tokio::test]
async fn who_cleared_a_conversation_while_the_nodes_were_apart_hears_nothing_old_of_it() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let old = bob.says(&direct, "Old").await;
    let mut phone = ada.at(&south).socket().await;

    north.redis().pause();
    is_ready(&north, "degraded").await;
    ada.delete(&format!("/conversations/{direct}")).await.expect(204);
    phone.hears("preferences:updated").await;
    bob.edits(&old, "Old, and edited").await.expect(200);
    let new = bob.says(&direct, "New").await;

    assert_eq!(phone.hears("message:new").await["data"]["seq"], seq(&new));
    phone.heard_nothing_of("message:updated").await;
    north.redis().resume();
}

#[tokio::test]
async fn a_plan_that_was_changed_and_sent_while_the_nodes_were_apart_is_told_as_sent() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut phone = ada.at(&south).socket().await;

    north.redis().pause();
    is_ready(&north, "degraded").await;
    let soon = (north.clock.now() + chrono::Duration::seconds(1)).to_rfc3339();
    let plan = ada.sends(&direct, json!({"body": "Soon", "scheduled_for": soon})).await.expect(202);

    let sent = phone.hears_where("scheduled:sent", |event| own_seq(event) == 2).await;
    assert_eq!(sent["data"]["id"], plan["id"]);
    north.redis().resume();
}

#[tokio::test]
async fn a_client_can_tell_that_it_has_missed_nothing_of_its_own() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    drafts(&ada, &direct, "D").await;

    let mut phone = ada.at(&south).socket().await;
    assert_eq!(phone.ready["own_seq"], 1);
    assert_eq!(ada.syncs(json!({})).await["own_seq"], 1);
    assert_eq!(phone.sends("ping", json!({})).await["own_seq"], 1);
    drafts(&ada, &direct, "De").await;
    assert_eq!(own_seq(&phone.hears("preferences:updated").await), 2);

    assert_eq!(phone.sends("ping", json!({})).await["own_seq"], 2);
    assert_eq!(ada.socket().await.ready["own_seq"], 2);
    assert_eq!(bob.socket().await.ready["own_seq"], 0);
}

#[tokio::test]
async fn an_archive_that_a_message_opens_is_told_after_the_message() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    ada.patch(&format!("/conversations/{direct}/preferences"), json!({"archived": true})).await.expect(200);
    let mut phone = ada.at(&south).socket().await;

    bob.says(&direct, "Hello").await;

    phone.hears_any("about the conversation", |frame| frame["type"] == "message:new").await;
    let told = phone.hears("preferences:updated").await;
    assert_eq!((own_seq(&told), &told["data"]["preferences"]["archived_at"]), (2, &Value::Null));
}

/// Keeps a draft; answers with the preferences.
pub async fn drafts(person: &Person, conversation: &str, words: &str) -> Value {
    person.patch(&format!("/conversations/{conversation}/preferences"), json!({"draft": words})).await.expect(200)
}

/// All of one's own log that is heard, up to and with this entry.
async fn heard_up_to(socket: &mut Socket, last: i64) -> Vec<Value> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|event| own_seq(event) < last) {
        heard.push(socket.hears_any("of one's own log", |frame| frame["own_seq"].is_i64()).await);
    }
    heard
}

/// An event's place in its person's own log.
pub fn own_seq(event: &Value) -> i64 {
    event["own_seq"].as_i64().unwrap_or_else(|| panic!("it should be of one's own log: {event:#}"))
}
