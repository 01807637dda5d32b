//! A Redis that dies, forgets, or cannot be reached, between two nodes; and a node that dies before it has told the other.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::crowd::Crowd;
use crate::harness::{
    client::{Client, perform},
    postgres::Database,
    process::Process,
    proxy::{Proxy, Target},
    redis::Redis,
    socket::Socket,
    until,
};

/// In which a revoked session's sockets close, wherever they are.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Two nodes, each with its own way to the Redis that they share, and to the database.
struct Nodes {
    north: Process,
    south: Process,
    /// The ways to Redis.
    roads: [Proxy; 2],
    /// The south node's way to the database.
    database_road: Proxy,
    redis: Redis,
    _database: Database,
}

impl Nodes {
    async fn start() -> Self {
        let (database, redis) = (Database::create().await, Redis::start());
        let way = || Proxy::to(Target::Socket(redis.socket()));
        let roads = [way().await, way().await];
        let database_road = Proxy::to(Target::Socket(database.socket())).await;
        let [north, south] = [&roads[0], &roads[1]].map(|road| format!("redis://{}", road.address));
        let north = [("DATABASE_URL", database.url()), ("REDIS_URL", &north)];
        let over_the_road = database.url_over(database_road.address);
        let south = [("DATABASE_URL", over_the_road.as_str()), ("REDIS_URL", &south)];
        let (north, south) = tokio::join!(Process::start(&north), Process::start(&south));
        Self { north, south, roads, database_road, redis, _database: database }
    }

    async fn are(&self, status: &str) {
        for node in [&self.north, &self.south] {
            is(&node.client, status).await;
        }
    }
}

#[tokio::test]
async fn redis_may_die_and_forget_and_the_network_to_it_may_break() {
    let nodes = Nodes::start().await;
    let crowd = Crowd::gather(&[&nodes.north.client, &nodes.south.client]).await;
    nodes.are("ok").await;

    nodes.redis.kill();
    nodes.are("degraded").await;
    crowd.ledger.grows_by(50).await;
    nodes.redis.start_again();
    nodes.are("ok").await;
    nodes.redis.flush();
    crowd.ledger.grows_by(50).await;
    nodes.redis.pause();
    nodes.are("degraded").await;
    crowd.ledger.grows_by(50).await;
    nodes.redis.resume();
    nodes.are("ok").await;
    nodes.roads[0].cut();
    nodes.roads[1].freeze();
    nodes.are("degraded").await;
    crowd.ledger.grows_by(50).await;
    nodes.roads[0].delay(Duration::from_millis(20));
    nodes.roads[1].mend();
    nodes.are("ok").await;
    crowd.ledger.grows_by(50).await;

    assert_eq!(crowd.ledger.refused(), 0, "nobody needs Redis to talk");
    assert!(crowd.heard.iter().all(|heard| heard.borrow().opened == 1), "a socket had to be opened again");
    crowd.end().await;
}

#[tokio::test]
async fn what_a_node_committed_and_did_not_tell_before_it_was_killed_is_heard_at_the_other() {
    let nodes = Nodes::start().await;
    let [ada, bob] = [nodes.north.person("ada").await, nodes.north.person("bob").await];
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.at(&nodes.south).socket().await;
    ada.says(&group, "Before").await;
    bobs.hears("message:new").await;

    nodes.roads[0].freeze();
    ada.says(&group, "Only the database has heard this").await;
    nodes.north.kill().await;

    let heard = bobs.hears("message:new").await;
    assert_eq!((&heard["seq"], &heard["data"]["body"]), (&json!(2), &json!("Only the database has heard this")));
    bob.at(&nodes.south).says(&group, "After").await;
    assert_eq!(bobs.hears("message:new").await["seq"], 3);
}

#[tokio::test]
async fn a_session_that_ends_at_one_node_ends_at_the_other_without_redis_too() {
    let nodes = Nodes::start().await;
    let ada = nodes.north.person("ada").await;
    let (mut ended, other) = (ada.at(&nodes.south).socket().await, ada.signs_in_again().await);
    let mut unconcerned = other.at(&nodes.south).socket().await;
    nodes.redis.kill();

    let began = Instant::now();
    ada.post("/auth/logout", json!({})).await.expect(204);

    assert_eq!(ended.is_closed().await.0, 4003);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    ada.at(&nodes.south).get("/users/me").await.refused(401, "session_revoked");
    unconcerned.sends("ping", json!({})).await;
}

#[tokio::test]
async fn who_was_added_while_both_redis_and_the_database_were_away_hears_all_the_same() {
    let nodes = Nodes::start().await;
    let [ada, bob] = [nodes.north.person("ada").await, nodes.north.person("bob").await];
    let group = ada.opens_group_with([]).await;
    let mut bobs = bob.at(&nodes.south).socket().await;

    nodes.redis.kill();
    nodes.are("degraded").await;
    ada.adds(&group, [&bob]).await.expect(201);
    nodes.database_road.cut();
    is(&nodes.south.client, "unavailable").await;
    nodes.redis.start_again();
    nodes.south.says("Memberships could not be read again").await;
    nodes.database_road.mend();

    assert_eq!(told_to_sync(&mut bobs).await, group);
    ada.says(&group, "Hello Bob").await;
    bobs.hears_where("message:new", |event| event["data"]["body"] == "Hello Bob").await;
}

async fn told_to_sync(socket: &mut Socket) -> String {
    let told: Value = socket.hears("sync:required").await;
    told["data"]["conversation_id"].as_str().expect("it says where").to_owned()
}

async fn is(client: &Client, status: &str) {
    until(&format!("a node is {status}"), async || {
        let reply = perform(client.ask_outside(Method::GET, "/health/ready")).await;
        (reply.body["status"] == status).then_some(())
    })
    .await;
}
