//! One who listens as the contract says that a client may: a socket, a cursor for each conversation, and a sync after
//! each opening and whenever the server asks for it.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::watch, time::interval};

use super::line::{End, Line};
use crate::harness::{person::Person, seq};

/// What somebody has heard.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Up to where, in each conversation, and all of it.
    pub cursors: HashMap<String, i64>,
    /// How often a socket was opened.
    pub opened: usize,
    /// How often the server asked for a sync.
    pub asked_to_sync: usize,
    /// How the last socket ended.
    pub end: End,
}

/// Listens for ever; panics when something is kept silent.
pub async fn listen(person: Person, conversations: Vec<String>, heard: watch::Sender<Heard>) {
    heard.send_modify(|heard| heard.cursors = conversations.into_iter().map(|id| (id, 0)).collect());
    let mut attempts = interval(Duration::from_millis(20));
    loop {
        attempts.tick().await;
        let Some(mut line) = Line::open(&person).await else { continue };
        heard.send_modify(|heard| heard.opened += 1);
        catch_up(&person, &heard).await;
        let end = loop {
            match line.next().await {
                Ok(frame) if frame["type"] == "sync:required" => {
                    heard.send_modify(|heard| heard.asked_to_sync += 1);
                    catch_up(&person, &heard).await;
                }
                Ok(frame) => heard.send_modify(|heard| take(&person, heard, &frame)),
                Err(end) => break end,
            }
        };
        heard.send_modify(|heard| heard.end = end);
    }
}

/// Takes an event of a log: the next one, or one that the sync brought before.
fn take(person: &Person, heard: &mut Heard, event: &Value) {
    let (Some(seq), Some(conversation)) = (event["seq"].as_i64(), event["conversation_id"].as_str()) else { return };
    let cursor = heard.cursors.get_mut(conversation).unwrap_or_else(|| panic!("what is {event:#}?"));
    let who = &person.username;
    assert!(seq <= *cursor + 1, "{who} heard {seq} after {cursor} in {conversation}, and nothing of what is between");
    *cursor = seq.max(*cursor);
}

/// Syncs until there is no more.
async fn catch_up(person: &Person, heard: &watch::Sender<Heard>) {
    let mut attempts = interval(Duration::from_millis(20));
    loop {
        attempts.tick().await;
        let request = json!({"cursors": heard.borrow().cursors, "limit": 500});
        let Ok(response) = person.ask(reqwest::Method::POST, "/sync").json(&request).send().await else { continue };
        let (status, body) = (response.status().as_u16(), response.json::<Value>().await.unwrap_or_default());
        match status {
            200 => heard.send_modify(|heard| merge(heard, &body)),
            _ => assert_eq!(body["code"], "unavailable", "nothing but the fault should be in the way"),
        }
        if body["has_more"] == false {
            return;
        }
    }
}

fn merge(heard: &mut Heard, answer: &Value) {
    for synced in answer["conversations"].as_array().into_iter().flatten() {
        let id = synced["conversation"]["id"].as_str().expect("it has an id");
        let cursor = heard.cursors.get_mut(id).unwrap_or_else(|| panic!("what is {id}?"));
        for message in synced["messages"].as_array().into_iter().flatten() {
            assert_eq!(seq(message), *cursor + 1, "a sync of {id} leaves something out");
            *cursor = seq(message);
        }
        assert_eq!(answer["cursors"][id], *cursor, "a sync of {id} leaves something out");
    }
}
