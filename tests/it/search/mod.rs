//! Finding again what was said: in which words, by whom, in which order, and how soon.

mod corpus;
mod files;
mod haystack;
mod hidden;
mod index;
mod lines;
mod pages;

use serde_json::Value;

use crate::harness::{client::encoded, person::Person, reply::Reply, server::TestServer, until};

/// Asks with a typed line alone.
async fn searches(person: &Person, line: &str) -> Value {
    asks(person, &format!("q={}", encoded(line))).await.expect(200)
}

/// Asks with any parameters.
async fn asks(person: &Person, parameters: &str) -> Reply {
    person.get(&format!("/search/messages?{parameters}")).await
}

/// The bodies that a typed line finds.
async fn finds(person: &Person, line: &str) -> Vec<String> {
    bodies(&searches(person, line).await)
}

/// The same, sorted, where the order is not what is asked.
async fn finds_all(person: &Person, line: &str) -> Vec<String> {
    let mut found = finds(person, line).await;
    found.sort();
    found
}

fn bodies(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("this should be a page: {page:#}"));
    items.iter().map(|item| item["message"]["body"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What is marked in a hit's body, counted in Unicode scalars as a client would.
fn marked(item: &Value) -> Vec<String> {
    let body: Vec<char> = item["message"]["body"].as_str().expect("it has a body").chars().collect();
    let ranges = item["highlight"]["ranges"].as_array().expect("there are ranges").iter();
    ranges
        .map(|range| {
            let place = |at: usize| range[at].as_u64().expect("it is a number") as usize;
            body[place(0)..place(1)].iter().collect()
        })
        .collect()
}

/// Waits until the index has followed all logs.
async fn settled(server: &TestServer) {
    let mut db = server.database.connect().await;
    until("the index has followed all logs", async || {
        let behind: bool = sqlx::query_scalar(
            "select exists (
                 select from conversations
                 left join search_progress on conversation_id = id
                 where head_seq > coalesce(indexed_seq, 0))",
        )
        .fetch_one(&mut db)
        .await
        .expect("the database answers");
        (!behind).then_some(())
    })
    .await;
}
