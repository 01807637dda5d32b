//! Many at once: one log, no gap, and the same order before all eyes.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{id, new_id, person::Person, server::TestServer, socket::Socket};

const WRITERS: usize = 16;
const MESSAGES: usize = 20;

#[tokio::test]
async fn sixteen_writers_share_one_log_and_every_socket_hears_it_in_order() {
    let server = TestServer::start().await;
    let (people, group) = crowd(&server).await;
    let sockets = join_all(people.iter().map(Person::socket)).await;

    let heard = join_all(sockets.into_iter().map(|mut socket| async {
        let acks = write(&mut socket, &group).await;
        (acks, hear_until(socket, (WRITERS * MESSAGES) as i64).await)
    }))
    .await;

    let (acks, heard): (Vec<_>, Vec<_>) = heard.into_iter().unzip();
    let mut acknowledged: Vec<_> = acks.iter().flatten().map(|message| message["seq"].as_i64()).collect();
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (1..=(WRITERS * MESSAGES) as i64).map(Some).collect::<Vec<_>>());
    for events in &heard {
        assert_eq!(seqs(events), (1..=(WRITERS * MESSAGES) as i64).collect::<Vec<_>>());
        assert_eq!(events, &heard[0], "all hear the same");
    }
    for own in acks {
        assert!(own.is_sorted_by_key(|message| message["seq"].as_i64()), "a sender's order is kept");
    }
}

#[tokio::test]
async fn what_answers_the_message_before_it_need_not_wait_for_it() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;
    let ids: Vec<_> = (0..MESSAGES).map(|_| new_id()).collect();

    for (nth, id) in ids.iter().enumerate() {
        let reply_to = nth.checked_sub(1).map(|before| &ids[before]);
        let data = json!({"conversation_id": group, "id": id, "body": "日".repeat(141 + nth), "reply_to": reply_to});
        socket.sends_frame(&json!({"type": "message:send", "ref": nth.to_string(), "data": data})).await;
    }

    for (nth, id) in ids.iter().enumerate() {
        let ack = socket.hears("ack").await;
        let stored = ada.get(&format!("/conversations/{group}/messages/{id}")).await.expect(200);
        assert_eq!(ack["data"], stored, "what is answered is shown as it is read later");
        assert_eq!(stored["reply_to"]["preview"], if nth == 0 { Value::Null } else { json!("日".repeat(140)) });
    }
}

#[tokio::test]
async fn messages_edits_deletions_members_and_settings_make_one_log_without_a_gap() {
    let server = TestServer::start().await;
    let (people, group) = crowd(&server).await;
    let guest = server.person("guest").await;
    let (owner, hearer) = (&people[0], people[1].socket().await);

    let talking = join_all(people[2..].iter().map(|person| async {
        for number in 0..8 {
            let message = person.says(&group, &format!("message {number}")).await;
            person.edits(&message, &format!("edited {number}")).await.expect(200);
            if number % 2 == 0 {
                person.deletes(&message, "everyone").await.expect(200);
            }
        }
    }));
    let ruling = async {
        for number in 0..8 {
            owner
                .patch(&format!("/conversations/{group}"), json!({"name": format!("Name {number}")}))
                .await
                .expect(200);
            owner.adds(&group, [&guest]).await.expect(201);
            owner.makes(&group, &guest, "admin").await.expect(200);
            owner.removes(&group, &guest).await.expect(204);
        }
    };
    tokio::join!(talking, ruling);

    let head = owner.sees(&group).await["head_seq"].as_i64().expect("a head is a number");
    assert_eq!(head, 14 * (8 + 8 + 4) + 8 * 8);
    assert_eq!(seqs(&hear_until(hearer, head).await), (1..=head).collect::<Vec<_>>());
}

#[tokio::test]
async fn fifty_identical_sends_at_once_are_one_message() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut sockets = join_all((0..25).map(|_| ada.socket())).await;
    let mut bobs = bob.socket().await;
    let message = json!({"id": new_id(), "body": "Once"});
    let mut command = message.clone();
    command["conversation_id"] = json!(direct);

    let over_sockets = join_all(sockets.iter_mut().map(|socket| socket.sends("message:send", command.clone())));
    let over_rest = join_all((0..25).map(|_| ada.sends(&direct, message.clone())));
    let (acks, replies) = tokio::join!(over_sockets, over_rest);

    let heard = bobs.hears("message:new").await;
    assert!(acks.iter().all(|ack| *ack == heard["data"]), "{acks:#?}");
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 201) && reply.body == heard["data"]));
    assert!(replies.iter().filter(|reply| reply.status == 201).count() <= 1);
    bobs.heard_nothing_where("it twice", |event| event["data"]["id"] == heard["data"]["id"]).await;
    assert_eq!(bob.sees(&direct).await["head_seq"], 1);
}

async fn crowd(server: &TestServer) -> (Vec<Person>, String) {
    let people = Person::all_register(&server.client, "writer", WRITERS).await;
    let others: Vec<_> = people[1..].iter().map(|person| &person.id).collect();
    let made = people[0].post("/conversations", json!({"kind": "group", "participant_ids": others})).await.expect(201);
    (people, id(&made).to_owned())
}

/// Sends without waiting in between, and answers with what the acks carried, in their order.
async fn write(socket: &mut Socket, conversation: &str) -> Vec<Value> {
    for number in 0..MESSAGES {
        let data = json!({"conversation_id": conversation, "id": new_id(), "body": format!("message {number}")});
        socket.sends_frame(&json!({"type": "message:send", "ref": number.to_string(), "data": data})).await;
    }
    let mut acks = Vec::new();
    for number in 0..MESSAGES {
        let mut ack = socket.hears_where("ack", |_| true).await;
        assert_eq!(ack["ref"], number.to_string());
        acks.push(ack["data"].take());
    }
    acks
}

/// Everything of the log that a socket hears up to a place in it.
async fn hear_until(mut socket: Socket, head: i64) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    while events.last().is_none_or(|event| event["seq"] != head) {
        events.push(socket.hears_any("of the log", |frame| frame["seq"].is_i64()).await);
    }
    events
}

fn seqs(events: &[Value]) -> Vec<i64> {
    events.iter().filter_map(|event| event["seq"].as_i64()).collect()
}
