//! Two nodes, of which one dies or leaves.

use reqwest::Method;
use serde_json::json;

use super::crowd::Crowd;
use crate::harness::{
    client::{Client, perform},
    postgres::Database,
    process::Process,
    proxy::{Proxy, Target},
    redis::Redis,
    until,
};

/// Two nodes, each with its own way to the Redis that they share, the south one also to the database.
pub struct Nodes {
    /// One node.
    pub north: Process,
    /// The other.
    pub south: Process,
    /// The ways to Redis.
    pub roads: [Proxy; 2],
    /// The south node's way to the database.
    pub database_road: Proxy,
    /// What they share besides the database.
    pub redis: Redis,
    database: Database,
}

impl Nodes {
    /// Starts both at once on a database that was never migrated.
    pub async fn start() -> Self {
        let (database, redis) = (Database::empty().await, Redis::start());
        let way = || Proxy::to(Target::Socket(redis.socket()));
        let roads = [way().await, way().await];
        let database_road = Proxy::to(Target::Socket(database.socket())).await;
        let south_url = database.url_over(database_road.address);
        let (north, south) = tokio::join!(node(database.url(), &roads[0]), node(&south_url, &roads[1]));
        Self { north, south, roads, database_road, redis, database }
    }

    /// Waits until both say that they are so.
    pub async fn are(&self, status: &str) {
        for node in [&self.north, &self.south] {
            is(&node.client, status).await;
        }
    }
}

/// Waits until a node says that it is so.
pub async fn is(client: &Client, status: &str) {
    until(&format!("a node is {status}"), async || {
        let reply = perform(client.ask_outside(Method::GET, "/health/ready")).await;
        if reply.body["code"] == status {
            reply.refused(503, status);
            return Some(());
        }
        (reply.body["status"] == status).then_some(())
    })
    .await;
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
async fn a_group_that_was_deleted_by_a_node_that_was_killed_before_it_could_tell_is_gone_at_the_other() {
    let nodes = Nodes::start().await;
    let [ada, bob] = [nodes.north.person("ada").await, nodes.north.person("bob").await];
    let (group, other) = (ada.opens_group_with([&bob]).await, bob.opens_group_with([]).await);
    let mut bobs = bob.at(&nodes.south).socket().await;
    ada.says(&group, "Before").await;
    bobs.hears("message:new").await;

    nodes.roads[0].freeze();
    ada.says(&group, "Bob never hears this").await;
    ada.delete(&format!("/conversations/{group}")).await.expect(204);
    nodes.north.kill().await;

    let heard = bobs.hears("conversation:removed").await;
    assert_eq!(heard["data"], json!({"conversation_id": group}));
    bob.at(&nodes.south).says(&other, "After").await;
    assert_eq!(bobs.hears("message:new").await["data"]["body"], "After");
}

#[tokio::test]
async fn a_node_that_dies_or_leaves_under_load_leaves_its_people_to_the_other() {
    let Nodes { north, south, roads, database_road, redis, database } = Nodes::start().await;
    let doors = [Proxy::to(Target::Address(north.address())).await, Proxy::to(Target::Address(south.address())).await];
    let crowd = Crowd::gather(&[&doors[0].client(), &doors[1].client()]).await;

    doors[0].leads_to(south.address());
    north.kill().await;
    crowd.ledger.grows_by(100).await;
    assert_eq!(crowd.heard[1].borrow().opened, 1, "who is at the other node stays there");
    let north = node(database.url(), &roads[0]).await;
    is(&north.client, "ok").await;
    for door in &doors {
        door.leads_to(north.address());
    }
    south.stop().await;
    crowd.ledger.grows_by(100).await;

    crowd.end().await;
    drop((database_road, redis));
}

async fn node(database_url: &str, road: &Proxy) -> Process {
    Process::start(&[("DATABASE_URL", database_url), ("REDIS_URL", &format!("redis://{}", road.address))]).await
}
