//! What concerns one person alone, between nodes that die and a Redis that comes and goes.

use serde_json::json;

use super::nodes::{Nodes, is};
use crate::own_log::{drafts, own_seq};

#[tokio::test]
async fn what_a_node_committed_for_one_person_and_did_not_tell_before_it_was_killed_is_heard_at_the_other() {
    let nodes = Nodes::start().await;
    let [ada, bob] = [nodes.north.person("ada").await, nodes.north.person("bob").await];
    let direct = ada.opens_direct_with(&bob).await;
    let (mut adas, mut bobs) = (ada.at(&nodes.south).socket().await, bob.at(&nodes.south).socket().await);
    drafts(&ada, &direct, "Before").await;
    adas.hears("preferences:updated").await;

    nodes.roads[0].freeze();
    let preferences = drafts(&ada, &direct, "Only the database has heard this").await;
    ada.blocks(&bob).await;
    nodes.north.kill().await;

    let heard = adas.hears("preferences:updated").await;
    assert_eq!((own_seq(&heard), &heard["data"]["preferences"]), (2, &preferences));
    let blocked = adas.hears("block:added").await;
    assert_eq!((own_seq(&blocked), &blocked["data"]), (3, &json!({"user_id": bob.id})));
    drafts(&ada.at(&nodes.south), &direct, "After").await;
    assert_eq!(own_seq(&adas.hears("preferences:updated").await), 4);
    adas.heard_nothing_where("anything twice", |frame| frame["own_seq"].is_i64()).await;
    bobs.heard_nothing_where("of what is not theirs", |frame| frame["own_seq"].is_i64()).await;
    bobs.heard_nothing_of("sync:required").await;
}

#[tokio::test]
async fn what_one_does_alone_while_redis_is_gone_is_heard_at_the_other_node_and_nothing_of_it_twice() {
    let nodes = Nodes::start().await;
    let ada = nodes.north.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let (mut desk, mut phone) = (ada.socket().await, ada.at(&nodes.south).socket().await);
    nodes.are("ok").await;

    nodes.redis.kill();
    nodes.are("degraded").await;
    drafts(&ada, &group, "While it is away").await;
    nodes.redis.start_again();
    nodes.are("ok").await;
    nodes.redis.flush();
    drafts(&ada.at(&nodes.south), &group, "After").await;

    for socket in [&mut desk, &mut phone] {
        let first = socket.hears("preferences:updated").await;
        let second = socket.hears("preferences:updated").await;
        assert_eq!((own_seq(&first), own_seq(&second)), (1, 2));
        assert_eq!(second["data"]["preferences"]["draft"], "After");
        assert_eq!(socket.sends("ping", json!({})).await["own_seq"], 2);
    }
}

#[tokio::test]
async fn what_was_lost_while_the_database_was_away_too_is_heard_once_it_is_back() {
    let nodes = Nodes::start().await;
    let ada = nodes.north.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut phone = ada.at(&nodes.south).socket().await;

    nodes.redis.kill();
    nodes.are("degraded").await;
    nodes.database_road.cut();
    is(&nodes.south.client, "unavailable").await;
    drafts(&ada, &group, "Nobody hears this yet").await;
    nodes.redis.start_again();
    nodes.south.says("Memberships could not be read again").await;
    nodes.database_road.mend();

    let heard = phone.hears_any("about it", |frame| frame["own_seq"] == 1).await;
    assert_eq!(heard["data"]["preferences"]["draft"], "Nobody hears this yet");
}
