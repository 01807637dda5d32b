//! Pins: what a conversation keeps in sight, by those who may, and for those who may see it.

use futures_util::future::{join_all, join3};
use serde_json::{Value, json};

use crate::harness::{each, id, person::Person, reply::Reply, seq, server::TestServer};

async fn pins(person: &Person, conversation: &str) -> Value {
    person.get(&format!("/conversations/{conversation}/pins")).await.expect(200)
}

async fn head(person: &Person, conversation: &str) -> i64 {
    person.sees(conversation).await["head_seq"].as_i64().expect("a number")
}

#[tokio::test]
async fn a_pin_is_heard_by_every_member_and_nobody_else_and_the_newest_comes_first() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (first, second) = (ada.says(&group, "First").await, ada.says(&group, "Second").await);
    let (mut bobs, mut eves) = (bob.socket().await, eve.socket().await);

    ada.pins(&second).await.expect(200);
    let pinned = ada.pins(&first).await;
    insta::assert_json_snapshot!("pinned", pinned.shape());

    bobs.hears("message:pinned").await;
    let told = bobs.hears("message:pinned").await;
    let pinned = pinned.expect(200);
    assert_eq!((&told["data"], seq(&told)), (&pinned, 4));
    assert_eq!(pinned["pinned_by"], ada.id);
    assert_eq!(
        pins(&bob, &group).await,
        json!({"items": [pinned, ada.looks_at(&second).await.body], "next_cursor": null})
    );

    ada.unpins(&first).await.expect(204);

    let unpinned = ada.looks_at(&first).await.expect(200);
    let told = bobs.hears("message:unpinned").await;
    assert_eq!((&told["data"], seq(&told)), (&unpinned, 5));
    assert_eq!((&unpinned["pinned_at"], &unpinned["pinned_by"]), (&Value::Null, &Value::Null));
    assert_eq!(each(&pins(&bob, &group).await, "body"), ["Second"]);
    eves.heard_nothing_in(&group).await;
    eve.pins(&first).await.refused(404, "not_found");
    eve.unpins(&second).await.refused(404, "not_found");
    eve.get(&format!("/conversations/{group}/pins")).await.refused(404, "not_found");
}

#[tokio::test]
async fn what_changes_nothing_takes_no_seq_and_tells_nobody() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.makes(&group, &bob, "admin").await.expect(200);
    let (sent, other) = (ada.says(&group, "Hello").await, ada.says(&group, "Bye").await);
    let pinned = ada.pins(&sent).await.expect(200);
    let (mut bobs, before) = (bob.socket().await, head(&ada, &group).await);

    assert_eq!(bob.pins(&sent).await.expect(200), pinned, "it stays pinned by who pinned it first");
    bob.unpins(&other).await.expect(204);
    assert_eq!(bob.looks_at(&other).await.expect(200)["changed_seq"], other["changed_seq"]);

    assert_eq!(head(&ada, &group).await, before);
    bobs.heard_nothing_new_in(&group).await;
}

#[tokio::test]
async fn owners_and_admins_pin_members_where_the_group_says_so_and_both_in_a_direct_conversation() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    ada.makes(&group, &bob, "admin").await.expect(200);
    let sent = carol.says(&group, "Mine").await;

    carol.pins(&sent).await.refused(403, "insufficient_role");
    bob.pins(&sent).await.expect(200);
    carol.unpins(&sent).await.refused(403, "insufficient_role");
    ada.patch(&format!("/conversations/{group}"), json!({"members_may_pin": true})).await.expect(200);
    carol.unpins(&sent).await.expect(204);
    carol.pins(&sent).await.expect(200);

    let direct = ada.opens_direct_with(&bob).await;
    let said = ada.says(&direct, "Between us").await;
    bob.pins(&said).await.expect(200);
    ada.unpins(&said).await.expect(204);
    ada.blocks(&bob).await.expect(200);
    bob.pins(&said).await.refused(403, "not_allowed");
    assert_eq!(pins(&ada, &direct).await["items"], json!([]));
}

#[tokio::test]
async fn a_deletion_unpins_and_a_tombstone_is_not_pinned() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Hello").await;
    ada.pins(&sent).await.expect(200);

    let tombstone = ada.deletes(&sent, "everyone").await.expect(200);

    assert_eq!(tombstone["pinned_at"], Value::Null);
    assert_eq!(pins(&bob, &group).await["items"], json!([]));
    ada.pins(&sent).await.refused(409, "message_deleted");
    assert_eq!(head(&ada, &group).await, 3);
}

#[tokio::test]
async fn only_what_one_may_see_is_among_ones_pins() {
    let server = TestServer::start().await;
    let [ada, bob, late] = server.people(["ada", "bob", "late"]).await;
    let group =
        ada.opens_group([&bob], json!({"history_for_new_members": "from_joining", "members_may_pin": true})).await;
    let before = ada.says(&group, "Before").await;
    ada.pins(&before).await.expect(200);
    ada.adds(&group, [&late]).await.expect(201);
    let after = ada.sends(&group, json!({"body": "After", "reply_to": before["id"]})).await.expect(201);
    let mut lates = late.socket().await;

    late.pins(&before).await.refused(404, "not_found");
    ada.unpins(&before).await.expect(204);
    ada.pins(&before).await.expect(200);
    ada.pins(&after).await.expect(200);

    let told = lates.hears("message:pinned").await;
    assert_eq!((id(&told["data"]), &told["data"]["reply_to"]["preview"]), (id(&after), &Value::Null));
    lates.heard_nothing_of("message:unpinned").await;
    let seen = pins(&late, &group).await;
    assert_eq!((each(&seen, "body"), &seen["items"][0]["reply_to"]["preview"]), (vec![&json!("After")], &Value::Null));
    bob.deletes(&after, "me").await.expect(200);
    assert_eq!(each(&pins(&bob, &group).await, "body"), ["Before"]);
    assert_eq!(each(&pins(&ada, &group).await, "body"), ["After", "Before"]);
}

#[tokio::test]
async fn what_a_message_quotes_does_not_depend_on_who_changes_it() {
    let server = TestServer::start().await;
    let [ada, late] = server.people(["ada", "late"]).await;
    let group = ada.opens_group([], json!({"history_for_new_members": "from_joining"})).await;
    let before = ada.says(&group, "Before").await;
    ada.adds(&group, [&late]).await.expect(201);
    ada.makes(&group, &late, "admin").await.expect(200);
    let after = ada.sends(&group, json!({"body": "After", "reply_to": before["id"]})).await.expect(201);
    let (mut adas, mut lates) = (ada.socket().await, late.socket().await);

    let pinned = late.pins(&after).await.expect(200);
    late.unpins(&after).await.expect(204);
    late.pins(&after).await.expect(200);
    let buried = late.deletes(&after, "everyone").await.expect(200);

    for answer in [&pinned, &buried] {
        assert_eq!(answer["reply_to"]["preview"], Value::Null);
    }
    let tombstone = ada.looks_at(&after).await.expect(200);
    for (event, now) in [
        ("message:pinned", &after),
        ("message:unpinned", &after),
        ("message:pinned", &after),
        ("message:deleted", &tombstone),
    ] {
        assert_eq!(adas.hears(event).await["data"]["reply_to"], now["reply_to"], "{event}");
        assert_eq!(lates.hears(event).await["data"]["reply_to"]["preview"], Value::Null, "{event}");
    }
    assert_eq!(after["reply_to"]["preview"], "Before");
}

#[tokio::test]
async fn a_conversation_has_up_to_fifty_pins_in_pages() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut sent = Vec::new();
    for number in 0..51 {
        sent.push(ada.says(&group, &number.to_string()).await);
    }
    for message in &sent[..50] {
        ada.pins(message).await.expect(200);
    }

    ada.pins(&sent[50]).await.refused(409, "limit_reached");
    ada.pins(&sent[7]).await.expect(200);
    assert_eq!(head(&ada, &group).await, 101);
    ada.unpins(&sent[7]).await.expect(204);
    ada.pins(&sent[50]).await.expect(200);

    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ada.get(&format!("/conversations/{group}/pins?limit=20{cursor}")).await.expect(200);
        found.extend(each(&page, "body").into_iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let wanted = (0..51).rev().filter(|number| *number != 7).map(|number| json!(number.to_string()));
    assert_eq!(found, wanted.collect::<Vec<_>>());
    ada.get(&format!("/conversations/{group}/pins?limit=0")).await.refused_for("limit");
    ada.get(&format!("/conversations/{group}/pins?cursor=x")).await.refused(400, "bad_request");
}

#[tokio::test]
async fn two_who_pin_the_last_place_at_once_do_not_both_get_it() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    for number in 0..49 {
        ada.pins(&ada.says(&direct, &number.to_string()).await).await.expect(200);
    }
    let (one, other) = (ada.says(&direct, "One").await, bob.says(&direct, "Other").await);

    let replies = join_all([ada.pins(&one), bob.pins(&other)]).await;

    let mut statuses: Vec<_> = replies.iter().map(|reply: &Reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(pins(&ada, &direct).await["items"].as_array().expect("a list").len(), 50);
}

#[tokio::test]
async fn pinning_and_deleting_at_once_ends_in_a_tombstone_that_is_not_pinned() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut bobs = bob.socket().await;

    for round in 0..10 {
        let sent = ada.says(&direct, "Hello").await;
        let (pinned, deleted, again) = join3(bob.pins(&sent), ada.deletes(&sent, "everyone"), ada.pins(&sent)).await;

        deleted.expect(200);
        for reply in [pinned, again] {
            assert!(matches!(reply.status, 200 | 409), "{reply}");
        }
        let told = bobs.hears("message:deleted").await;
        assert_eq!(bob.looks_at(&sent).await.expect(200), told["data"], "round {round}");
        assert_eq!((told["data"]["pinned_at"].clone(), head(&bob, &direct).await), (Value::Null, seq(&told)));
    }
    assert_eq!(pins(&ada, &direct).await["items"], json!([]));
}

#[tokio::test]
async fn a_pin_at_one_node_is_heard_at_the_other_and_found_by_a_sync() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let sent = ada.says(&direct, "Hello").await;
    let bob = bob.at(&south);
    let mut bobs = bob.socket().await;

    let pinned = ada.pins(&sent).await.expect(200);

    assert_eq!(bobs.hears("message:pinned").await["data"], pinned);
    let missed = bob.syncs(json!({"cursors": {&direct: 1}})).await;
    assert_eq!(missed["conversations"][0]["messages"], json!([pinned]));
    bob.unpins(&sent).await.expect(204);
    let unpinned = bob.looks_at(&sent).await.expect(200);
    assert_eq!(bobs.hears("message:unpinned").await["data"], unpinned);
}
