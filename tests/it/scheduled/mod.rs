//! Messages to be sent later: sent once when their time has come, or refused.

mod files;
mod plans;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use colloquy::domain::clock::Clock;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::harness::{
    id, new_id, person::Person, postgres::Database, process::Process, reply::Reply, seq, server::TestServer, until,
    with,
};

/// So many seconds from now, by a node's clock.
fn after(node: &TestServer, seconds: i64) -> String {
    (node.clock.now() + Duration::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Plans words for a time.
async fn plans(person: &Person, conversation: &str, body: &str, time: &str) -> Value {
    let message = json!({"id": new_id(), "body": body, "scheduled_for": time});
    person.sends(conversation, message).await.expect(202)
}

async fn listed(person: &Person, query: &str) -> Value {
    person.get(&format!("/scheduled-messages{query}")).await.expect(200)
}

async fn changes(person: &Person, plan: &Value, change: Value) -> Reply {
    person.patch(&format!("/scheduled-messages/{}", id(plan)), change).await
}

async fn cancels(person: &Person, plan: &Value) -> Reply {
    person.delete(&format!("/scheduled-messages/{}", id(plan))).await
}

/// Waits until a plan is settled, and answers with it.
async fn settled(person: &Person, plan: &Value) -> Value {
    until("the plan is settled", async || {
        let plans = listed(person, "").await;
        let found = plans["items"].as_array()?.iter().find(|found| found["id"] == plan["id"])?;
        (found["state"] != "pending").then(|| found.clone())
    })
    .await
}

#[tokio::test]
async fn a_message_is_sent_at_its_time_and_not_before() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let first = ada.says(&group, "First").await;
    let (mut adas, mut bobs) = (ada.signs_in_again().await.socket().await, bob.socket().await);
    let message = json!({"id": new_id(), "body": "Later", "mentions": [bob.id], "metadata": {"a": 1},
                         "reply_to": id(&first), "expires_in": 60, "scheduled_for": after(&server, 30)});

    let reply = ada.sends(&group, message.clone()).await;

    insta::assert_json_snapshot!("plan", reply.shape());
    let plan = reply.expect(202);
    assert_eq!((&plan["id"], &plan["state"]), (&message["id"], &json!("pending")));
    assert_eq!(adas.hears("scheduled:updated").await["data"], plan);
    assert_eq!(listed(&ada, "").await["items"], json!([plan]));
    server.clock.advance(Duration::seconds(28));
    bobs.heard_nothing_in(&group).await;
    assert_eq!(ada.sees(&group).await["head_seq"], 1);

    server.clock.advance(Duration::seconds(2));

    let said = bobs.hears("message:new").await["data"].clone();
    assert_eq!((&said["id"], &said["sender_id"], seq(&said)), (&message["id"], &json!(ada.id), 2));
    assert_eq!((&said["body"], &said["mentions"]), (&json!("Later"), &json!([bob.id])));
    assert_eq!(said["reply_to"]["preview"], "First");
    assert!(said["expires_at"].is_string(), "its lifetime begins when it is sent: {said:#}");
    let sent = with(plan, json!({"state": "sent"}));
    assert_eq!(adas.hears("scheduled:sent").await["data"], sent);
    assert_eq!(listed(&ada, "?state=sent").await["items"], json!([sent]));
    assert_eq!(bob.sees(&group).await["unread"], 2);
    bobs.heard_nothing_where("anything of others' plans", |frame| {
        frame["type"].as_str().is_some_and(|name| name.starts_with("scheduled"))
    })
    .await;
}

#[tokio::test]
async fn a_socket_plans_as_rest_does() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.socket().await;
    let message =
        json!({"conversation_id": group, "id": new_id(), "body": "Later", "scheduled_for": after(&server, 30)});

    let plan = socket.sends("message:send", message.clone()).await;

    assert_eq!((&plan["id"], &plan["state"]), (&message["id"], &json!("pending")));
    assert_eq!(listed(&ada, "").await["items"], json!([plan]));
    let late = with(message, json!({"id": new_id(), "scheduled_for": after(&server, -60)}));
    assert_eq!(socket.is_refused("message:send", late).await["status"], 422);
    server.clock.advance(Duration::seconds(30));
    assert_eq!(socket.hears("message:new").await["data"]["id"], plan["id"]);
}

#[tokio::test]
async fn three_nodes_send_a_hundred_due_messages_once_each() {
    let nodes: [TestServer; 3] = TestServer::nodes().await;
    let [ada, bob] = nodes[0].people(["ada", "bob"]).await;
    let (group, direct) = (ada.opens_group_with([&bob]).await, ada.opens_direct_with(&bob).await);
    let (mut adas, mut bobs) = (ada.at(&nodes[1]).socket().await, bob.at(&nodes[2]).socket().await);
    let mut planned = Vec::new();
    for number in 0..100_usize {
        let (maker, place) = (ada.at(&nodes[number % 3]), if number % 2 == 0 { &group } else { &direct });
        planned.push(id(&plans(&maker, place, &format!("{number}"), &after(&nodes[0], 60)).await).to_owned());
    }
    ada.sends(&group, json!({"body": "One too many", "scheduled_for": after(&nodes[0], 60)}))
        .await
        .refused(409, "limit_reached");

    nodes.iter().for_each(|node| node.clock.advance(Duration::seconds(61)));

    let mut heard = Vec::new();
    for _ in 0..100 {
        heard.push(bobs.hears("message:new").await["data"]["id"].as_str().expect("it has one").to_owned());
        assert_eq!(adas.hears("scheduled:sent").await["data"]["state"], "sent");
    }
    heard.sort_unstable();
    planned.sort_unstable();
    assert_eq!(heard, planned);
    bobs.heard_nothing_of("message:new").await;
    adas.heard_nothing_of("scheduled:sent").await;
    assert_eq!(
        (ada.sees(&group).await["head_seq"].clone(), ada.sees(&direct).await["head_seq"].clone()),
        (json!(50), json!(50))
    );
    assert_eq!(listed(&ada, "?state=pending").await["items"], json!([]));
}

#[tokio::test]
async fn plans_survive_a_restart_and_a_node_that_is_gone() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let plan = plans(&ada, &group, "Later", &after(&server, 60)).await;

    let server = server.restarts().await;
    let ada = ada.at(&server);
    server.clock.advance(Duration::seconds(60));

    assert_eq!(settled(&ada, &plan).await["state"], "sent");
    assert_eq!(ada.words(&group).await, ["Later"]);
}

#[tokio::test]
async fn what_is_due_is_sent_within_a_second() {
    let (north, south) = TestServer::pair().await;
    let ada = north.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut socket = ada.at(&south).socket().await;

    let mut late = Vec::new();
    for number in 0..5 {
        // By the clock on the wall, which nobody moves.
        let time = north.clock.now() + Duration::milliseconds(700);
        let maker = ada.at(if number % 2 == 0 { &north } else { &south });
        plans(&maker, &group, "Now", &time.to_rfc3339_opts(SecondsFormat::Micros, true)).await;
        let said = socket.hears("message:new").await["data"].clone();
        let sent_at: DateTime<Utc> = said["created_at"].as_str().and_then(|at| at.parse().ok()).expect("it has a time");
        late.push(sent_at - time);
    }

    assert!(late.iter().all(|late| *late >= Duration::zero()), "nothing is sent before its time: {late:?}");
    // The best of some, since the machine may be busy with other tests.
    assert!(late.iter().min().is_some_and(|late| *late < Duration::seconds(1)), "{late:?}");
}

#[tokio::test]
async fn a_plan_outlives_a_crash_and_is_sent_once() {
    let database = Database::create().await;
    let variables = [("DATABASE_URL", database.url())];
    let (one, other) = (Process::start(&variables).await, Process::start(&variables).await);
    let ada = one.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let time = (Clock::default().now() + Duration::seconds(2)).to_rfc3339_opts(SecondsFormat::Micros, true);
    let plan = plans(&ada, &group, "Later", &time).await;
    one.kill().await;
    other.kill().await;

    let again = [Process::start(&variables).await, Process::start(&variables).await];

    let ada = ada.at(&again[0]);
    assert_eq!(settled(&ada, &plan).await["state"], "sent");
    assert_eq!(ada.words(&group).await, ["Later"]);
}

#[tokio::test]
async fn another_node_sends_what_its_own_node_left() {
    let [left, right]: [TestServer; 2] = TestServer::nodes().await;
    let ada = left.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let plan = plans(&ada, &group, "Later", &after(&left, 60)).await;
    left.stop().await;

    right.clock.advance(Duration::seconds(60));

    assert_eq!(settled(&ada.at(&right), &plan).await["state"], "sent");
}

#[tokio::test]
async fn what_was_sent_but_not_marked_is_found_to_be_sent() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let plan = plans(&ada, &group, "Once", &after(&server, 60)).await;
    let other = plans(&ada, &group, "Mine", &after(&server, 60)).await;

    // As a node would have done that died right after it had sent the one.
    ada.sends(&group, json!({"id": id(&plan), "body": "Once"})).await.expect(201);
    ada.sends(&group, json!({"id": id(&other), "body": "Something else"})).await.expect(201);
    cancels(&ada, &plan).await.refused(409, "not_pending");
    changes(&ada, &plan, json!({"body": "Twice"})).await.refused(409, "not_pending");
    server.clock.advance(Duration::seconds(60));

    assert_eq!(settled(&ada, &plan).await["state"], "sent");
    let failed = settled(&ada, &other).await;
    assert_eq!((&failed["state"], &failed["error"]["code"]), (&json!("failed"), &json!("idempotency_mismatch")));
    assert_eq!(ada.words(&group).await, ["Once", "Something else"]);
}

#[tokio::test]
async fn rights_are_decided_when_the_time_has_come() {
    let server = TestServer::start().await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob, &carol]).await;
    let (direct, closed) = (bob.opens_direct_with(&ada).await, ada.opens_group_with([&bob]).await);
    let time = after(&server, 60);
    let removed = plans(&bob, &group, "I was removed", &time).await;
    let blocked = plans(&bob, &direct, "I was blocked", &time).await;
    let deleted = plans(&bob, &closed, "It was deleted", &time).await;
    let mention = json!({"body": "@carol", "mentions": [carol.id], "scheduled_for": time});
    let mentioning = ada.sends(&group, mention).await.expect(202);
    let (mut bobs, mut adas) = (bob.socket().await, ada.socket().await);
    ada.removes(&group, &bob).await.expect(204);
    ada.removes(&group, &carol).await.expect(204);
    ada.blocks(&bob).await.expect(200);
    ada.delete(&format!("/conversations/{closed}")).await.expect(204);

    server.clock.advance(Duration::seconds(60));

    let mut reasons = Vec::new();
    for plan in [&removed, &blocked, &deleted] {
        let told =
            bobs.hears_where("scheduled:failed", |event| event["data"]["id"] == plan["id"]).await["data"].clone();
        assert_eq!((&told["state"], &told), (&json!("failed"), &settled(&bob, plan).await));
        reasons.push(told["error"]["code"].as_str().expect("it says why").to_owned());
    }
    assert_eq!(reasons, ["not_found", "not_allowed", "not_found"]);
    assert_eq!(adas.hears("scheduled:failed").await["data"]["error"]["code"], "validation_failed");
    assert_eq!(settled(&ada, &mentioning).await["state"], "failed");
    assert_eq!(ada.words(&direct).await, [] as [&str; 0]);
    adas.heard_nothing_where("bob", |frame| frame["data"]["sender_id"] == bob.id).await;
}

#[tokio::test]
async fn who_left_and_came_back_sends_what_they_planned() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let plan = plans(&bob, &group, "I am back", &after(&server, 60)).await;
    bob.removes(&group, &bob).await.expect(204);
    ada.adds(&group, [&bob]).await.expect(201);

    server.clock.advance(Duration::seconds(60));

    assert_eq!(settled(&bob, &plan).await["state"], "sent");
}

#[tokio::test]
async fn a_deleted_account_sends_nothing_more() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = bob.opens_direct_with(&ada).await;
    plans(&bob, &direct, "From nobody", &after(&server, 60)).await;
    let other = plans(&ada, &direct, "From somebody", &after(&server, 60)).await;
    bob.delete("/users/me").await.expect(204);

    server.clock.advance(Duration::seconds(60));

    settled(&ada, &other).await;
    assert_eq!(ada.words(&direct).await, ["From somebody"]);
    let kept: i64 = sqlx::query_scalar("select count(*) from scheduled_messages where draft::text like '%nobody%'")
        .fetch_one(&mut server.database.connect().await)
        .await
        .expect("the table is there");
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_plan_counts_against_the_limits_when_it_is_made_and_not_again() {
    let server = TestServer::with(|settings| settings.messages_per_minute = 3).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut planned = Vec::new();
    for number in 0..3 {
        planned.push(plans(&ada, &group, &number.to_string(), &after(&server, 1)).await);
    }

    let more = json!({"body": "More", "scheduled_for": after(&server, 1)});
    ada.sends(&group, more).await.refused(429, "rate_limited");
    server.clock.advance(Duration::seconds(1));

    for plan in &planned {
        assert_eq!(settled(&ada, plan).await["state"], "sent");
    }
}

#[tokio::test]
async fn cancelling_and_sending_at_once_ends_in_one_of_the_two() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut sent = 0;

    for round in 0..12 {
        let plan = plans(&ada, &group, "Perhaps", &after(&server, 5)).await;
        server.clock.advance(Duration::milliseconds(4_990));
        let (cancelled, ()) = join(cancels(&ada, &plan), async {
            server.clock.advance(Duration::milliseconds(10));
        })
        .await;

        let now = settled(&ada, &plan).await;
        match cancelled.status {
            204 => assert_eq!(now["state"], "cancelled", "round {round}"),
            _ => {
                cancelled.refused(409, "not_pending");
                assert_eq!(now["state"], "sent", "round {round}");
                sent += 1;
            }
        }
        assert_eq!(bob.words(&group).await.len(), sent, "round {round}");
    }
}

#[tokio::test]
async fn a_tombstones_words_are_gone_from_its_plan() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let message = json!({"id": new_id(), "body": "Secret", "expires_in": 5, "scheduled_for": after(&server, 60)});
    let plan = ada.sends(&group, message).await.expect(202);
    server.clock.advance(Duration::seconds(60));
    settled(&ada, &plan).await;

    server.clock.advance(Duration::seconds(5));

    until("the plan has no words any more", async || {
        (listed(&ada, "").await["items"][0]["draft"]["body"] == Value::Null).then_some(())
    })
    .await;
    assert_eq!(ada.words(&group).await, ["(deleted)"]);
}

#[tokio::test]
async fn what_was_deleted_before_its_plan_was_marked_leaves_no_words_in_it() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let mut bobs = bob.socket().await;
    // As a node would have done that died right after it had sent the one.
    let early = plans(&ada, &group, "Secret", &after(&server, 60)).await;
    let sent = ada.sends(&group, json!({"id": id(&early), "body": "Secret"})).await.expect(201);
    ada.deletes(&sent, "everyone").await.expect(200);
    let mut all = vec![early];
    for _ in 0..10 {
        all.push(plans(&ada, &group, "Secret", &after(&server, 60)).await);
    }
    bobs.hears("message:new").await;

    server.clock.advance(Duration::seconds(60));
    // While the node has yet to write down that it sent them.
    for _ in 0..10 {
        let said = bobs.hears("message:new").await["data"].clone();
        ada.deletes(&said, "everyone").await.expect(200);
    }

    for plan in &all {
        let settled = settled(&ada, plan).await;
        assert_eq!((&settled["state"], &settled["draft"]["body"]), (&json!("sent"), &Value::Null));
    }
}
