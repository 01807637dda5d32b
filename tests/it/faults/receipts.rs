//! How far people have read, between nodes that die and a Redis that comes and goes: receipts have no place in a log, and are told again.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::nodes::{Nodes, is};
use crate::{
    harness::{
        crowd::{Crowd, host_pair},
        machine,
        person::Person,
        postgres::Database,
        process::Process,
        proxy::{Proxy, Target},
        seq,
        socket::Socket,
    },
    nodes::is_ready,
};

/// Longer than anybody needs to see in the database what was committed there.
const SLOW: Duration = Duration::from_millis(400);

/// Ada, Bob, and their direct conversation.
async fn two(node: &Process) -> (Person, Person, String) {
    let (ada, bob) = tokio::join!(node.person("ada"), node.person("bob"));
    let direct = ada.opens_direct_with(&bob).await;
    (ada, bob, direct)
}

/// Ada, Bob, Carol, and their group.
async fn three(node: &Process) -> (Person, Person, Person, String) {
    let (ada, bob, carol) = tokio::join!(node.person("ada"), node.person("bob"), node.person("carol"));
    let group = ada.opens_group_with([&bob, &carol]).await;
    (ada, bob, carol, group)
}

/// Hears how far somebody has read or got, and nothing of it again.
async fn hears_once(socket: &mut Socket, kind: &str, group: &str, whose: &Person, how_far: i64) {
    let is_theirs = |event: &Value| event["conversation_id"] == group && event["data"]["user_id"] == whose.id.as_str();
    let heard = socket.hears_where(kind, is_theirs).await;
    assert_eq!(heard["data"]["seq"], how_far, "{heard:#}");
    assert!(heard["data"]["at"].is_string() && heard.get("seq").is_none(), "{heard:#}");
    socket.heard_nothing_where("the same again", |event| event["type"] == kind && is_theirs(event)).await;
}

async fn gets(person: &Person, group: &str, how_far: i64) {
    person.post(&format!("/conversations/{group}/delivered"), json!({"seq": how_far})).await.expect(200);
}

#[tokio::test]
async fn what_a_node_committed_of_receipts_and_did_not_tell_before_it_was_killed_is_heard_at_the_other() {
    let nodes = Nodes::start().await;
    let (ada, bob, carol, group) = three(&nodes.north).await;
    let stranger = nodes.north.person("eve").await;
    let south = &nodes.south;
    let (mut phone, mut bobs, mut eves) =
        (ada.at(south).socket().await, bob.at(south).socket().await, stranger.at(south).socket().await);
    for word in ["One", "Two", "Three"] {
        bob.says(&group, word).await;
        bobs.hears("message:new").await;
        phone.hears("message:new").await;
    }
    carol.reads(&group).await;
    hears_once(&mut bobs, "message:read", &group, &carol, 3).await;
    phone.hears_where("unread:changed", |event| event["data"]["unread"] == 3).await;
    phone.drains().await;

    nodes.roads[0].freeze();
    ada.post(&format!("/conversations/{group}/read"), json!({"seq": 2})).await.expect(200);
    gets(&ada, &group, 3).await;
    nodes.north.kill().await;

    for socket in [&mut bobs, &mut phone] {
        hears_once(socket, "message:read", &group, &ada, 2).await;
        hears_once(socket, "message:delivered", &group, &ada, 3).await;
        socket.heard_nothing_of("sync:required").await;
        // What carol read has been told already, and what bob said is known.
        socket.heard_nothing_of("message:read").await;
    }
    phone.hears_where("unread:changed", |event| event["data"]["unread"] == 1).await;
    eves.heard_nothing_in(&group).await;
}

#[tokio::test]
async fn who_was_removed_before_a_receipt_that_is_told_again_hears_nothing_of_it() {
    let nodes = Nodes::start().await;
    let (ada, bob, carol, group) = three(&nodes.north).await;
    let (mut bobs, mut carols) = (bob.at(&nodes.south).socket().await, carol.at(&nodes.south).socket().await);
    ada.says(&group, "Before").await;
    carols.hears("message:new").await;

    nodes.roads[0].freeze();
    ada.removes(&group, &carol).await.expect(204);
    let said = ada.says(&group, "Between us").await;
    bob.reads(&group).await;
    ada.reads(&group).await;
    nodes.north.kill().await;

    let of_them = |event: &Value| event["type"] == "message:read" && event["data"]["user_id"] == bob.id.as_str();
    let heard = bobs.hears_any("of bob's reading", of_them).await;
    assert_eq!(heard["data"]["seq"], said["seq"]);
    carols.hears("conversation:removed").await;
    carols.heard_nothing_where("how far the others have read", |event| event["type"] == "message:read").await;
    bobs.heard_nothing_where("of who only wrote", |event| {
        event["type"] == "message:read" && event["data"]["user_id"] == ada.id.as_str()
    })
    .await;
}

#[tokio::test]
async fn who_was_removed_at_a_distant_node_hears_nothing_of_who_reads_here_right_after() {
    let nodes = Nodes::start().await;
    let (ada, bob, carol, group) = three(&nodes.north).await;
    let (mut bobs, mut carols) = (bob.at(&nodes.south).socket().await, carol.at(&nodes.south).socket().await);
    ada.says(&group, "Before").await;
    bobs.hears("message:new").await;

    nodes.roads[1].delay(SLOW / 2);
    ada.removes(&group, &carol).await.expect(204);
    bob.at(&nodes.south).reads(&group).await;

    carols.hears("conversation:removed").await;
    carols.heard_nothing_of("message:read").await;
    bobs.hears_any("of the removal or the reading", |event| {
        assert_ne!(event["type"], "message:read", "the removal came first");
        event["type"] == "participant:removed"
    })
    .await;
    hears_once(&mut bobs, "message:read", &group, &bob, 3).await;
}

#[tokio::test]
async fn who_reads_while_redis_is_gone_is_heard_of_at_the_other_node_once_it_is_back() {
    let nodes = Nodes::start().await;
    let (ada, bob, direct) = two(&nodes.north).await;
    for word in ["One", "Two"] {
        ada.says(&direct, word).await;
    }
    let (mut desk, mut phone, mut adas) =
        (bob.socket().await, bob.at(&nodes.south).socket().await, ada.at(&nodes.south).socket().await);
    nodes.are("ok").await;

    nodes.redis.kill();
    nodes.are("degraded").await;
    gets(&bob, &direct, 2).await;
    bob.post(&format!("/conversations/{direct}/read"), json!({"seq": 1})).await.expect(200);
    // Who is at the same node needs nobody else for it.
    hears_once(&mut desk, "message:read", &direct, &bob, 1).await;
    nodes.redis.start_again();
    nodes.are("ok").await;
    nodes.redis.flush();
    for socket in [&mut phone, &mut adas] {
        hears_once(socket, "message:read", &direct, &bob, 1).await;
        hears_once(socket, "message:delivered", &direct, &bob, 2).await;
    }
    bob.reads(&direct).await;

    for socket in [&mut desk, &mut phone, &mut adas] {
        hears_once(socket, "message:read", &direct, &bob, 2).await;
        let is_doubt = |event: &Value| event["type"] == "sync:required" && event["conversation_id"] == direct.as_str();
        socket.heard_nothing_where("that it should sync", is_doubt).await;
    }
}

#[tokio::test]
async fn receipts_that_were_lost_while_the_database_was_away_too_are_heard_once_it_is_back() {
    let nodes = Nodes::start().await;
    let (ada, bob, direct) = two(&nodes.north).await;
    ada.says(&direct, "Are you there?").await;
    let mut adas = ada.at(&nodes.south).socket().await;

    nodes.redis.kill();
    nodes.are("degraded").await;
    nodes.database_road.cut();
    is(&nodes.south.client, "unavailable").await;
    bob.reads(&direct).await;
    nodes.redis.start_again();
    nodes.south.says("Receipts could not be told again").await;
    nodes.database_road.mend();

    hears_once(&mut adas, "message:read", &direct, &bob, 1).await;
}

#[tokio::test]
async fn a_cursor_of_which_nobody_knows_whether_it_was_committed_is_told_once_that_can_be_seen() {
    // Nobody else may keep this test from looking in time.
    let _machine = machine::most().await;
    let database = Database::create().await;
    let network = Proxy::to(Target::Socket(database.socket())).await;
    let server = Process::start(&[("DATABASE_URL", &database.url_over(network.address))]).await;
    let (ada, bob, direct) = two(&server).await;
    ada.says(&direct, "Read this").await;
    let mut adas = ada.socket().await;
    let mut db = database.connect().await;

    network.delay(SLOW);
    let (reader, path) = (bob.clone(), format!("/conversations/{direct}/read"));
    let reading = tokio::spawn(async move { reader.ask(Method::POST, &path).json(&json!({})).send().await });
    loop {
        let sql = "select count(*) from members where user_id = $1::uuid and read_seq = 1";
        let count: i64 = sqlx::query_scalar(sql).bind(&bob.id).fetch_one(&mut db).await.expect("it is a database");
        if count == 1 {
            break;
        }
    }
    network.cut();
    let answer = reading.await.expect("nobody panics").expect("it is answered");
    assert_eq!(answer.status(), 503, "nobody knows");
    network.mend();

    hears_once(&mut adas, "message:read", &direct, &bob, 1).await;
}

#[tokio::test]
async fn among_many_only_numbers_are_told_again_and_to_each_what_is_their_own() {
    let (north, south) = host_pair().await;
    let ada = north.person("ada").await;
    let crowd = Crowd::around(&ada, &north, 150).await;
    let sent = ada.says(&crowd.group, "Hello everybody").await;
    let (reader, other) = (&crowd.people[0], &crowd.people[1]);
    let (mut adas, mut phone, mut others) =
        (ada.at(&south).socket().await, reader.at(&south).socket().await, other.at(&south).socket().await);

    north.redis().pause();
    is_ready(&north, "degraded").await;
    is_ready(&south, "degraded").await;
    let read = format!("/conversations/{}/read", crowd.group);
    for member in crowd.people.iter().take(30).filter(|member| member.id != other.id) {
        member.client.post(&read, json!({})).await.expect(200);
    }
    north.redis().resume();

    let own = phone.hears("message:read").await;
    assert_eq!((&own["data"]["user_id"], &own["data"]["seq"]), (&json!(reader.id), &sent["seq"]));
    phone.hears_where("unread:changed", |event| event["data"]["unread"] == 0).await;
    let counts = json!([{"seq": seq(&sent), "delivered": 29, "read": 29}]);
    for socket in [&mut adas, &mut phone, &mut others] {
        socket.hears_where("receipts:changed", |event| event["data"]["counts"] == counts).await;
    }
    for socket in [&mut adas, &mut others] {
        socket.heard_nothing_of("message:read").await;
    }
    phone.heard_nothing_of("message:read").await;
}
