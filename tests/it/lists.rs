//! The list of one's conversations: its order, its pages, its filters, and what it costs.

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::harness::{each, new_id, person::Person, server::TestServer};

async fn lists(person: &Person, query: &str) -> Vec<String> {
    let list = person.get(&format!("/conversations{query}")).await.expect(200);
    each(&list, "id").iter().map(|id| id.as_str().expect("an id is text").to_owned()).collect()
}

async fn prefers(person: &Person, conversation: &str, preferences: Value) {
    person.patch(&format!("/conversations/{conversation}/preferences"), preferences).await.expect(200);
}

/// Some groups of one person, the newest activity last.
async fn groups<const N: usize>(person: &Person) -> [String; N] {
    let mut groups = Vec::new();
    for number in 0..N {
        groups.push(person.opens_group([], json!({"name": format!("Group {number}")})).await);
    }
    groups.try_into().expect("as many as asked for")
}

#[tokio::test]
async fn what_was_talked_in_last_comes_first() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let [first, second, third] = groups(&ada).await;
    assert_eq!(lists(&ada, "").await, [third.clone(), second.clone(), first.clone()]);

    let message = ada.says(&first, "Hello").await;
    ada.says(&second, "Hello").await;

    assert_eq!(lists(&ada, "").await, [second.clone(), first.clone(), third.clone()]);
    ada.deletes(&message, "me").await.expect(200);
    ada.reads(&third).await;
    assert_eq!(lists(&ada, "").await, [second, first, third]);
}

#[tokio::test]
async fn pinned_ones_stay_on_top() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let [first, second, third] = groups(&ada).await;

    prefers(&ada, &first, json!({"pinned": true})).await;
    ada.says(&second, "Hello").await;

    assert_eq!(lists(&ada, "").await, [first.clone(), second.clone(), third.clone()]);
    prefers(&ada, &first, json!({"pinned": false})).await;
    assert_eq!(lists(&ada, "").await, [second, third, first]);
}

#[tokio::test]
async fn archived_ones_are_listed_when_asked_for() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let [first, second] = groups(&ada).await;

    prefers(&ada, &first, json!({"archived": true})).await;

    assert_eq!(lists(&ada, "").await, [second.as_str()]);
    assert_eq!(lists(&ada, "?archived=false").await, [second.as_str()]);
    assert_eq!(lists(&ada, "?archived=true").await, [first.as_str()]);
    assert_eq!(ada.sees(&first).await["id"], first.as_str());
}

#[tokio::test]
async fn pages_hold_everything_once_even_while_people_talk() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let all: [String; 7] = groups(&ada).await;
    prefers(&ada, &all[2], json!({"pinned": true})).await;
    prefers(&ada, &all[4], json!({"pinned": true})).await;

    let mut seen: Vec<Value> = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = ada.get(&format!("/conversations{query}")).await.expect(200);
        assert!(each(&page, "id").len() <= 3, "{page:#}");
        seen.extend(each(&page, "id").into_iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=3&cursor={cursor}");
    }

    let (mut wanted, mut found) = (json!(all).as_array().expect("a list").clone(), seen.clone());
    wanted.sort_by_key(ToString::to_string);
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, wanted);
    assert_eq!(seen[2..], [&all[6], &all[5], &all[3], &all[1], &all[0]].map(|id| json!(id)));
}

#[tokio::test]
async fn kinds_categories_and_unread_ones_can_be_asked_for() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let plain = ada.opens_group_with([&bob]).await;
    let batch = ada.opens_group([&bob], json!({"category": "batch"})).await;
    bob.says(&plain, "Hello").await;

    assert_eq!(lists(&ada, "?kind=direct").await, [direct.as_str()]);
    assert_eq!(lists(&ada, "?kind=group").await, [plain.as_str(), batch.as_str()]);
    assert_eq!(lists(&ada, "?category=batch").await, [batch.as_str()]);
    assert_eq!(lists(&ada, "?category=other").await, [] as [&str; 0]);
    assert_eq!(lists(&ada, "?unread=true").await, [plain.as_str()]);
    assert_eq!(lists(&ada, "?unread=false").await, [batch.as_str(), direct.as_str()]);
    assert_eq!(lists(&ada, "?unread=true&kind=direct").await, [] as [&str; 0]);
    ada.get("/conversations?kind=channel").await.refused_with(400);
    ada.get("/conversations?cursor=nonsense").await.refused_with(400);
    ada.get("/conversations?limit=0").await.refused_for("limit");
    ada.get("/conversations?limit=101").await.refused_for("limit");
}

#[tokio::test]
async fn a_cursor_that_nobody_was_given_is_refused_whatever_it_says() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let (far, id) = ("-300000000000000000", new_id());

    for path in [
        format!("/conversations?cursor=0.{far}.{id}"),
        format!("/blocks?cursor={far}.{id}"),
        format!("/scheduled-messages?cursor={far}.{id}"),
        format!("/conversations/{group}/pins?cursor={far}.1"),
        format!("/search/messages?q=word&cursor={far}.{id}.1"),
        format!("/conversations/{group}/messages?after=nonsense"),
    ] {
        ada.get(&path).await.refused_with(400);
    }
    ada.post("/sync", json!({"own_cursor": format!("0.{far}")})).await.refused_with(400);

    let last = i64::MAX;
    for path in [
        format!("/search/messages?q=word&cursor=0.{id}.{last}"),
        format!("/conversations/{group}/messages?after={last}"),
        format!("/conversations/{group}/messages?before={last}"),
        format!("/conversations/{group}/messages?around={last}"),
        format!("/conversations/{group}/pins?cursor=0.{last}"),
    ] {
        ada.get(&path).await.expect(200);
    }
    ada.post("/sync", json!({"own_cursor": format!("{last}"), "cursors": {group.as_str(): last}})).await.expect(200);
    ada.post(&format!("/conversations/{group}/delivered"), json!({"seq": last})).await.expect(200);
    ada.post(&format!("/conversations/{group}/read"), json!({"seq": last})).await.expect(200);
}

#[tokio::test]
async fn each_carries_its_last_message_and_ones_own_counts() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    bob.says(&group, "Hello").await;
    bob.sends(&group, json!({"body": "@ada", "mentions": [ada.id]})).await.expect(201);

    let reply = ada.get("/conversations").await;

    insta::assert_json_snapshot!("list", reply.shape());
    let item = &reply.expect(200)["items"][0];
    assert_eq!((&item["unread"], &item["mentions"]), (&json!(2), &json!(1)));
    assert_eq!(item["last_message"]["body"], "@ada");
    assert_eq!(*item, ada.sees(&group).await);
}

#[tokio::test]
async fn a_page_of_any_size_costs_the_same_number_of_queries() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let mut db = server.database.connect().await;
    sqlx::query("create extension pg_stat_statements").execute(&mut db).await.expect("the harness loads it");
    let mut costs = Vec::new();

    for size in [1, 12] {
        for _ in 0..size {
            let group = ada.opens_group_with([&bob]).await;
            bob.says(&group, "Hello").await;
        }
        costs.push(cost_of_a_list(&ada, &mut db).await);
    }

    assert!(costs[0] > 0 && costs[0] == costs[1], "1 and 13 conversations cost {costs:?} statements");
    db.close().await.expect("it was in use until now");
}

/// The statements that a list takes; what the server asks for itself meanwhile is asked less often than this.
async fn cost_of_a_list(person: &Person, db: &mut PgConnection) -> i64 {
    const TIMES: i64 = 20;
    sqlx::query("select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = current_database()")
        .execute(&mut *db)
        .await
        .expect("the extension is there");
    for _ in 0..TIMES {
        person.get("/conversations?limit=100").await.expect(200);
    }
    sqlx::query_scalar(
        "select coalesce(sum(calls / $1), 0)::bigint
         from pg_stat_statements
         join pg_database database on database.oid = dbid
         where database.datname = current_database()",
    )
    .bind(TIMES)
    .fetch_one(db)
    .await
    .expect("the extension is there")
}
