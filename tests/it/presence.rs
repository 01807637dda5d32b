//! Who is there: told at the edges, to those who share a conversation and look; never to who is blocked.

use chrono::{DateTime, Duration, FixedOffset};
use serde_json::{Value, json};

use crate::harness::{person::Person, reply::is_time, server::TestServer, socket::Socket, until};

#[tokio::test]
async fn who_comes_and_goes_is_told_to_those_who_look() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let (mut looking, mut carols) = (looks_at(&ada, &group).await, carol.socket().await);
    looking.hears_where("user:online", of(&carol)).await;

    let bobs = bob.socket().await;
    let online = looking.hears_where("user:online", of(&bob)).await;
    assert_eq!((&online["data"]["status"], online.get("seq")), (&json!("online"), None));
    bobs.closes().await;
    let offline = goes_offline(&server, (&ada, &mut looking), &bob).await;

    assert_eq!(offline["data"]["status"], "offline");
    assert!(offline["data"]["last_seen_at"].as_str().is_some_and(is_time), "{offline:#}");
    carols.heard_nothing_where("of who is there", is_presence).await;
}

#[tokio::test]
async fn strangers_are_told_nothing_wherever_they_look() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    ada.opens_direct_with(&bob).await;
    let elsewhere = eve.opens_group_with([&ada]).await;
    let mut eves = looks_at(&eve, &elsewhere).await;

    let bobs = bob.socket().await;
    let adas = ada.socket().await;

    eves.hears_where("user:online", of(&ada)).await;
    eves.heard_nothing_where("of Bob", of(&bob)).await;
    let asked = presence_of(&eve, &[&bob, &ada]).await;
    assert_eq!(statuses(&asked), [(ada.id.as_str(), "online")]);
    drop((adas, bobs));
}

#[tokio::test]
async fn several_devices_are_one_person() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let mut looking = looks_at(&ada, &group).await;
    let (phone, desk) = (bob.socket().await, bob.signs_in_again().await.socket().await);
    let carols = carol.socket().await;
    looking.hears_where("user:online", of(&bob)).await;
    looking.hears_where("user:online", of(&carol)).await;

    phone.closes().await;
    carols.closes().await;
    goes_offline(&server, (&ada, &mut looking), &carol).await;
    looking.heard_nothing_where("of Bob, who still has a socket", |event| is_presence(event) && of(&bob)(event)).await;

    desk.closes().await;
    goes_offline(&server, (&ada, &mut looking), &bob).await;
}

#[tokio::test]
async fn who_comes_back_within_five_seconds_was_never_away() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let mut looking = looks_at(&ada, &group).await;
    let (bobs, carols) = (bob.socket().await, carol.socket().await);
    looking.hears_where("user:online", of(&bob)).await;
    looking.hears_where("user:online", of(&carol)).await;

    bobs.closes().await;
    carols.closes().await;
    let _back = bob.socket().await;
    goes_offline(&server, (&ada, &mut looking), &carol).await;

    looking.heard_nothing_where("of Bob, who came back", |event| is_presence(event) && of(&bob)(event)).await;
    assert_eq!(statuses(&presence_of(&ada, &[&bob]).await), [(bob.id.as_str(), "online")]);
}

#[tokio::test]
async fn how_somebody_wants_to_seem_is_told_and_holds_for_all_devices() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut looking = looks_at(&ada, &direct).await;
    let mut bobs = bob.socket().await;
    let _phone = bob.signs_in_again().await.socket().await;
    looking.hears_where("user:online", of(&bob)).await;

    for (status, told) in [
        ("away", "presence:changed"),
        ("busy", "presence:changed"),
        ("offline", "user:offline"),
        ("busy", "user:online"),
        ("online", "presence:changed"),
    ] {
        let now = bobs.sends("presence:set", json!({"status": status})).await;

        assert_eq!((&now["user_id"], &now["status"]), (&json!(bob.id), &json!(status)));
        let event = looking.hears(told).await;
        assert_eq!((&event["data"]["user_id"], &event["data"]["status"]), (&json!(bob.id), &json!(status)));
        assert_eq!(statuses(&presence_of(&ada, &[&bob]).await), [(bob.id.as_str(), status)]);
    }
    bobs.sends("presence:set", json!({"status": "online"})).await;
    looking.heard_nothing_where("of what did not change", is_presence).await;
}

#[tokio::test]
async fn rest_alone_makes_nobody_online() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut looking = looks_at(&ada, &direct).await;

    bob.says(&direct, "I am here").await;
    bob.put("/presence", json!({"status": "online"})).await.expect(200);
    bob.put("/presence", json!({"status": "busy"})).await.expect(200);

    looking.heard_nothing_where("of Bob's presence", is_presence).await;
    assert_eq!(statuses(&presence_of(&ada, &[&bob]).await), [(bob.id.as_str(), "offline")]);
}

#[tokio::test]
async fn a_choice_over_rest_is_one_over_the_sockets_too() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut looking = looks_at(&ada, &direct).await;
    let _bobs = bob.socket().await;
    looking.hears_where("user:online", of(&bob)).await;

    bob.put("/presence", json!({"status": "away"})).await.expect(200);

    assert_eq!(looking.hears("presence:changed").await["data"]["status"], "away");
}

#[tokio::test]
async fn when_somebody_was_last_seen_is_kept() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut looking = looks_at(&ada, &direct).await;
    let never = presence_of(&ada, &[&bob]).await;
    assert_eq!((&never[0]["status"], &never[0]["last_seen_at"]), (&json!("offline"), &Value::Null));

    let began = server.clock.now();
    bob.socket().await.closes().await;
    let told = goes_offline(&server, (&ada, &mut looking), &bob).await;
    let gone = server.clock.now();

    let asked = presence_of(&ada, &[&bob]).await;
    let seen = time_of(&asked[0]["last_seen_at"]);
    assert!(began <= seen && seen <= gone, "{began} {seen} {gone}");
    assert_eq!(time_of(&told["data"]["last_seen_at"]), seen);
}

#[tokio::test]
async fn who_chooses_to_seem_offline_was_seen_last_when_they_did() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut looking = looks_at(&ada, &direct).await;
    let mut bobs = bob.socket().await;

    bobs.sends("presence:set", json!({"status": "offline"})).await;
    let told = looking.hears_where("user:offline", of(&bob)).await;
    server.clock.advance(Duration::seconds(1));

    let asked = presence_of(&ada, &[&bob]).await;
    assert_eq!(asked[0]["status"], "offline");
    assert_eq!(time_of(&asked[0]["last_seen_at"]), time_of(&told["data"]["last_seen_at"]));
}

#[tokio::test]
async fn between_two_where_one_blocked_the_other_nobody_is_seen() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    ada.blocks(&bob).await;
    let (mut adas, mut bobs) = (looks_at(&ada, &group).await, looks_at(&bob, &group).await);

    adas.sends("presence:set", json!({"status": "busy"})).await;
    bobs.sends("presence:set", json!({"status": "busy"})).await;

    adas.heard_nothing_where("of Bob's presence", |event| is_presence(event) && of(&bob)(event)).await;
    bobs.heard_nothing_where("of Ada's presence", |event| is_presence(event) && of(&ada)(event)).await;
    assert!(presence_of(&bob, &[&ada]).await.iter().all(|seen| seen["status"] == "offline"));
    assert!(presence_of(&ada, &[&bob]).await.iter().all(|seen| seen["status"] == "offline"));
}

#[tokio::test]
async fn who_opens_a_conversation_learns_who_is_there_and_is_told_of() {
    let server = TestServer::start().await;
    let [ada, bob, carol, dave] = server.people(["ada", "bob", "carol", "dave"]).await;
    let group = ada.opens_group_with([&bob, &carol, &dave]).await;
    let (mut adas, mut carols) = (looks_at(&ada, &group).await, carol.socket().await);
    let mut bobs = bob.socket().await;

    let ack = bobs.sends("conversation:join", json!({"conversation_id": group})).await;

    let mut present = statuses(ack["present"].as_array().expect("a list of who is there"));
    present.retain(|(id, _)| *id != bob.id);
    present.sort_unstable();
    let mut expected = [(ada.id.as_str(), "online"), (carol.id.as_str(), "online")];
    expected.sort_unstable();
    assert_eq!(present, expected);
    let whereabouts = json!({"conversation_id": group, "user_id": bob.id});
    assert_eq!(adas.hears("conversation:joined").await["data"], whereabouts);
    bobs.sends("conversation:leave", json!({"conversation_id": group})).await;
    assert_eq!(adas.hears("conversation:left").await["data"], whereabouts);
    bobs.sends("conversation:join", json!({"conversation_id": group})).await;
    adas.hears("conversation:joined").await;
    bobs.closes().await;
    assert_eq!(adas.hears("conversation:left").await["data"], whereabouts);
    carols.heard_nothing_where("who looks", |event| event["type"] == "conversation:joined").await;
}

#[tokio::test]
async fn who_looks_from_two_devices_comes_with_the_first_and_goes_with_the_last() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut adas = looks_at(&ada, &direct).await;
    let mut phone = looks_at(&bob, &direct).await;
    adas.hears("conversation:joined").await;

    let mut desk = looks_at(&bob.signs_in_again().await, &direct).await;
    phone.sends("conversation:join", json!({"conversation_id": direct})).await;
    phone.closes().await;
    let mut tablet = looks_at(&bob, &direct).await;
    tablet.sends("conversation:leave", json!({"conversation_id": direct})).await;

    for edge in ["conversation:joined", "conversation:left"] {
        adas.heard_nothing_of(edge).await;
    }
    desk.sends("conversation:leave", json!({"conversation_id": direct})).await;
    adas.hears("conversation:left").await;
    desk.sends("conversation:join", json!({"conversation_id": direct})).await;
    adas.hears("conversation:joined").await;
}

#[tokio::test]
async fn who_was_removed_sees_nobody_come_or_go() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let (mut adas, mut bobs) = (looks_at(&ada, &group).await, looks_at(&bob, &group).await);

    ada.removes(&group, &bob).await.expect(204);
    let _carols = looks_at(&carol, &group).await;

    adas.hears_where("user:online", of(&carol)).await;
    adas.hears_where("conversation:joined", of(&carol)).await;
    bobs.heard_nothing_where("of Carol", of(&carol)).await;
    assert_eq!(statuses(&presence_of(&bob, &[&carol]).await), []);
}

/// A socket of somebody who has a conversation open.
async fn looks_at(person: &Person, conversation: &str) -> Socket {
    let mut socket = person.socket().await;
    socket.sends("conversation:join", json!({"conversation_id": conversation})).await;
    socket
}

/// Lets the grace pass once the server has noticed that somebody is gone, and hears of it.
async fn goes_offline(server: &TestServer, (asker, looking): (&Person, &mut Socket), person: &Person) -> Value {
    until("somebody without a socket is offline", async || {
        server.clock.advance(Duration::seconds(1));
        (statuses(&presence_of(asker, &[person]).await) == [(person.id.as_str(), "offline")]).then_some(())
    })
    .await;
    looking.hears_where("user:offline", of(person)).await
}

fn time_of(value: &Value) -> DateTime<FixedOffset> {
    let text = value.as_str().expect("it is text");
    DateTime::parse_from_rfc3339(text).expect("a time is a time")
}

fn of(person: &Person) -> impl Fn(&Value) -> bool {
    |event| event["data"]["user_id"] == person.id
}

fn is_presence(event: &Value) -> bool {
    matches!(event["type"].as_str(), Some("user:online" | "user:offline" | "presence:changed"))
}

async fn presence_of(asker: &Person, people: &[&Person]) -> Vec<Value> {
    let ids: Vec<_> = people.iter().map(|person| person.id.as_str()).collect();
    let found = asker.get(&format!("/presence?user_ids={}", ids.join(","))).await.expect(200);
    found["items"].as_array().expect("a list has items").clone()
}

fn statuses(list: &[Value]) -> Vec<(&str, &str)> {
    list.iter().filter_map(|seen| Some((seen["user_id"].as_str()?, seen["status"].as_str()?))).collect()
}
