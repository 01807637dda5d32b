//! What the orderer's task does with what the sequencer says. Time is stopped, and moves on when everybody waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{entry, entry_of, log, matter, person};
use crate::{
    cluster::{
        bus::Delivery,
        order::{Inbound, Log, Order, Orderer},
    },
    domain::{error::Error, event::Revocation, ids::LogId},
};

const TAIL_CHECK: Duration = Duration::from_secs(3);

/// The heads that PostgreSQL would answer with; a negative one cannot be fetched.
type Heads = Arc<Mutex<HashMap<LogId, i64>>>;

/// A running orderer over a log of the entries 1 to head, and a worker that listens.
struct Node {
    order: Order,
    worker: mpsc::Receiver<Delivery>,
    heads: Heads,
    _stop: DropGuard,
}

impl Node {
    fn start() -> Self {
        let (heads, stop) = (Heads::default(), CancellationToken::new());
        let (order, orderer) = Orderer::new(stored(&heads), stop.clone());
        tokio::spawn(orderer.run(TAIL_CHECK));
        Self { worker: order.listen(), order, heads, _stop: stop.drop_guard() }
    }

    fn commit(&self, head: i64) {
        self.heads.lock().expect("no test panics with it").insert(log(1), head);
    }

    async fn publish(&self, envelopes: impl Into<Vec<crate::cluster::bus::Envelope>>) {
        self.order.take(Inbound::Change(envelopes.into())).await;
    }

    /// The next delivery, by the texts of its events.
    async fn hears(&mut self) -> Vec<String> {
        match self.worker.recv().await.expect("the orderer runs") {
            Delivery::Events(events) => events.iter().map(|event| short(&event.text)).collect(),
            Delivery::Close(revocation) => vec![format!("close {}", revocation.user_id == person(7))],
            Delivery::Check(_) => vec!["check".to_owned()],
            Delivery::Recheck => vec!["recheck".to_owned()],
        }
    }
}

fn short(text: &str) -> String {
    if text.contains("sync:required") { "sync".to_owned() } else { text.to_owned() }
}

fn stored(heads: &Heads) -> Log {
    let (for_fetch, for_heads) = (Arc::clone(heads), Arc::clone(heads));
    Log {
        refetch: Arc::new(move |id, after, up_to| {
            let head = for_fetch.lock().expect("no test panics with it").get(&id).copied().unwrap_or(0);
            Box::pin(async move {
                if head < 0 {
                    return Err(Error::Unavailable("The database is away; try again soon."));
                }
                Ok((after + 1..=up_to.min(head)).map(|seq| entry_of(id, seq)).collect())
            })
        }),
        heads: Arc::new(move |ids| {
            let heads = for_heads.lock().expect("no test panics with it").clone();
            Box::pin(async move { Ok(ids.into_iter().filter_map(|id| Some((id, heads.get(&id)?.abs()))).collect()) })
        }),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_event_is_fetched_when_the_next_one_comes() {
    let mut node = Node::start();
    node.order.track(log(1), 0);

    node.commit(3);
    node.publish([entry(1)]).await;
    node.publish([entry(3)]).await;

    assert_eq!(node.hears().await, ["1"]);
    assert_eq!(node.hears().await, ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_last_event_is_found_by_the_checks_of_tails() {
    let mut node = Node::start();
    node.order.track(log(1), 1);

    node.commit(2);

    let begun = tokio::time::Instant::now();
    assert_eq!(node.hears().await, ["2"]);
    assert!(begun.elapsed() <= 3 * TAIL_CHECK, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_doubt_is_passed_on_and_looked_into_at_once_but_not_too_often() {
    let mut node = Node::start();
    node.order.track(log(1), 1);
    tokio::time::advance(TAIL_CHECK / 2).await;
    node.commit(2);

    let begun = tokio::time::Instant::now();
    node.order.take(Inbound::Doubt).await;
    assert_eq!(node.hears().await, ["recheck"]);
    assert_eq!(node.hears().await, ["2"]);
    assert!(begun.elapsed() < TAIL_CHECK / 2);
    for _ in 0..10 {
        node.order.take(Inbound::Doubt).await;
    }
    node.publish([matter("between")]).await;

    assert_eq!(node.hears().await, ["between"]);
    assert_eq!(node.hears().await, ["recheck"]);
    node.publish([matter("after")]).await;
    assert_eq!(node.hears().await, ["after"]);
}

#[tokio::test(start_paused = true)]
async fn members_are_told_to_sync_while_the_log_cannot_be_read_and_hear_the_rest_once_it_can() {
    let mut node = Node::start();
    node.order.track(log(1), 0);
    node.commit(-2);

    node.publish([entry(2)]).await;
    assert_eq!(node.hears().await, ["sync"]);
    node.commit(2);

    assert_eq!(node.hears().await, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn all_workers_hear_the_same_and_one_that_is_gone_holds_up_nobody() {
    let mut node = Node::start();
    let mut second = node.order.listen();
    drop(node.order.listen());
    node.order.track(log(1), 0);

    node.publish([entry(1)]).await;
    node.order.take(Inbound::Close(Revocation { user_id: person(7), session_id: None })).await;

    assert_eq!(node.hears().await, ["1"]);
    assert_eq!(node.hears().await, ["close true"]);
    assert!(matches!(second.recv().await, Some(Delivery::Events(_))));
    assert!(matches!(second.recv().await, Some(Delivery::Close(_))));
}

#[tokio::test(start_paused = true)]
async fn what_passed_before_a_conversation_was_tracked_is_told_without_waiting_for_a_check() {
    let mut node = Node::start();
    node.commit(5);
    node.publish([entry(5), matter("unread")]).await;
    assert_eq!(node.hears().await, ["unread"]);

    let begun = tokio::time::Instant::now();
    assert_eq!(node.order.track(log(1), 4), 4);

    assert_eq!(node.hears().await, ["5"]);
    assert!(begun.elapsed() < TAIL_CHECK / 2);
}
