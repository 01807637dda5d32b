//! The orderer: one task per node that sees to it that every log is told gapless and in order.
//!
//! Invariants: only this task hands deliveries to the workers, so that all of them see one order. It never waits for PostgreSQL:
//! fetches and checks are jobs beside it. It may wait for a worker, whose hub only moves memory; therefore a hub
//! must never wait for it, and `track` and `untrack` go through a lock and not through its inbox.

mod cursors;
mod jobs;
mod line;
mod sequencer;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub use self::jobs::{Heads, Log, Refetch};
use self::{
    jobs::{Done, Jobs},
    sequencer::{Sequencer, Telling, Trust},
};
use super::bus::{Delivery, Envelope};
use crate::domain::{
    event::{Event, Revocation},
    ids::{ConversationId, LogId, UserId},
};

/// Things to be told that may wait for the orderer before those who publish wait for it.
const WAITING_CHANGES: usize = 1024;
/// Changes taken at once.
const TAKEN_AT_ONCE: usize = 64;
/// Deliveries that may wait for one worker before the orderer waits for it.
const WAITING_DELIVERIES: usize = 256;
/// Doubts are looked into no more often: each makes every socket read its memberships again.
const DOUBTED_EVERY: Duration = Duration::from_secs(1);

/// Something for the orderer to take in its turn.
#[derive(Debug)]
pub enum Inbound {
    /// One committed change, or something of no log.
    Change(Vec<Envelope>),
    /// Sockets to be closed.
    Close(Revocation),
    /// People who should hear conversations.
    Check(Vec<(ConversationId, UserId)>),
    /// Something may have been lost.
    Doubt,
}

/// The orderer, as others see it.
#[derive(Clone, Debug)]
pub struct Order {
    inbox: mpsc::Sender<Inbound>,
    shared: Arc<Shared>,
}

/// The task itself.
pub struct Orderer {
    inbox: mpsc::Receiver<Inbound>,
    shared: Arc<Shared>,
    jobs: Jobs,
    stop: CancellationToken,
    /// When the doubt that there is, if any, is looked into.
    doubt: Option<Instant>,
    /// No doubt is looked into before.
    trusts_until: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    sequencer: Mutex<Sequencer>,
    listeners: Mutex<Vec<mpsc::Sender<Delivery>>>,
    tracked: Notify,
}

impl Order {
    /// Hands something to the orderer; waits while it is far behind.
    pub async fn take(&self, inbound: Inbound) {
        // Only a node that is going down has no orderer, and its sockets are told to sync elsewhere.
        let _ = self.inbox.send(inbound).await;
    }

    /// Registers a worker.
    pub fn listen(&self) -> mpsc::Receiver<Delivery> {
        let (sender, receiver) = mpsc::channel(WAITING_DELIVERIES);
        self.shared.listeners().push(sender);
        receiver
    }

    /// Counts a listener of a log; says how far it has been told here.
    pub fn track(&self, log: LogId, head_seq: i64) -> i64 {
        let mut sequencer = self.shared.sequencer();
        let alarm = sequencer.next_alarm();
        let told = sequencer.track(log, head_seq, Instant::now());
        if sequencer.next_alarm() != alarm {
            self.shared.tracked.notify_one();
        }
        told
    }

    /// The logs that have a line.
    pub fn tracked(&self) -> Vec<LogId> {
        self.shared.sequencer().tracked()
    }

    /// Whether a log has a line.
    pub fn is_tracked(&self, log: LogId) -> bool {
        self.shared.sequencer().is_tracked(log)
    }

    /// Counts a listener off.
    pub fn untrack(&self, log: LogId) {
        self.shared.sequencer().untrack(log, Instant::now());
    }
}

impl Orderer {
    /// An orderer, and what others see of it.
    pub fn new(log: Log, stop: CancellationToken) -> (Order, Self) {
        let (sender, inbox) = mpsc::channel(WAITING_CHANGES);
        let shared = Arc::<Shared>::default();
        let order = Order { inbox: sender, shared: Arc::clone(&shared) };
        let trusts_until = Instant::now();
        (order, Self { inbox, shared, jobs: Jobs::new(log), stop, doubt: None, trusts_until })
    }

    /// Works until it is stopped. Tails are checked every `tail_check`.
    pub async fn run(mut self, tail_check: Duration) {
        let stop = self.stop.clone();
        let mut taken = Vec::with_capacity(TAKEN_AT_ONCE);
        let mut checks = interval(tail_check);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let alarm = self.shared.sequencer().next_alarm();
            tokio::select! {
                () = stop.cancelled() => return,
                count = self.inbox.recv_many(&mut taken, TAKEN_AT_ONCE) => match count {
                    0 => return,
                    _ => self.take(taken.drain(..)).await,
                },
                Some(done) = self.jobs.next() => self.finish(done).await,
                () = at(alarm) => {
                    let holes = self.shared.sequencer().due(Instant::now());
                    self.jobs.fetch(holes);
                }
                () = at(self.doubt) => self.look_into_doubt().await,
                () = self.shared.tracked.notified() => {}
                _ = checks.tick() => self.check(Trust::SecondLook),
            }
        }
    }

    async fn take(&mut self, inbound: impl Iterator<Item = Inbound>) {
        let mut tellings = Vec::new();
        for inbound in inbound {
            match inbound {
                Inbound::Change(envelopes) => {
                    self.shared.sequencer().feed(envelopes, Instant::now(), &mut tellings);
                }
                Inbound::Close(revocation) => {
                    self.tell(std::mem::take(&mut tellings)).await;
                    self.deliver(&Delivery::Close(revocation)).await;
                }
                Inbound::Check(members) => {
                    self.tell(std::mem::take(&mut tellings)).await;
                    self.deliver(&Delivery::Check(members.into())).await;
                }
                Inbound::Doubt => self.doubt = self.doubt.or(Some(self.trusts_until)),
            }
        }
        self.tell(tellings).await;
    }

    async fn look_into_doubt(&mut self) {
        self.doubt = None;
        self.trusts_until = Instant::now() + DOUBTED_EVERY;
        self.deliver(&Delivery::Recheck).await;
        self.check(Trust::AtOnce);
    }

    /// Compares all lines with PostgreSQL, beside the other work.
    fn check(&mut self, trust: Trust) {
        let tracked = self.shared.sequencer().tracked();
        self.jobs.check(trust, tracked);
    }

    async fn finish(&mut self, done: Done) {
        let (now, mut tellings) = (Instant::now(), Vec::new());
        {
            let mut sequencer = self.shared.sequencer();
            match done {
                Done::Fetched(hole, envelopes) => sequencer.fetched(hole, envelopes, now, &mut tellings),
                Done::Failed(hole) => sequencer.failed(hole, now, &mut tellings),
                Done::Checked(trust, heads) => {
                    sequencer.check(&heads, trust, now);
                    sequencer.sweep(now);
                }
            }
        }
        self.tell(tellings).await;
    }

    async fn tell(&self, tellings: Vec<Telling>) {
        if tellings.is_empty() {
            return;
        }
        let envelope = |telling| match telling {
            Telling::Event(envelope) => envelope,
            Telling::SyncRequired(LogId::Conversation(id)) => Envelope::of(&Event::SyncRequired(id)),
            Telling::SyncRequired(LogId::Person(id)) => Envelope::of(&Event::OwnSyncRequired(id)),
        };
        self.deliver(&Delivery::Events(tellings.into_iter().map(envelope).collect())).await;
    }

    /// Hands a delivery to every worker, waiting for the slow ones.
    async fn deliver(&self, delivery: &Delivery) {
        let listeners = self.shared.listeners().clone();
        let mut is_one_gone = false;
        for listener in &listeners {
            tokio::select! {
                biased;
                sent = listener.send(delivery.clone()) => is_one_gone |= sent.is_err(),
                () = self.stop.cancelled() => return,
            }
        }
        if is_one_gone {
            self.shared.listeners().retain(|listener| !listener.is_closed());
        }
    }
}

impl Shared {
    fn sequencer(&self) -> MutexGuard<'_, Sequencer> {
        self.sequencer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Delivery>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until then; for ever where there is nothing to wait for.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
