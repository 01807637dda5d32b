//! Plans before their time has come: made, changed, cancelled, and found again.

use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{after, cancels, changes, listed, plans, settled};
use crate::harness::{each, id, new_id, school::School, server::TestServer, with};

#[tokio::test]
async fn a_retry_finds_the_plan_whatever_became_of_it() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([]).await);
    let message = json!({"id": new_id(), "body": "Once", "scheduled_for": after(&server, 60)});

    let replies = join_all((0..20).map(|_| ada.sends(&group, message.clone()))).await;

    let plan = replies[0].clone().expect(202);
    assert!(replies.iter().all(|reply| reply.status == 202 && reply.body == plan), "{replies:#?}");
    for (place, field, value) in [
        (&group, "body", json!("Twice")),
        (&group, "expires_in", json!(60)),
        (&group, "scheduled_for", json!(after(&server, 90))),
        (&other, "body", json!("Once")),
    ] {
        ada.sends(place, with(message.clone(), json!({field: value}))).await.refused(409, "idempotency_mismatch");
    }
    assert_eq!(bob.sends(&group, with(message.clone(), json!({"body": "Mine"}))).await.expect(202)["state"], "pending");
    changes(&ada, &plan, json!({"body": "Changed"})).await.expect(200);
    assert_eq!(ada.sends(&group, message.clone()).await.expect(202)["draft"]["body"], "Changed");

    server.clock.advance(Duration::seconds(120));
    settled(&ada, &plan).await;
    assert_eq!(ada.sends(&group, message).await.expect(202)["state"], "sent");
    let taken = ada.says(&group, "Said").await;
    let later = json!({"id": id(&taken), "body": "Said", "scheduled_for": after(&server, 60)});
    ada.sends(&group, later).await.refused(409, "idempotency_mismatch");
}

#[tokio::test]
async fn only_what_might_be_sent_is_planned() {
    let server = TestServer::start().await;
    let [ada, bob, eve] = server.people(["ada", "bob", "eve"]).await;
    let (group, direct) = (ada.opens_group_with([&bob]).await, ada.opens_direct_with(&bob).await);
    let later = |fields: Value| with(json!({"body": "Later", "scheduled_for": after(&server, 60)}), fields);

    for (seconds, is_taken) in [(-3_600, false), (-60, false), (365 * 86_400 - 60, true), (366 * 86_400, false)] {
        let reply = ada.sends(&group, later(json!({"scheduled_for": after(&server, seconds)}))).await;
        if is_taken { _ = reply.expect(202) } else { _ = reply.refused_for("scheduled_for") }
    }
    ada.sends(&group, later(json!({"scheduled_for": "tomorrow"}))).await.refused_with(422);
    ada.sends(&group, later(json!({"body": ""}))).await.refused_for("body");
    ada.sends(&group, later(json!({"mentions": [eve.id]}))).await.refused_for("mentions");
    ada.sends(&group, later(json!({"reply_to": new_id()}))).await.refused_for("reply_to");
    eve.sends(&group, later(json!({}))).await.refused(404, "not_found");
    bob.blocks(&ada).await.expect(200);
    ada.sends(&direct, later(json!({}))).await.refused(403, "not_allowed");

    assert_eq!(each(&listed(&ada, "").await, "state").len(), 1);
    assert_eq!(listed(&eve, "").await["items"], json!([]));
}

#[tokio::test]
async fn the_rules_hold_for_what_is_planned_and_once_more_when_it_is_sent() {
    let school = School::open().await;
    let [ann, carl, _] = school.staff().await;
    let direct = carl.opens_direct_with(&ann).await;
    let time = after(&school.server, 60);
    let plan = plans(&carl, &direct, "Write to carl@example.com", &time).await;
    let changed = changes(&carl, &plan, json!({"body": "Or call +1 (555) 123-4567"})).await.expect(200);
    school.makes(&ann, "coach").await;

    let later = json!({"body": "Later", "scheduled_for": time});
    let refused = carl.sends(&direct, later).await.refused(403, "against_rules");
    school.server.clock.advance(Duration::seconds(60));

    assert_eq!((&plan["draft"]["body"], &changed["draft"]["body"]), (&json!("Write to •••"), &json!("Or call •••")));
    assert_eq!(refused["rule"], "direct");
    let failed = settled(&carl, &plan).await;
    assert_eq!((&failed["state"], &failed["error"]["code"]), (&json!("failed"), &json!("against_rules")));
    assert_eq!(ann.words(&direct).await, [] as [&str; 0]);
}

#[tokio::test]
async fn everybody_is_mentioned_later_by_whoever_may() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let time = after(&server, 60);
    let all = json!({"body": "All", "mentions_all": true, "scheduled_for": time});
    bob.sends(&group, all.clone()).await.refused(403, "insufficient_role");
    let bobs = plans(&bob, &group, "Some", &time).await;
    changes(&bob, &bobs, json!({"mentions_all": true})).await.refused(403, "insufficient_role");
    let plan = ada.sends(&group, all).await.expect(202);
    assert_eq!(plan["draft"]["mentions_all"], true);

    server.clock.advance(Duration::seconds(60));

    settled(&ada, &plan).await;
    settled(&bob, &bobs).await;
    assert_eq!(bob.sees(&group).await["mentions"], 1);
}

#[tokio::test]
async fn a_plan_is_changed_until_it_is_sent() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let plan = plans(&ada, &group, "Tomorrow", &after(&server, 600)).await;
    let mut adas = ada.socket().await;

    let earlier = after(&server, 30);
    let change = json!({"body": "Today", "scheduled_for": earlier, "mentions": [bob.id, bob.id], "metadata": {"a": 1}});
    let changed = changes(&ada, &plan, change).await.expect(200);

    assert_eq!((&changed["draft"]["body"], &changed["draft"]["mentions"]), (&json!("Today"), &json!([bob.id])));
    assert_eq!(adas.hears("scheduled:updated").await["data"], changed);
    let cleared = changes(&ada, &plan, json!({"metadata": null})).await.expect(200);
    assert_eq!(cleared["draft"]["metadata"], Value::Null);
    assert_eq!(adas.hears("scheduled:updated").await["data"], cleared);
    assert_eq!(changes(&ada, &plan, json!({"body": "Today"})).await.expect(200), cleared);
    adas.heard_nothing_of("scheduled:updated").await;
    changes(&ada, &plan, json!({"body": null})).await.refused_for("body");
    changes(&ada, &plan, json!({"scheduled_for": after(&server, -60)})).await.refused_for("scheduled_for");
    changes(&ada, &plan, json!({"scheduled_for": null})).await.refused_for("scheduled_for");
    changes(&ada, &plan, json!({"location": {"latitude": 1, "longitude": 1}})).await.refused_for("location");
    changes(&bob, &plan, json!({"body": "Mine"})).await.refused(404, "not_found");

    server.clock.advance(Duration::seconds(30));

    settled(&ada, &plan).await;
    assert_eq!(bob.words(&group).await, ["Today"]);
    changes(&ada, &plan, json!({"body": "Yesterday"})).await.refused(409, "not_pending");
}

#[tokio::test]
async fn what_is_cancelled_is_not_sent() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let time = after(&server, 60);
    let (never, always) = (plans(&ada, &group, "Never", &time).await, plans(&ada, &group, "Always", &time).await);
    let mut adas = ada.socket().await;

    cancels(&bob, &never).await.refused(404, "not_found");
    cancels(&ada, &never).await.expect(204);

    let told = adas.hears("scheduled:updated").await["data"].clone();
    assert_eq!(told, with(never.clone(), json!({"state": "cancelled"})));
    cancels(&ada, &never).await.expect(204);
    adas.heard_nothing_of("scheduled:updated").await;
    server.clock.advance(Duration::seconds(60));
    assert_eq!(settled(&ada, &always).await["state"], "sent");
    assert_eq!(bob.words(&group).await, ["Always"]);
    cancels(&ada, &always).await.refused(409, "not_pending");
    changes(&ada, &never, json!({"body": "Now"})).await.refused(409, "not_pending");
    cancels(&ada, &json!({"id": new_id()})).await.refused(404, "not_found");
}

#[tokio::test]
async fn plans_are_listed_by_their_times_page_by_page() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, direct) = (ada.opens_group_with([&bob]).await, ada.opens_direct_with(&bob).await);
    for (number, minutes) in [(2, 20), (4, 40), (1, 10), (3, 20)] {
        let place = if number == 4 { &direct } else { &group };
        plans(&ada, place, &number.to_string(), &after(&server, minutes * 60)).await;
    }
    plans(&bob, &group, "Mine", &after(&server, 60)).await;

    let mut bodies = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = listed(&ada, &query).await;
        bodies.push(page["items"][0]["draft"]["body"].as_str().expect("it has words").to_owned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=1&cursor={cursor}");
    }

    assert_eq!(bodies, ["1", "2", "3", "4"]);
    assert_eq!(each(&listed(&ada, &format!("?conversation_id={direct}")).await, "conversation_id"), [direct.as_str()]);
    assert_eq!(each(&listed(&ada, "?state=cancelled").await, "id"), [] as [&Value; 0]);
    ada.get("/scheduled-messages?cursor=1").await.refused(400, "bad_request");
    ada.get("/scheduled-messages?state=lost").await.refused_with(400);
}

#[tokio::test]
async fn own_devices_learn_of_plans_by_sync() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let before = ada.syncs(json!({})).await["own_cursor"].clone();
    let plan = plans(&ada, &group, "Later", &after(&server, 60)).await;
    let never = plans(&ada, &group, "Never", &after(&server, 60)).await;
    cancels(&ada, &never).await.expect(204);

    let missed = ada.syncs(json!({"own_cursor": before})).await;
    let whole = ada.syncs(json!({})).await;

    let states = |own: &Value| each(&own["own"]["scheduled"], "state").into_iter().cloned().collect::<Vec<_>>();
    assert_eq!((states(&missed), states(&whole)), (vec![json!("pending")], vec![json!("pending")]));
    assert_eq!(whole["own"]["scheduled"][0], plan);
    assert_eq!(bob.syncs(json!({})).await["own"]["scheduled"], json!([]));
    server.clock.advance(Duration::seconds(60));
    settled(&ada, &plan).await;
    let since = ada.syncs(json!({"own_cursor": whole["own_cursor"]})).await;
    assert_eq!(since["own"]["scheduled"], json!([with(plan, json!({"state": "sent"}))]));
    assert_eq!(ada.syncs(json!({})).await["own"]["scheduled"], json!([]));
}
