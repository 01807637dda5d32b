//! How much of anything there may be, and how often.

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    client::perform,
    new_id,
    person::Person,
    reply::Reply,
    server::{PASSWORD, TestServer},
    until,
};

async fn logs_in(server: &TestServer, username: &str, password: &str, from: &str) -> Reply {
    let request = server.client.ask(Method::POST, "/auth/login").header("x-forwarded-for", from);
    perform(request.json(&json!({"username": username, "password": password}))).await
}

/// Asserts that a reply says how often, and when again.
#[track_caller]
fn is_limited(reply: Reply, quota: u32) {
    let seconds: u64 = reply.header("retry-after").parse().unwrap_or_default();
    assert!(seconds >= 1, "{reply}");
    assert_eq!(reply.header("ratelimit-limit"), quota.to_string(), "{reply}");
    assert_eq!(reply.header("ratelimit-remaining"), "0", "{reply}");
    assert!(reply.header("ratelimit-reset").parse::<u64>().is_ok(), "{reply}");
    let problem = reply.refused(429, "rate_limited");
    assert_eq!((&problem["retryable"], &problem["retry_after"]), (&json!(true), &json!(seconds)));
    let says = problem["detail"].to_string();
    assert!(says.contains(&format!("try again in {seconds} s.")), "{says}");
}

#[tokio::test]
async fn limits_are_there_to_be_read() {
    let server = TestServer::with(|settings| {
        settings.messages_per_minute = 30;
        settings.conversations_per_hour = 10;
        settings.logins_per_minute = 10;
    })
    .await;
    let ada = server.person("ada").await;

    insta::assert_json_snapshot!("limits", ada.get("/limits").await.shape());
}

#[tokio::test]
async fn a_person_sends_so_many_messages_a_minute() {
    let server = TestServer::with(|settings| settings.messages_per_minute = 5).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let (group, other) = (ada.opens_group_with([&bob]).await, ada.opens_group_with([]).await);
    let mut socket = ada.socket().await;
    let first = json!({"id": new_id(), "body": "0"});
    ada.sends(&group, first.clone()).await.expect(201);
    for number in 1..5 {
        ada.says(&group, &number.to_string()).await;
    }

    is_limited(ada.sends(&group, json!({"body": "One too many"})).await, 5);
    is_limited(ada.sends(&other, json!({"body": "Elsewhere too"})).await, 5);
    let over_socket = json!({"conversation_id": group, "body": "And here"});
    let problem = socket.is_refused("message:send", over_socket).await;
    assert_eq!((&problem["status"], &problem["code"]), (&json!(429), &json!("rate_limited")));

    ada.sends(&group, first).await.expect(200);
    bob.says(&group, "I am another").await;
    assert_eq!(ada.sees(&group).await["head_seq"], 6);
}

#[tokio::test]
async fn each_sort_of_act_has_a_limit_of_its_own() {
    let server = TestServer::with(|settings| {
        (settings.edits_per_minute, settings.reactions_per_minute) = (1, 2);
        settings.searches_per_minute = 3;
    })
    .await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = ada.says(&group, "One").await;

    ada.edits(&said, "Two").await.expect(200);
    is_limited(ada.edits(&said, "Three").await, 1);
    for emoji in ["👍", "👎"] {
        ada.reacts(&said, emoji).await.expect(200);
    }
    is_limited(ada.reacts(&said, "🎉").await, 2);
    for _ in 0..3 {
        ada.get("/search/messages?q=two").await.expect(200);
    }
    is_limited(ada.get("/search/messages?q=two").await, 3);

    ada.says(&group, "None of these counts for another").await;
    bob.reacts(&said, "👍").await.expect(200);
}

#[tokio::test]
async fn settings_members_and_pins_are_changed_so_often_a_minute_and_anybody_may_leave() {
    let server = TestServer::with(|settings| settings.changes_per_minute = 5).await;
    let [ada, bob, carol] = server.people(["ada", "bob", "carol"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = ada.says(&group, "Hello").await;
    let place = format!("/conversations/{group}");
    ada.patch(&place, json!({"name": "x".repeat(121)})).await.refused_for("name");

    ada.adds(&group, [&carol]).await.expect(201);
    ada.makes(&group, &carol, "admin").await.expect(200);
    ada.removes(&group, &carol).await.expect(204);
    ada.pins(&said).await.expect(200);
    ada.patch(&place, json!({"name": "Friends"})).await.expect(200);
    // What changes nothing counts for nothing.
    ada.patch(&place, json!({"name": "Friends"})).await.expect(200);
    ada.pins(&said).await.expect(200);

    is_limited(ada.unpins(&said).await, 5);
    is_limited(ada.patch(&place, json!({"name": "Foes"})).await, 5);
    is_limited(ada.adds(&group, [&carol]).await, 5);
    is_limited(ada.makes(&group, &bob, "admin").await, 5);
    is_limited(ada.removes(&group, &bob).await, 5);
    ada.says(&group, "Nothing else is counted in").await;
    ada.removes(&group, &ada).await.expect(204);
    bob.unpins(&said).await.expect(204);
}

#[tokio::test]
async fn ones_own_matters_are_changed_so_often_a_minute() {
    let server = TestServer::with(|settings| settings.changes_per_minute = 4).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let preferences = format!("/conversations/{group}/preferences");

    ada.patch(&preferences, json!({"draft": "Dear Bob"})).await.expect(200);
    ada.patch("/users/me", json!({"display_name": "Ada L."})).await.expect(200);
    ada.blocks(&bob).await.expect(200);
    ada.delete(&format!("/blocks/{}", bob.id)).await.expect(204);
    // What changes nothing counts for nothing.
    ada.patch(&preferences, json!({"draft": "Dear Bob"})).await.expect(200);
    ada.delete(&format!("/blocks/{}", bob.id)).await.expect(204);

    is_limited(ada.patch(&preferences, json!({"draft": "Dear"})).await, 4);
    is_limited(ada.patch("/users/me", json!({"display_name": "Ada"})).await, 4);
    is_limited(ada.blocks(&bob).await, 4);
}

#[tokio::test]
async fn tickets_are_given_out_so_often_whatever_the_settings_say() {
    let server = TestServer::with(|settings| settings.logins_per_minute = 0).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;

    let mut given = 0;
    let refused = loop {
        let reply = ada.post("/auth/ticket", json!({})).await;
        if reply.status != 200 {
            break reply;
        }
        given += 1;
        assert!(given < 400, "the limit of 120 a minute was never reached");
    };

    assert!(given >= 120, "{given}");
    is_limited(refused, 120);
    bob.post("/auth/ticket", json!({})).await.expect(200);
}

#[tokio::test]
async fn strangers_who_try_to_sign_in_do_not_keep_an_owner_from_changing_the_password() {
    let server = TestServer::with(|settings| settings.logins_per_minute = 3).await;
    let ada = server.person("ada").await;
    for _ in 0..5 {
        server.client.post("/auth/login", json!({"username": "ada", "password": "a bold guess"})).await;
    }

    let change = json!({"current_password": PASSWORD, "new_password": "a better password"});
    ada.post("/auth/password", change).await.expect(204);
    for _ in 0..2 {
        let wrong = json!({"current_password": "a bold guess", "new_password": "a worse password"});
        ada.post("/auth/password", wrong).await.refused_for("current_password");
    }
    ada.post("/auth/password", json!({"current_password": "x", "new_password": "a worse password"}))
        .await
        .refused(429, "rate_limited");
}

#[tokio::test]
async fn who_waits_may_send_again() {
    let server = TestServer::with(|settings| settings.messages_per_minute = 120).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let mut sent = 0;
    while ada.sends(&group, json!({"body": "More"})).await.status == 201 {
        sent += 1;
        assert!(sent < 200, "the limit of 120 a minute was never reached");
    }

    until("a message is let in again", async || {
        (ada.sends(&group, json!({"body": "Again"})).await.status == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn refused_messages_do_not_count() {
    let server = TestServer::with(|settings| settings.messages_per_minute = 2).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for _ in 0..5 {
        ada.sends(&group, json!({"body": ""})).await.refused_for("body");
    }

    ada.says(&group, "One").await;
    ada.says(&group, "Two").await;
}

#[tokio::test]
async fn a_person_makes_so_many_conversations_an_hour_and_finds_any_number() {
    let server = TestServer::with(|settings| settings.conversations_per_hour = 2).await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    ada.opens_group_with([]).await;

    is_limited(ada.post("/conversations", json!({"kind": "group"})).await, 2);
    assert_eq!(ada.opens_direct_with(&bob).await, direct);
    bob.opens_group_with([]).await;
    ada.post("/conversations", json!({"kind": "group"})).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn an_account_is_tried_so_often_a_minute_wherever_from() {
    let server = TestServer::with(|settings| {
        settings.logins_per_minute = 3;
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("it is a network")];
    })
    .await;
    server.people(["ada", "bob"]).await;
    for number in 0..3 {
        let from = format!("198.51.100.{number}");
        logs_in(&server, "ada", "not the password", &from).await.refused(401, "bad_credentials");
    }

    is_limited(logs_in(&server, "ADA", PASSWORD, "198.51.100.9").await, 3);
    logs_in(&server, "bob", PASSWORD, "198.51.100.10").await.expect(200);
}

#[tokio::test]
async fn an_address_tries_so_often_a_minute_whatever_account() {
    let server = TestServer::with(|settings| {
        settings.logins_per_minute = 3;
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("it is a network")];
    })
    .await;
    server.person("ada").await;
    for name in ["nobody", "somebody", "anybody"] {
        logs_in(&server, name, "not the password", "198.51.100.1").await.refused(401, "bad_credentials");
    }

    is_limited(logs_in(&server, "ada", PASSWORD, "198.51.100.1").await, 3);
    logs_in(&server, "ada", PASSWORD, "198.51.100.2").await.expect(200);
}

#[tokio::test]
async fn an_address_makes_so_many_accounts_a_minute() {
    let server = TestServer::with(|settings| {
        settings.registrations_per_minute = 3;
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("it is a network")];
    })
    .await;
    let registers = async |name: &str, from: &str| {
        let body = json!({"username": name, "password": PASSWORD});
        let request = server.client.ask(Method::POST, "/auth/register").header("x-forwarded-for", from);
        perform(request.json(&body)).await
    };
    for name in ["ada", "bob", "carol"] {
        registers(name, "198.51.100.1").await.expect(201);
    }

    is_limited(registers("dave", "198.51.100.1").await, 3);
    registers("dave", "198.51.100.2").await.expect(201);
    logs_in(&server, "ada", PASSWORD, "198.51.100.1").await.expect(200);
}

#[tokio::test]
async fn who_has_an_account_gets_in_however_many_are_registering() {
    let server = TestServer::start().await;
    server.person("ada").await;
    let mut crowd: FuturesUnordered<_> = (0..100)
        .map(|number| {
            let body = json!({"username": format!("new{number}"), "password": PASSWORD});
            server.client.post("/auth/register", body)
        })
        .collect();
    crowd.next().await.expect("somebody comes first").expect(201);

    logs_in(&server, "ada", PASSWORD, "198.51.100.1").await.expect(200);
    let rest: Vec<_> = crowd.map(|reply| reply.status).collect().await;
    assert!(rest.contains(&201), "they were still registering: {rest:?}");
}

#[tokio::test]
async fn nobody_escapes_by_pretending_to_be_elsewhere() {
    let server = TestServer::with(|settings| settings.logins_per_minute = 3).await;
    server.person("ada").await;
    for number in 0..3 {
        let from = format!("198.51.100.{number}");
        logs_in(&server, &format!("nobody{number}"), "not the password", &from).await.refused_with(401);
    }

    is_limited(logs_in(&server, "ada", PASSWORD, "198.51.100.99").await, 3);
}

#[tokio::test]
async fn limits_hold_across_nodes() {
    let (north, south) = TestServer::pair_with(|settings| settings.messages_per_minute = 6).await;
    let ada = north.person("ada").await;
    let there = ada.at(&south);
    let group = ada.opens_group_with([]).await;

    let mut statuses = Vec::new();
    for turn in 0..12 {
        let sender: &Person = if turn % 2 == 0 { &ada } else { &there };
        statuses.push(sender.sends(&group, json!({"body": "Hello"})).await.status);
    }

    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 6, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 6, "{statuses:?}");
}

#[tokio::test]
async fn neither_retries_nor_refusals_count_whichever_node_they_are_sent_to() {
    let (north, south) = TestServer::pair_with(|settings| settings.messages_per_minute = 3).await;
    let ada = north.person("ada").await;
    let (there, group) = (ada.at(&south), ada.opens_group_with([]).await);
    let first = json!({"id": new_id(), "body": "One"});
    ada.sends(&group, first.clone()).await.expect(201);

    for caller in [&ada, &there] {
        for _ in 0..3 {
            caller.sends(&group, first.clone()).await.expect(200);
            caller.sends(&group, json!({"body": "Re", "reply_to": new_id()})).await.refused_for("reply_to");
            caller.sends(&new_id(), json!({"body": "Hello?"})).await.refused(404, "not_found");
        }
    }

    there.says(&group, "Two").await;
    ada.says(&group, "Three").await;
    is_limited(there.sends(&group, json!({"body": "Four"})).await, 3);
    there.sends(&group, first).await.expect(200);
}

#[tokio::test]
async fn many_sends_at_once_are_let_in_up_to_the_limit_and_no_further() {
    let (north, south) = TestServer::pair_with(|settings| settings.messages_per_minute = 10).await;
    let ada = north.person("ada").await;
    let (there, group) = (ada.at(&south), ada.opens_group_with([]).await);

    let callers = (0..40).map(|turn| if turn % 2 == 0 { &ada } else { &there });
    let replies = join_all(callers.map(|caller| caller.sends(&group, json!({"body": "Hello"})))).await;

    let with = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!((with(201), with(429)), (10, 30));
    assert_eq!(ada.sees(&group).await["head_seq"], 10);
}

#[tokio::test]
async fn a_limit_of_zero_is_none() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for number in 0..40 {
        ada.says(&group, &number.to_string()).await;
    }

    assert_eq!(ada.get("/limits").await.expect(200)["rates"]["messages_per_minute"], 0);
    let last: Value = ada.history(&group).await.pop().expect("there are some");
    assert_eq!(last["body"], "39");
}
