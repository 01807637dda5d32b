//! What tests are written with: servers, people, their sockets, and what comes back.
//!
//! Invariant: clients are real and know nothing but the contract. Nobody sleeps: who waits, waits for something to come
//! true, and says after [`PATIENCE`] what did not.

pub mod camera;
pub mod client;
pub mod command;
pub mod crowd;
pub mod directory;
pub mod disk;
pub mod documents;
pub mod files;
pub mod machine;
pub mod own_postgres;
pub mod person;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod redis;
pub mod redis_cluster;
pub mod reply;
pub mod s3;
pub mod school;
pub mod server;
pub mod shell;
pub mod site;
pub mod socket;
pub mod token;
pub mod tus;

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, interval};

/// How long anything may take before a test gives up on it; generous, for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The id of anything that has one.
#[track_caller]
pub fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap_or_else(|| panic!("this should have an id: {thing:#}"))
}

/// The `seq` of a message.
#[track_caller]
pub fn seq(thing: &Value) -> i64 {
    thing["seq"].as_i64().unwrap_or_else(|| panic!("this should have a seq: {thing:#}"))
}

/// One field of each item, such as the bodies of a page of messages.
#[track_caller]
pub fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    let items = list.get("items").unwrap_or(list);
    items
        .as_array()
        .unwrap_or_else(|| panic!("this should be a list: {list:#}"))
        .iter()
        .map(|item| &item[field])
        .collect()
}

/// An object with the fields of another besides its own.
pub fn with(mut object: Value, fields: Value) -> Value {
    person::merge(&mut object, fields);
    object
}

/// A new id of the client's own making, for a message.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Waits until a question is answered with something; `what` completes "waited in vain until …".
pub async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut glances = interval(Duration::from_millis(20));
    loop {
        glances.tick().await;
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
    }
}
