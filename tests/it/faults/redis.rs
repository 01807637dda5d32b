//! A Redis that dies, forgets, or cannot be reached, between two nodes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    crowd::Crowd,
    nodes::{Nodes, is},
};
use crate::harness::socket::Socket;

/// In which a revoked session's sockets close, wherever they are.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Longer than any time limit within the server.
const LONG: Duration = Duration::from_secs(30);

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
    crowd.ledger.keeps_growing(LONG).await;
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
