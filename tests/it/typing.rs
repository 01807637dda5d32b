//! Who is typing: seen by those who have the conversation open, for as long as it is true.

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{person::Person, server::TestServer, socket::Socket};

#[tokio::test]
async fn typing_is_seen_by_those_who_have_the_conversation_open_and_by_nobody_else() {
    let server = TestServer::start().await;
    let [ada, bob, carol, eve] = server.people(["ada", "bob", "carol", "eve"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let elsewhere = eve.opens_group_with([&bob]).await;
    let (mut adas, mut looking) = (ada.socket().await, looks_at(&bob, &group).await);
    let (mut phone, mut carols) = (bob.signs_in_again().await.socket().await, carol.socket().await);
    let mut eves = looks_at(&eve, &elsewhere).await;

    adas.sends("typing:start", json!({"conversation_id": group})).await;

    let told = looking.hears("typing:start").await;
    let data = json!({"conversation_id": group, "user_id": ada.id});
    assert_eq!(told, json!({"type": "typing:start", "conversation_id": group, "data": data}));
    for socket in [&mut phone, &mut carols, &mut eves] {
        socket.heard_nothing_of("typing:start").await;
    }
}

#[tokio::test]
async fn typing_ends_when_it_is_said_to() {
    let server = TestServer::start().await;
    let (ada, bob, direct) = pair(&server).await;
    let (mut adas, mut bobs) = (ada.socket().await, looks_at(&bob, &direct).await);

    types(&mut adas, &mut bobs, &direct).await;
    adas.sends("typing:stop", json!({"conversation_id": direct})).await;

    assert_eq!(bobs.hears("typing:stop").await["data"], json!({"conversation_id": direct, "user_id": ada.id}));
}

#[tokio::test]
async fn typing_ends_by_itself_after_six_seconds_unless_it_goes_on() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let (mut adas, mut bobs, mut carols) = (ada.socket().await, looks_at(&bob, &group).await, carol.socket().await);
    types(&mut adas, &mut bobs, &group).await;
    types(&mut carols, &mut bobs, &group).await;

    server.clock.advance(Duration::seconds(4));
    adas.sends("typing:start", json!({"conversation_id": group})).await;
    server.clock.advance(Duration::seconds(3));

    assert_eq!(bobs.hears("typing:stop").await["data"]["user_id"], carol.id);
    bobs.heard_nothing_of("typing:stop").await;
    server.clock.advance(Duration::seconds(4));
    assert_eq!(bobs.hears("typing:stop").await["data"]["user_id"], ada.id);
}

#[tokio::test]
async fn typing_ends_with_what_was_typed() {
    let server = TestServer::start().await;
    let (ada, bob, direct) = pair(&server).await;
    let (mut adas, mut bobs) = (ada.socket().await, looks_at(&bob, &direct).await);

    types(&mut adas, &mut bobs, &direct).await;
    adas.sends("message:send", json!({"conversation_id": direct, "body": "Typed"})).await;
    bobs.hears("typing:stop").await;

    types(&mut adas, &mut bobs, &direct).await;
    ada.says(&direct, "Typed, and sent over REST").await;
    bobs.hears("typing:stop").await;
}

#[tokio::test]
async fn typing_ends_when_the_typist_looks_away() {
    let server = TestServer::start().await;
    let (ada, bob, direct) = pair(&server).await;
    let (mut adas, mut bobs) = (looks_at(&ada, &direct).await, looks_at(&bob, &direct).await);

    types(&mut adas, &mut bobs, &direct).await;
    adas.sends("conversation:leave", json!({"conversation_id": direct})).await;

    bobs.hears("typing:stop").await;
}

#[tokio::test]
async fn typing_ends_when_the_typist_disconnects() {
    let server = TestServer::start().await;
    let (ada, bob, direct) = pair(&server).await;
    let (mut adas, mut bobs) = (ada.socket().await, looks_at(&bob, &direct).await);

    types(&mut adas, &mut bobs, &direct).await;
    adas.closes().await;

    bobs.hears("typing:stop").await;
}

#[tokio::test]
async fn typing_goes_on_when_another_device_of_the_typist_looks_away_or_disconnects() {
    let server = TestServer::start().await;
    let (ada, bob, direct) = pair(&server).await;
    let (mut adas, mut bobs) = (looks_at(&ada, &direct).await, looks_at(&bob, &direct).await);
    let (mut tablet, mut phone) = (looks_at(&ada, &direct).await, looks_at(&ada, &direct).await);

    // It was said on the phone first, but goes on at the desk.
    types(&mut phone, &mut bobs, &direct).await;
    adas.sends("typing:start", json!({"conversation_id": direct})).await;
    tablet.sends("conversation:leave", json!({"conversation_id": direct})).await;
    phone.sends("conversation:leave", json!({"conversation_id": direct})).await;
    phone.closes().await;
    tablet.closes().await;

    bobs.heard_nothing_of("typing:stop").await;
    adas.sends("conversation:leave", json!({"conversation_id": direct})).await;
    bobs.hears("typing:stop").await;
}

#[tokio::test]
async fn who_stops_without_having_begun_is_not_told_of() {
    let server = TestServer::start().await;
    let (ada, bob, direct) = pair(&server).await;
    let (mut adas, mut bobs) = (ada.socket().await, looks_at(&bob, &direct).await);

    adas.sends("typing:stop", json!({"conversation_id": direct})).await;
    adas.sends("message:send", json!({"conversation_id": direct, "body": "Pasted"})).await;

    bobs.hears("message:new").await;
    bobs.heard_nothing_of("typing:stop").await;
}

#[tokio::test]
async fn who_looks_away_sees_no_more_of_it() {
    let server = TestServer::start().await;
    let (ada, bob, direct) = pair(&server).await;
    let (mut adas, mut bobs) = (ada.socket().await, looks_at(&bob, &direct).await);

    bobs.sends("conversation:leave", json!({"conversation_id": direct})).await;
    adas.sends("typing:start", json!({"conversation_id": direct})).await;

    bobs.heard_nothing_of("typing:start").await;
}

#[tokio::test]
async fn who_was_removed_sees_nobody_type_and_is_not_seen_typing() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let (mut adas, mut bobs, mut carols) =
        (looks_at(&ada, &group).await, looks_at(&bob, &group).await, looks_at(&carol, &group).await);

    ada.removes(&group, &bob).await.expect(204);
    adas.sends("typing:start", json!({"conversation_id": group})).await;
    bobs.is_refused("typing:start", json!({"conversation_id": group})).await;

    assert_eq!(carols.hears("typing:start").await["data"]["user_id"], ada.id);
    bobs.heard_nothing_of("typing:start").await;
    carols.heard_nothing_of("typing:start").await;
}

#[tokio::test]
async fn typing_and_looking_end_when_somebody_is_removed() {
    let (north, south) = TestServer::pair().await;
    let [ada, bob, carol] = north.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let (mut adas, mut carols) = (looks_at(&ada, &group).await, looks_at(&carol.at(&south), &group).await);
    let mut bobs = looks_at(&bob.at(&south), &group).await;
    bobs.sends("typing:start", json!({"conversation_id": group})).await;
    for socket in [&mut adas, &mut carols] {
        socket.hears("typing:start").await;
    }

    ada.removes(&group, &bob).await.expect(204);

    for socket in [&mut adas, &mut carols] {
        for end in ["typing:stop", "conversation:left"] {
            assert_eq!(socket.hears(end).await["data"], json!({"conversation_id": group, "user_id": bob.id}), "{end}");
        }
    }
    ada.adds(&group, [&bob]).await.expect(201);
    let mut desk = looks_at(&bob.at(&south), &group).await;
    adas.hears_where("conversation:joined", |event| event["data"]["user_id"] == bob.id).await;
    bobs.closes().await;
    desk.sends("conversation:leave", json!({"conversation_id": group})).await;
    adas.hears_where("conversation:left", |event| event["data"]["user_id"] == bob.id).await;
    adas.heard_nothing_of("conversation:left").await;
}

async fn pair(server: &TestServer) -> (Person, Person, String) {
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    (ada, bob, direct)
}

/// A socket of somebody who has a conversation open.
async fn looks_at(person: &Person, conversation: &str) -> Socket {
    let mut socket = person.socket().await;
    socket.sends("conversation:join", json!({"conversation_id": conversation})).await;
    socket
}

/// One types and another sees it.
async fn types(typist: &mut Socket, looking: &mut Socket, conversation: &str) {
    typist.sends("typing:start", json!({"conversation_id": conversation})).await;
    let id = &typist.ready["user"]["id"];
    let is_theirs = |event: &Value| event["data"]["user_id"] == *id;
    looking.hears_where("typing:start", is_theirs).await;
}
