//! Two nodes over a Redis Cluster: everything that they share works as over one Redis, also when slots move or a server fails.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::harness::{
    client::perform,
    redis_cluster::RedisCluster,
    seq,
    server::TestServer,
    socket::{Socket, request},
    until,
};

/// Two nodes over a cluster, which lives as long as what comes last.
async fn pair() -> (TestServer, TestServer, RedisCluster) {
    let redis = spawn_blocking(RedisCluster::start).await.expect("it starts");
    let (north, south) = TestServer::pair_over(redis.url(), |settings| settings.messages_per_minute = 50).await;
    (north, south, redis)
}

/// What one hears of a conversation's log up to a message of these words: its places.
async fn hears_until(socket: &mut Socket, words: &str) -> Vec<i64> {
    let mut heard = Vec::new();
    loop {
        let event = socket.hears_any("of the log", |frame| frame.get("seq").is_some()).await;
        heard.push(event["seq"].as_i64().expect("a number"));
        if event["data"]["body"] == words {
            return heard;
        }
    }
}

async fn is_ready(node: &TestServer, status: &str) {
    until(&format!("the node is {status}"), async || {
        let reply = perform(node.client.ask_outside(Method::GET, "/health/ready")).await;
        (reply.body["status"] == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn over_a_redis_cluster_two_nodes_are_one() {
    let (north, south, _redis) = pair().await;
    is_ready(&north, "ok").await;
    is_ready(&south, "ok").await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let mut groups = Vec::new();
    for _ in 0..6 {
        groups.push(ada.opens_group_with([&bob]).await);
    }
    let (mut adas, mut bobs) = (ada.socket().await, bob.at(&south).socket().await);
    bobs.sends("conversation:join", json!({"conversation_id": groups[0]})).await;

    // Whatever servers the groups' partitions are on, all is heard in order.
    join_all((0..24).map(|n| ada.sends(&groups[n % 6], json!({"body": n.to_string()})))).await;
    let mut heard: Vec<Value> = Vec::new();
    while heard.len() < 24 {
        heard.push(bobs.hears("message:new").await["data"].take());
    }
    for group in &groups {
        let of_group = heard.iter().filter(|message| message["conversation_id"] == group.as_str());
        assert_eq!(of_group.map(seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    adas.sends("typing:start", json!({"conversation_id": groups[0]})).await;
    assert_eq!(bobs.hears("typing:start").await["data"]["user_id"], ada.id);
    adas.sends("presence:set", json!({"status": "busy"})).await;
    assert_eq!(bobs.hears("presence:changed").await["data"]["status"], "busy");
    let path = format!("/presence?user_ids={},{}", ada.id, bob.id);
    let present = bob.at(&south).get(&path).await.expect(200);
    let mut seem: Vec<_> = present["items"].as_array().expect("a list").iter().map(|one| &one["status"]).collect();
    seem.sort_by_key(ToString::to_string);
    assert_eq!(seem, [&json!("busy"), &json!("online")]);

    let ticket = ada.post("/auth/ticket", json!({})).await.expect(200);
    let query = format!("?ticket={}", ticket["ticket"].as_str().expect("it is text"));
    let mut ticketed = Socket::connect(request(&south.client, &query, &[])).await.expect("the ticket is good");
    ticketed.hears("ready").await;

    let at_south = ada.at(&south);
    let more = join_all((0..40).map(|n| {
        let caller = if n % 2 == 0 { &ada } else { &at_south };
        caller.sends(&groups[0], json!({"body": "More"}))
    }));
    let let_in = more.await.iter().filter(|reply| reply.status == 201).count();
    assert!((26..=28).contains(&let_in), "{let_in} were let in, of 50 a minute and 24 sent before");

    let mut elsewhere = bob.signs_in_again().await.at(&south).socket().await;
    bob.post("/auth/logout", json!({})).await.expect(204);
    assert_eq!(bobs.is_closed().await.0, 4003);
    elsewhere.sends("ping", json!({})).await;
}

#[tokio::test]
async fn when_a_slot_moves_all_goes_on() {
    let (north, south, redis) = pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.at(&south).socket().await;
    ada.says(&group, "Before").await;
    assert_eq!(hears_until(&mut bobs, "Before").await, [1]);
    let id: uuid::Uuid = group.parse().expect("it is an id");

    let partition = id.as_u128() % 64;
    redis.move_slot_of(&format!("colloquy:bus:{{{partition}}}"));
    for number in 0..10 {
        ada.says(&group, &number.to_string()).await;
    }
    is_ready(&north, "ok").await;
    is_ready(&south, "ok").await;
    ada.says(&group, "After").await;

    assert_eq!(hears_until(&mut bobs, "After").await, (2..=12).collect::<Vec<_>>());
    let ticket = ada.post("/auth/ticket", json!({})).await.expect(200);
    assert!(ticket["ticket"].is_string());
}

#[tokio::test]
async fn when_a_server_fails_everything_goes_on_and_its_replica_takes_over() {
    let (north, south, redis) = pair().await;
    let [ada, bob] = north.people(["ada", "bob"]).await;
    let mut groups = Vec::new();
    for _ in 0..6 {
        groups.push(ada.opens_group_with([&bob]).await);
    }
    let mut bobs = bob.at(&south).socket().await;

    redis.kill(1);
    for group in &groups {
        ada.says(group, "While it is gone").await;
    }
    for _ in &groups {
        bobs.hears_where("message:new", |event| event["data"]["body"] == "While it is gone").await;
    }
    is_ready(&north, "ok").await;
    is_ready(&south, "ok").await;
    for group in &groups {
        ada.says(group, "Once it is replaced").await;
    }

    for _ in &groups {
        let event = bobs.hears_where("message:new", |event| event["data"]["body"] == "Once it is replaced").await;
        assert_eq!(event["seq"], 2);
    }
}
