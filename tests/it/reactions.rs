//! Reactions: any emoji, each once per person, counted for all who see the message.

use futures_util::future::{join_all, join3};
use serde_json::{Value, json};

use crate::harness::{
    client::encoded,
    crowd::{Crowd, Member},
    each, id,
    person::Person,
    seq,
    server::TestServer,
    token::host_server,
};

fn kinds(message: &Value) -> Vec<(String, i64)> {
    let reactions = message["reactions"].as_array().expect("a message has reactions").iter();
    reactions
        .map(|reaction| {
            (reaction["emoji"].as_str().expect("text").into(), reaction["count"].as_i64().expect("a number"))
        })
        .collect()
}

async fn head(person: &Person, conversation: &str) -> i64 {
    person.sees(conversation).await["head_seq"].as_i64().expect("a number")
}

#[tokio::test]
async fn a_reaction_is_counted_in_the_message_and_heard_by_every_member_and_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Hello").await;
    let (mut adas, mut bobs, mut eves) = (ada.socket().await, bob.socket().await, eve.socket().await);

    let reply = bob.reacts(&sent, "👍").await;

    insta::assert_json_snapshot!("reacted", reply.shape());
    let reactions = json!([{"emoji": "👍", "count": 1, "user_ids": [bob.id]}]);
    let wanted = json!({"type": "reaction:added", "conversation_id": group, "seq": 2,
        "data": {"message_id": sent["id"], "user_id": bob.id, "emoji": "👍", "reactions": reactions}});
    for socket in [&mut adas, &mut bobs] {
        assert_eq!(socket.hears("reaction:added").await, wanted);
    }
    let seen = ada.looks_at(&sent).await.expect(200);
    assert_eq!((&seen["reactions"], &seen["changed_seq"], &seen["edited_at"]), (&reactions, &json!(2), &Value::Null));
    assert_eq!(ada.history(&group).await, std::slice::from_ref(&seen));
    assert_eq!(ada.sees(&group).await["last_message"], seen);
    assert_eq!(ada.sees(&group).await["unread"], 0, "a reaction is not a message");

    bob.takes_back(&sent, "👍").await.expect(204);

    let back = bob.looks_at(&sent).await.expect(200);
    assert_eq!((&back["reactions"], &back["changed_seq"]), (&json!([]), &json!(3)));
    let told = adas.hears("reaction:removed").await;
    let nothing = json!({"message_id": sent["id"], "user_id": bob.id, "emoji": "👍", "reactions": []});
    assert_eq!((&told["data"], &told["seq"]), (&nothing, &json!(3)));
    eves.heard_nothing_in(&group).await;
    bob.reacts(&sent, "🎉").await.expect(200);
    eve.reacts(&sent, "🎉").await.refused(404, "not_found");
    eve.takes_back(&sent, "🎉").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_socket_reacts_as_rest_does() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);
    let sent = ada.says(&direct, "Hello").await;
    adas.hears("message:new").await;
    let wish = |emoji: &str| json!({"conversation_id": direct, "message_id": sent["id"], "emoji": emoji});

    let ack = bobs.sends("reaction:add", wish("❤")).await;
    let told = adas.hears("reaction:added").await["data"].take();
    assert_eq!(ack, json!({"message_id": sent["id"], "reactions": told["reactions"]}));
    assert_eq!(ack["reactions"], json!([{"emoji": "❤️", "count": 1, "user_ids": [bob.id]}]));
    let ack = bobs.sends("reaction:remove", wish("❤️")).await;
    assert_eq!(ack, json!({"message_id": sent["id"], "reactions": []}));
    adas.hears("reaction:removed").await;

    assert_eq!(bobs.is_refused("reaction:add", wish("heart")).await["code"], "validation_failed");
    let nowhere = json!({"conversation_id": crate::harness::new_id(), "message_id": sent["id"], "emoji": "❤"});
    assert_eq!(bobs.is_refused("reaction:add", nowhere).await["code"], "not_found");
    bobs.is_refused("reaction:remove", json!({"conversation_id": direct, "message_id": sent["id"]})).await;
    adas.heard_nothing_new_in(&direct).await;
}

#[tokio::test]
async fn what_changes_nothing_takes_no_seq_and_tells_nobody() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Hello").await;
    let first = bob.reacts(&sent, "❤️").await.expect(200);
    let mut adas = ada.socket().await;

    assert_eq!(bob.reacts(&sent, "❤️").await.expect(200), first);
    assert_eq!(bob.reacts(&sent, "❤").await.expect(200), first, "with or without a variation selector");
    bob.takes_back(&sent, "👍").await.expect(204);
    ada.takes_back(&sent, "❤️").await.expect(204);
    assert_eq!(bob.looks_at(&sent).await.expect(200), first, "only one's own is taken back");

    assert_eq!(head(&ada, &group).await, 2);
    adas.heard_nothing_new_in(&group).await;
}

#[tokio::test]
async fn any_emoji_is_a_reaction_and_nothing_else_is() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let sent = ada.says(&group, "Hello").await;

    let all = ["👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇪🇺", "#️⃣", "*️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "©️"];
    for emoji in all {
        ada.reacts(&sent, emoji).await.expect(200);
    }
    for none in ["a", "1", "👍👍", "👍a", "🏽", "%", "+1", ":heart:", "\u{fe0f}", " "] {
        ada.reacts(&sent, none).await.refused_for("emoji");
        ada.takes_back(&sent, none).await.refused_for("emoji");
    }

    let seen = ada.looks_at(&sent).await.expect(200);
    assert_eq!(each(&seen["reactions"], "emoji"), all);
    assert_eq!(head(&ada, &group).await, 9);
}

#[tokio::test]
async fn a_message_has_up_to_twenty_kinds() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let sent = ada.says(&group, "Hello").await;
    let animals: Vec<_> = "🐶🐱🐭🐹🐰🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧🐦🐤🦆🦅".chars().map(String::from).collect();
    for animal in &animals[..20] {
        ada.reacts(&sent, animal).await.expect(200);
    }

    ada.reacts(&sent, &animals[20]).await.refused(409, "limit_reached");
    assert_eq!(head(&ada, &group).await, 21, "what is refused takes no seq");
    ada.reacts(&sent, &animals[3]).await.expect(200);
    ada.takes_back(&sent, &animals[3]).await.expect(204);
    ada.reacts(&sent, &animals[20]).await.expect(200);
}

#[tokio::test]
async fn the_first_fifty_people_of_each_kind_are_named() {
    let server = host_server().await;
    let ada = server.person("ada").await;
    let Crowd { group, people } = Crowd::around(&ada, &server, 52).await;
    let sent = ada.says(&group, "Hello").await;
    let path = format!("/conversations/{group}/messages/{}/reactions/{}", id(&sent), encoded("🦊"));
    for member in &people {
        member.client.put(&path, json!({})).await.expect(200);
    }
    let named = |people: &[Member]| people.iter().map(|member| json!(member.id)).collect::<Vec<_>>();

    let seen = ada.looks_at(&sent).await.expect(200);
    assert_eq!(seen["reactions"], json!([{"emoji": "🦊", "count": 52, "user_ids": named(&people[..50])}]));
    people[0].client.delete(&path).await.expect(204);
    let fewer = ada.looks_at(&sent).await.expect(200);
    assert_eq!(fewer["reactions"], json!([{"emoji": "🦊", "count": 51, "user_ids": named(&people[1..51])}]));
}

#[tokio::test]
async fn a_tombstone_has_no_reactions_and_takes_none() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Hello").await;
    bob.reacts(&sent, "👍").await.expect(200);

    let tombstone = ada.deletes(&sent, "everyone").await.expect(200);

    assert_eq!(tombstone["reactions"], json!([]));
    bob.reacts(&sent, "👍").await.refused(409, "message_deleted");
    bob.takes_back(&sent, "👍").await.refused(409, "message_deleted");
    assert_eq!(head(&ada, &group).await, 3);
    let kept: i64 = sqlx::query_scalar("select count(*) from reactions")
        .fetch_one(&mut server.database.connect().await)
        .await
        .expect("the table is there");
    assert_eq!(kept, 0, "what people thought of it is gone too");
}

#[tokio::test]
async fn nobody_reacts_to_what_they_may_not_see_nor_hears_of_it() {
    let server = TestServer::start().await;
    let [ada, bob, late] = server.people(["ada", "bob", "late"]).await;
    let group = ada.opens_group([&bob], json!({"history_for_new_members": "from_joining"})).await;
    let sent = ada.says(&group, "Before").await;
    ada.adds(&group, [&late]).await.expect(201);
    let mut lates = late.socket().await;

    late.reacts(&sent, "👍").await.refused(404, "not_found");
    bob.reacts(&sent, "👍").await.expect(200);
    lates.heard_nothing_where("a reaction to what was before", |frame| frame["type"] == "reaction:added").await;
    bob.deletes(&sent, "me").await.expect(200);
    bob.takes_back(&sent, "👍").await.refused(404, "not_found");
    bob.removes(&group, &bob).await.expect(204);
    bob.reacts(&sent, "👍").await.refused(404, "not_found");

    let after = ada.says(&group, "After").await;
    ada.reacts(&after, "👍").await.expect(200);
    lates.hears("reaction:added").await;
    assert_eq!(kinds(&ada.looks_at(&sent).await.expect(200)), [("👍".into(), 1)], "who left has still reacted");
}

#[tokio::test]
async fn nobody_reaches_across_a_block_by_reacting_or_editing() {
    let server = TestServer::start().await;
    let [ada, eve] = server.people(["ada", "eve"]).await;
    let (direct, group) = (ada.opens_direct_with(&eve).await, ada.opens_group_with([&eve]).await);
    let (hers, evils) = (ada.says(&direct, "Hello").await, eve.says(&direct, "Hello?").await);
    let together = ada.says(&group, "Hello, all").await;
    eve.reacts(&hers, "👍").await.expect(200);
    ada.blocks(&eve).await.expect(200);
    let mut adas = ada.socket().await;

    eve.reacts(&hers, "😡").await.refused(403, "not_allowed");
    ada.reacts(&evils, "😡").await.refused(403, "not_allowed");
    eve.edits(&evils, "Hello!!").await.refused(403, "not_allowed");
    adas.heard_nothing_new_in(&direct).await;
    eve.takes_back(&hers, "👍").await.expect(204);
    eve.reacts(&together, "👍").await.expect(200);
    adas.hears_where("reaction:added", |event| event["conversation_id"] == group.as_str()).await;
}

#[tokio::test]
async fn everybody_reacting_at_once_is_counted_once_each() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let others = Person::all_register(&server.client, "person", 49).await;
    let ids: Vec<_> = others.iter().map(|person| &person.id).collect();
    let group = ada.post("/conversations", json!({"kind": "group", "participant_ids": ids})).await.expect(201);
    let group = id(&group).to_owned();
    let sent = ada.says(&group, "All together!").await;
    let mut socket = ada.socket().await;

    let everybody: Vec<_> = std::iter::once(&ada).chain(&others).collect();
    let replies = join_all(everybody.iter().map(|person| person.reacts(&sent, "🎉"))).await;

    let mut places: Vec<_> = replies.into_iter().map(|reply| reply.expect(200)["changed_seq"].clone()).collect();
    places.sort_unstable_by_key(Value::as_i64);
    assert_eq!(places, (2..=51).map(Value::from).collect::<Vec<_>>(), "each has its own place in the log");
    for place in 2..=51 {
        let told = socket.hears("reaction:added").await;
        assert_eq!((seq(&told), &told["data"]["reactions"][0]["count"]), (place, &json!(place - 1)));
    }
    assert_eq!(kinds(&ada.looks_at(&sent).await.expect(200)), [("🎉".into(), 50)]);
}

#[tokio::test]
async fn two_devices_that_add_and_remove_at_once_end_where_the_log_says() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let sent = ada.says(&group, "Hello").await;
    let other = ada.signs_in_again().await;
    let mut bobs = bob.socket().await;

    for round in 0..10 {
        let (one, back, two) =
            join3(ada.reacts(&sent, "👍"), other.takes_back(&sent, "👍"), other.reacts(&sent, "👍")).await;
        for (reply, status) in [(one, 200), (back, 204), (two, 200)] {
            reply.expect(status);
        }

        let seen = bob.looks_at(&sent).await.expect(200);
        let mut reactions = json!([]);
        let mut heard = 0;
        for told in bobs.drains().await {
            if ["reaction:added", "reaction:removed"].iter().any(|kind| told["type"] == **kind) {
                (reactions, heard) = (told["data"]["reactions"].clone(), seq(&told));
            }
        }
        assert_eq!(
            (&reactions, heard),
            (&seen["reactions"], seq(&json!({"seq": seen["changed_seq"]}))),
            "round {round}"
        );
        ada.takes_back(&sent, "👍").await.expect(204);
        bobs.drains().await;
    }
}

#[tokio::test]
async fn reacting_and_deleting_at_once_ends_in_a_bare_tombstone() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;

    for round in 0..10 {
        let sent = ada.says(&group, "Hello").await;
        let (one, deleted, other) =
            join3(bob.reacts(&sent, "👍"), ada.deletes(&sent, "everyone"), ada.reacts(&sent, "🎉")).await;

        deleted.expect(200);
        for reply in [one, other] {
            assert!(matches!(reply.status, 200 | 409), "{reply}");
        }
        let told = bobs.hears("message:deleted").await;
        let seen = bob.looks_at(&sent).await.expect(200);
        assert_eq!((&seen, &seen["reactions"]), (&told["data"], &json!([])), "round {round}");
        assert_eq!(head(&bob, &group).await, seq(&told), "nothing comes after a deletion");
    }
}

#[tokio::test]
async fn reactions_at_both_nodes_are_heard_at_both_in_one_order_and_told_again_by_a_sync() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let bob = bob.at(&south);
    let direct = ada.opens_direct_with(&bob).await;
    let sent = ada.says(&direct, "Hello").await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    let emoji = ["👍", "🎉", "❤️", "😀", "🐢"];
    let (from_ada, from_bob) = tokio::join!(
        join_all(emoji.map(|emoji| ada.reacts(&sent, emoji))),
        join_all(emoji.map(|emoji| bob.reacts(&sent, emoji))),
    );

    assert!(from_ada.iter().chain(&from_bob).all(|reply| reply.status == 200));
    let seen = ada.looks_at(&sent).await.expect(200);
    for socket in [&mut adas, &mut bobs] {
        for place in 2..=11 {
            let told = socket.hears("reaction:added").await;
            assert_eq!(seq(&told), place);
            if place == 11 {
                assert_eq!(told["data"]["reactions"], seen["reactions"]);
            }
        }
    }
    let missed = bob.syncs(json!({"cursors": {&direct: 10}})).await;
    assert_eq!(missed["conversations"][0]["messages"][0]["reactions"], seen["reactions"]);
}
