//! Two nodes that share a database and a Redis are one server to those who talk through them, also while Redis is away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    client::perform,
    person::Person,
    seq,
    server::TestServer,
    socket::{Socket, request},
    until,
};

/// In which a revoked session's sockets close, wherever they are.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn what_is_said_at_both_nodes_at_once_is_heard_at_both_in_one_order() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let bob = bob.at(&south);
    let group = ada.opens_group_with([&bob]).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.socket().await);

    let (from_ada, from_bob) = tokio::join!(
        join_all((0..20).map(|n| ada.sends(&group, json!({"body": format!("north {n}")})))),
        join_all((0..20).map(|n| bob.sends(&group, json!({"body": format!("south {n}")})))),
    );

    assert!(from_ada.iter().chain(&from_bob).all(|reply| reply.status == 201));
    for socket in [&mut adas, &mut bobs] {
        let mut heard = Vec::new();
        for _ in 0..40 {
            heard.push(seq(&socket.hears("message:new").await["data"]));
        }
        assert_eq!(heard, (1..=40).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn batches_of_two_nodes_that_overlap_never_deadlock() {
    let (north, south) = TestServer::pair().await;
    let people = north.people(["ada", "bob", "carol", "dave"]).await;
    let [ada, bob, carol, dave] = &people;
    let mut groups = Vec::new();
    for _ in 0..8 {
        groups.push(ada.opens_group_with([bob, carol, dave]).await);
    }

    let turns = (0..400).map(async |turn: usize| {
        let (person, node) = (&people[turn % 4], if turn < 200 { &north } else { &south });
        // In any order but the same one, so that batches come to hold what others want.
        let group = &groups[turn * 5 % 8];
        let reply = match turn % 5 {
            0 => person.at(node).post(&format!("/conversations/{group}/read"), json!({})).await,
            _ => person.at(node).sends(group, json!({"body": turn.to_string()})).await,
        };
        assert!(matches!(reply.status, 200 | 201), "{reply}");
    });
    join_all(turns).await;

    let mut heads = 0;
    for group in &groups {
        heads += ada.sees(group).await["head_seq"].as_i64().expect("a number");
    }
    assert_eq!(heads, 320);
    let database = Arc::clone(&north.database);
    // Connections hand in their counts when they end.
    north.stop().await;
    south.stop().await;
    let deadlocks: i64 =
        sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
            .fetch_one(&mut database.connect().await)
            .await
            .expect("it is counted");
    assert_eq!(deadlocks, 0);
}

#[tokio::test]
async fn one_id_sent_to_both_nodes_at_once_is_one_message() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let (direct, message) = (ada.opens_direct_with(&bob).await, json!({"id": uuid::Uuid::now_v7(), "body": "Once"}));
    let at_south = ada.at(&south);

    let (one, other) = tokio::join!(ada.sends(&direct, message.clone()), at_south.sends(&direct, message));

    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!((statuses, &one.body), ([200, 201], &other.body));
    assert_eq!(ada.words(&direct).await, ["Once"]);
}

#[tokio::test]
async fn whoever_is_added_at_one_node_hears_at_the_other_until_they_are_removed() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob, carol] = north.people(["ada", "bob", "carol"]).await;
    let (group, other) = (ada.opens_group_with([&carol]).await, ada.opens_group_with([&bob]).await);
    // Bob is the first at the south node to hear anything of the group.
    let mut bobs = bob.at(&south).socket().await;

    ada.says(&group, "Before").await;
    ada.adds(&group, [&bob]).await.expect(201);
    ada.says(&group, "Hello Bob").await;
    ada.removes(&group, &bob).await.expect(204);
    ada.says(&group, "Bob is gone").await;
    ada.says(&other, "The end").await;

    let heard = heard_until(&mut bobs, "The end").await;
    let of_the_group = heard.iter().filter(|event| event["conversation_id"] == group.as_str());
    let types: Vec<_> = of_the_group.map(|event| event["type"].as_str().expect("it has one")).collect();
    let expected = ["conversation:new", "participant:added", "message:new", "message:new", "conversation:removed"];
    assert_eq!(types, expected);
}

#[tokio::test]
async fn receipts_and_own_matters_reach_the_other_node() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut adas, mut bobs) = (ada.at(&south).socket().await, bob.at(&south).socket().await);
    ada.says(&direct, "Hello").await;
    bobs.hears("message:new").await;
    bobs.hears_where("unread:changed", |event| event["data"]["unread"] == 1).await;

    bob.reads(&direct).await;

    assert_eq!(adas.hears("message:read").await["data"]["user_id"], bob.id);
    bobs.hears_where("unread:changed", |event| event["data"]["total"] == 0).await;
}

#[tokio::test]
async fn typing_at_one_node_is_seen_at_the_other_and_ended_by_a_send_there() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.at(&south).socket().await);
    let whereabouts = json!({"conversation_id": direct});
    bobs.sends("conversation:join", whereabouts.clone()).await;

    adas.sends("typing:start", whereabouts).await;
    assert_eq!(bobs.hears("typing:start").await["data"]["user_id"], ada.id);
    let mut elsewhere = ada.at(&south).socket().await;
    elsewhere.sends("message:send", json!({"conversation_id": direct, "body": "Done"})).await;

    assert_eq!(bobs.hears("typing:stop").await["data"]["user_id"], ada.id);
}

#[tokio::test]
async fn a_person_is_there_while_they_are_at_any_node() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut bobs = bob.at(&south).socket().await;
    bobs.sends("conversation:join", json!({"conversation_id": direct})).await;

    let mut phone = ada.socket().await;
    assert_eq!(bobs.hears("user:online").await["data"]["user_id"], ada.id);
    let desk = ada.at(&south).socket().await;
    phone.sends("presence:set", json!({"status": "busy"})).await;
    assert_eq!(bobs.hears("presence:changed").await["data"]["status"], "busy");
    phone.closes().await;
    assert_eq!(status(&bob, &ada).await, "busy");
    desk.closes().await;

    assert_eq!(bobs.hears("user:offline").await["data"]["user_id"], ada.id);
    assert_eq!(status(&bob, &ada).await, "offline");
    bobs.heard_nothing_of("user:online").await;
}

#[tokio::test]
async fn who_goes_with_a_node_that_stops_is_offline_after_a_grace_unless_they_came_to_another() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob, carol] = north.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let mut bobs = bob.at(&south).socket().await;
    bobs.sends("conversation:join", json!({"conversation_id": group})).await;
    let _adas = ada.socket().await;
    let _carols = [carol.socket().await, carol.at(&south).socket().await];
    for _ in 0..2 {
        bobs.hears("user:online").await;
    }

    let begun = Instant::now();
    north.stop().await;

    assert_eq!(bobs.hears("user:offline").await["data"]["user_id"], ada.id);
    assert!(begun.elapsed() < Duration::from_secs(30), "it took {:?}", begun.elapsed());
    assert_eq!(status(&bob.at(&south), &ada).await, "offline");
    assert_eq!(status(&bob.at(&south), &carol).await, "online");
    bobs.heard_nothing_of("user:offline").await;
}

#[tokio::test]
async fn a_ticket_of_one_node_opens_one_socket_at_the_other() {
    let (north, south) = TestServer::pair().await;
    let ada = north.person("ada").await;
    let ticket = ada.post("/auth/ticket", json!({})).await.expect(200);
    let query = format!("?ticket={}", ticket["ticket"].as_str().expect("it is text"));

    let mut socket = Socket::connect(request(&south.client, &query, &[])).await.expect("the ticket is good");

    assert_eq!(socket.hears("ready").await["data"]["user"]["id"], ada.id);
    assert!(Socket::connect(request(&north.client, &query, &[])).await.is_err());
}

#[tokio::test]
async fn a_limit_counts_what_is_done_at_all_nodes() {
    let (north, south) = TestServer::pair_with(|settings| settings.messages_per_minute = 3).await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let at_south = ada.at(&south);

    ada.says(&direct, "One").await;
    at_south.says(&direct, "Two").await;
    ada.says(&direct, "Three").await;

    for caller in [&ada, &at_south] {
        let problem = caller.sends(&direct, json!({"body": "Four"})).await.refused(429, "rate_limited");
        let wait = problem["retry_after"].as_i64().expect("it says when");
        assert!((15..=20).contains(&wait), "{problem:#}");
    }
    bob.says(&direct, "Hello").await;
}

#[tokio::test]
async fn a_session_that_ends_at_one_node_closes_its_sockets_at_the_other() {
    let (north, south) = TestServer::pair().await;
    let ada = north.person("ada").await;
    let (mut ended, other) = (ada.at(&south).socket().await, ada.signs_in_again().await);
    let mut unconcerned = other.at(&south).socket().await;

    let begun = Instant::now();
    ada.post("/auth/logout", json!({})).await.expect(204);

    assert_eq!(ended.is_closed().await.0, 4003);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    ada.at(&south).get("/users/me").await.refused(401, "session_revoked");
    unconcerned.sends("ping", json!({})).await;
}

#[tokio::test]
async fn while_redis_is_away_everything_goes_on_and_the_other_node_catches_up() {
    let (north, south) = TestServer::pair_with(|settings| settings.messages_per_minute = 100).await;
    let [ada, bob, carol] = north.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.at(&south).socket().await);
    ada.says(&group, "Before").await;
    let mut carols = carol.at(&south).socket().await;

    north.redis().pause();
    is_ready(&north, "degraded").await;
    is_ready(&south, "degraded").await;
    ada.adds(&group, [&carol]).await.expect(201);
    // Nobody at the south node listens to this one yet, so that its checks do not find it.
    let unheard_of = ada.opens_group_with([&carol]).await;
    ada.says(&group, "While it is away").await;
    for socket in [&mut adas, &mut bobs] {
        let heard = heard_until(socket, "While it is away").await;
        assert_eq!(heard.iter().filter_map(|event| event["seq"].as_i64()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
    assert_eq!(carols.hears("conversation:new").await["conversation_id"], group.as_str());
    north.redis().resume();
    is_ready(&north, "ok").await;
    is_ready(&south, "ok").await;

    let is_unheard_of = |event: &Value| event["data"]["conversation_id"] == unheard_of.as_str();
    carols.hears_where("sync:required", is_unheard_of).await;
    ada.says(&group, "After").await;
    heard_until(&mut bobs, "After").await;
    heard_until(&mut carols, "After").await;
    ada.says(&unheard_of, "Hello Carol").await;
    heard_until(&mut carols, "Hello Carol").await;
}

#[tokio::test]
async fn what_is_done_with_a_message_while_redis_is_away_is_told_again_as_it_is_by_then() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let sent = ada.says(&direct, "Before").await;
    let mut bobs = bob.at(&south).socket().await;

    north.redis().pause();
    is_ready(&north, "degraded").await;
    ada.reacts(&sent, "👍").await.expect(200);
    ada.reacts(&sent, "🎉").await.expect(200);
    ada.takes_back(&sent, "👍").await.expect(204);
    ada.pins(&sent).await.expect(200);
    ada.unpins(&sent).await.expect(204);
    ada.says(&direct, "While it is away").await;

    let heard = heard_until(&mut bobs, "While it is away").await;
    let told: Vec<_> =
        heard.iter().map(|event| (event["type"].as_str().unwrap_or_default(), event["seq"].as_i64())).collect();
    let kinds =
        ["reaction:added", "reaction:added", "reaction:removed", "message:pinned", "message:unpinned", "message:new"];
    assert_eq!(told, kinds.into_iter().zip((2..).map(Some)).collect::<Vec<_>>());
    let chosen: Vec<_> = heard[..3].iter().map(|event| (&event["data"]["emoji"], &event["data"]["user_id"])).collect();
    let by_ada = json!(ada.id);
    assert_eq!(chosen, [(&json!("👍"), &by_ada), (&json!("🎉"), &by_ada), (&json!("👍"), &by_ada)]);
    let now = ada.looks_at(&sent).await.expect(200);
    assert_eq!(heard[2]["data"]["reactions"], now["reactions"]);
    assert_eq!((&heard[4]["data"]["pinned_at"], &heard[4]["data"]["reactions"]), (&Value::Null, &now["reactions"]));
    north.redis().resume();
}

#[tokio::test]
async fn settings_that_change_while_redis_is_away_are_told_with_the_first_participants() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let (mut adas, mut bobs) = (ada.socket().await, bob.at(&south).socket().await);

    north.redis().pause();
    is_ready(&north, "degraded").await;
    ada.patch(&format!("/conversations/{group}"), json!({"name": "Saturday"})).await.expect(200);

    let (live, again) = (adas.hears("conversation:updated").await, bobs.hears("conversation:updated").await);
    assert_eq!(again["data"]["participants"].as_array().map(Vec::len), Some(2));
    assert_eq!(again["data"]["participants"], live["data"]["participants"]);
    north.redis().resume();
}

#[tokio::test]
async fn who_was_removed_while_redis_was_away_does_not_hear_what_was_said_then_as_it_is_by_now() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.at(&south).socket().await;

    north.redis().pause();
    is_ready(&north, "degraded").await;
    let sent = ada.says(&group, "Bob may know").await;
    ada.removes(&group, &bob).await.expect(204);
    ada.edits(&sent, "Bob may never know").await.expect(200);
    let removed = bobs.hears("conversation:removed").await;
    north.redis().resume();

    assert_eq!(removed["data"], json!({"conversation_id": group}));
    bobs.heard_nothing_where("what he was not there for", |event| event.to_string().contains("never know")).await;
}

/// All that is heard up to and with a message of these words, which comes last.
async fn heard_until(socket: &mut Socket, words: &str) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let event = socket.hears_any("of any kind", |frame| frame["type"] != "unread:changed").await;
        let is_last = event["data"]["body"] == words;
        heard.push(event);
        if is_last {
            return heard;
        }
    }
}

async fn status(asker: &Person, person: &Person) -> String {
    let found = asker.get(&format!("/presence?user_ids={}", person.id)).await.expect(200);
    found["items"][0]["status"].as_str().expect("it has a status").to_owned()
}

/// Waits until a node says that it is so.
pub async fn is_ready(node: &TestServer, status: &str) {
    until(&format!("the node is {status}"), async || {
        let reply = perform(node.client.ask_outside(Method::GET, "/health/ready")).await;
        (reply.body["status"] == status).then_some(())
    })
    .await;
}
