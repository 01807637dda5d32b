//! The book in which every ack is kept, to be compared with what is there in the end.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{id, new_id, person::Person, seq, until};

/// What was asked for, and what was acknowledged.
#[derive(Default)]
pub struct Ledger {
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// What was asked for, acknowledged or not: conversation and words by the message's id.
    asked: HashMap<String, (String, String)>,
    /// Where it is, as the ack said.
    acknowledged: HashMap<String, i64>,
    refused: usize,
}

impl Ledger {
    /// A new message, written down before anybody sends it.
    pub fn compose(&self, conversation: &str) -> Value {
        let (id, mut book) = (new_id(), self.book());
        let body = format!("Message {}", book.asked.len());
        book.asked.insert(id.clone(), (conversation.to_owned(), body.clone()));
        json!({"id": id, "conversation_id": conversation, "body": body})
    }

    /// Keeps an ack; a second one must say the same.
    pub fn acknowledge(&self, message: &Value) {
        let (id, mut book) = (id(message).to_owned(), self.book());
        assert_eq!(book.asked.get(&id), Some(&content(message)), "something else was acknowledged");
        let before = book.acknowledged.insert(id, seq(message));
        assert!(before.is_none_or(|before| before == seq(message)), "acknowledged at {before:?} before: {message:#}");
    }

    /// Counts a refusal, which must be one after which it may be tried again.
    pub fn refuse(&self, problem: &Value) {
        let is_passing = problem["code"] == "unavailable" && problem["status"] == 503 && problem["retryable"] == true;
        assert!(is_passing, "nothing but the fault should be in the way: {problem:#}");
        self.book().refused += 1;
    }

    /// How many messages have been acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.book().acknowledged.len()
    }

    /// How many attempts have been refused.
    pub fn refused(&self) -> usize {
        self.book().refused
    }

    /// Waits until so many more are acknowledged.
    pub async fn grows_by(&self, count: usize) {
        let before = self.acknowledged();
        until("the talk goes on", async || (self.acknowledged() >= before + count).then_some(())).await;
    }

    /// Sees that for so long, more is acknowledged all the time.
    pub async fn keeps_growing(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.grows_by(1).await;
        }
    }

    /// Waits until somebody more is refused.
    pub async fn is_refused(&self) {
        let before = self.refused();
        until("a message is refused", async || (self.refused() > before).then_some(())).await;
    }

    /// Compares a conversation's log with the book, and answers with its head.
    pub async fn audit(&self, reader: &Person, conversation: &str) -> i64 {
        let log = read(reader, conversation).await;
        let book = self.book();
        let seqs: Vec<_> = log.iter().map(seq).collect();
        assert_eq!(seqs, (1..=log.len() as i64).collect::<Vec<_>>(), "the log of {conversation} has gaps");
        let ids: HashSet<_> = log.iter().map(id).collect();
        assert_eq!(ids.len(), log.len(), "something is twice in the log of {conversation}");
        for message in &log {
            assert_eq!(book.asked.get(id(message)), Some(&content(message)), "nobody said that: {message:#}");
        }
        let there: HashMap<_, _> = log.iter().map(|message| (id(message), seq(message))).collect();
        for (id, seq) in &book.acknowledged {
            let is_elsewhere = book.asked[id].0 != conversation;
            assert!(is_elsewhere || there.get(id.as_str()) == Some(seq), "{id}, acknowledged at {seq}, is lost");
        }
        log.len() as i64
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Whoever finds a fault panics with the book in hand, and the others may still write.
        self.book.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The whole log, page by page.
async fn read(reader: &Person, conversation: &str) -> Vec<Value> {
    let mut log: Vec<Value> = Vec::new();
    loop {
        let after = log.last().map_or(0, seq);
        let path = format!("/conversations/{conversation}/messages?after={after}&limit=100");
        // A connection that died in the fault may be found dead only now.
        let page = until("the log can be read", async || {
            let page = reader.get(&path).await;
            (page.status != 503).then_some(page)
        });
        let page = page.await.expect(200);
        log.extend(page["items"].as_array().expect("a page has items").iter().cloned());
        if page["has_more_after"] == false {
            return log;
        }
    }
}

fn content(message: &Value) -> (String, String) {
    let text = |field: &str| message[field].as_str().unwrap_or_default().to_owned();
    (text("conversation_id"), text("body"))
}
