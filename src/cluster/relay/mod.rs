//! Carries parcels between the nodes through Redis: what the bus tells, what was revoked, who types.
//!
//! Invariants: nobody waits for Redis. A parcel that finds no room, or no Redis, is dropped, and once the road is open again
//! all nodes are told to doubt: they compare their conversations with PostgreSQL. A node drops what it posted itself.
//!
//! # Why every node subscribes to every partition
//! Sharded pub/sub spreads the partitions over the nodes of a Redis Cluster; that is what they are for. To leave some out would
//! save nothing: a node with more conversations than there are partitions needs them all, and an admission may concern a person
//! on any node. What concerns nobody here costs one look into a map.
//!
//! # Why two connections
//! The poster writes what has gathered while the last batch was on its way as one pipeline, and so needs no timer; the listener
//! never waits behind it. Questions (limits, tickets, presence) go through a pool of their own, see [`super::link`].

mod listener;
mod peers;
mod poster;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tracing::{info, warn};
use uuid::Uuid;

pub use self::{
    listener::{Inward, Listener},
    peers::Peers,
    poster::Poster,
};
use super::bus::Envelope;
use crate::{
    domain::{
        clock::Time,
        event::{Audience, Durability, Revocation},
        ids::{ConversationId, UserId},
    },
    telemetry::metrics,
};

/// Parts into which the traffic falls, by conversation or person. All nodes must agree on it.
const PARTITIONS: u64 = 64;
/// Bytes that may wait to be posted; what is ephemeral is dropped at half of it.
const WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Parcels that may wait to be posted.
const WAITING_PARCELS: usize = 16_384;
/// How often an idle connection is tried.
const PROBED_EVERY: Duration = Duration::from_secs(1);
/// The pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// How far this node's word goes.
#[derive(Clone, Debug)]
pub enum Reach {
    /// It is alone.
    Node,
    /// To all nodes that share its Redis.
    Nodes(Relay),
}

/// The way to the other nodes.
#[derive(Clone, Debug)]
pub struct Relay {
    parcels: mpsc::Sender<Parcel>,
    road: Arc<Road>,
}

/// One thing that nodes tell one another.
#[derive(Debug, Serialize, Deserialize)]
pub enum Letter {
    /// One publish on the bus.
    Change(Vec<Envelope>),
    /// A session ended, or all of a person's.
    Revoked(Revocation, Time),
    /// Somebody types.
    Typing(ConversationId, UserId),
    /// Somebody types no more.
    TypingStopped(ConversationId, UserId),
    /// Something may have been lost since so long ago.
    Doubt(Duration),
    /// Receipts may not have been told since so long ago.
    Untold(Duration),
    /// The node leaves, and has said all that it had to say.
    Farewell,
}

/// A letter, written and addressed.
#[derive(Debug)]
pub struct Parcel {
    partition: u64,
    durability: Durability,
    text: Vec<u8>,
}

/// What the relay, its poster and its listener share.
#[derive(Debug)]
pub struct Road {
    /// By this name a node knows its own parcels.
    pub node: Uuid,
    /// Bytes that wait to be posted.
    waiting_bytes: AtomicUsize,
    /// Since when durable parcels were dropped of which the others have not been told.
    lost_since: Mutex<Option<Instant>>,
    posts: watch::Sender<bool>,
    listens: watch::Sender<bool>,
}

impl Reach {
    /// Writes a publish for the other nodes, if there are any.
    pub fn pack_change(&self, envelopes: &[Envelope]) -> Option<Parcel> {
        /// [`Letter::Change`] without owning it.
        #[derive(Serialize)]
        enum Borrowed<'a> {
            Change(&'a [Envelope]),
        }
        let Self::Nodes(_) = self else { return None };
        let is_shed = envelopes.iter().all(|envelope| envelope.durability == Durability::Ephemeral);
        let durability = if is_shed { Durability::Ephemeral } else { Durability::Durable };
        Some(Parcel { partition: partition_of(envelopes), durability, text: written(&Borrowed::Change(envelopes)) })
    }

    /// Writes a letter for the other nodes, if there are any.
    pub fn pack(&self, letter: &Letter) -> Option<Parcel> {
        let Self::Nodes(_) = self else { return None };
        let (partition, durability) = match letter {
            Letter::Change(envelopes) => return self.pack_change(envelopes),
            Letter::Revoked(revocation, _) => (partition(revocation.user_id.0), Durability::Durable),
            Letter::Typing(id, _) | Letter::TypingStopped(id, _) => (partition(id.0), Durability::Ephemeral),
            Letter::Doubt(_) | Letter::Untold(_) | Letter::Farewell => (0, Durability::Durable),
        };
        Some(Parcel { partition, durability, text: written(letter) })
    }

    /// Sends a parcel on its way, if there is one.
    pub fn post(&self, parcel: Option<Parcel>) {
        if let (Self::Nodes(relay), Some(parcel)) = (self, parcel) {
            relay.post(parcel);
        }
    }

    /// Whether parcels reach the other nodes, and theirs this one.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Node => true,
            Self::Nodes(relay) => *relay.road.posts.borrow() && *relay.road.listens.borrow(),
        }
    }

    /// Waits until the other nodes are reached, but not for ever.
    pub async fn settled(&self, patience: Duration) {
        let Self::Nodes(relay) = self else { return };
        let both = async {
            for open in [&relay.road.posts, &relay.road.listens] {
                // The sender lives as long as the relay.
                let _ = open.subscribe().wait_for(|open| *open).await;
            }
        };
        if tokio::time::timeout(patience, both).await.is_err() {
            warn!("Redis is away; this node works alone until it is back");
        }
    }
}

impl Relay {
    /// The way to the other nodes, and what is posted on it.
    pub fn new() -> (Self, mpsc::Receiver<Parcel>) {
        let (parcels, posted) = mpsc::channel(WAITING_PARCELS);
        let road = Road {
            node: Uuid::new_v4(),
            waiting_bytes: AtomicUsize::new(0),
            lost_since: Mutex::default(),
            posts: watch::Sender::new(false),
            listens: watch::Sender::new(false),
        };
        (Self { parcels, road: Arc::new(road) }, posted)
    }

    /// What the relay, its poster and its listener share.
    pub fn road(&self) -> Arc<Road> {
        Arc::clone(&self.road)
    }

    fn post(&self, parcel: Parcel) {
        let (bytes, durability) = (parcel.text.len(), parcel.durability);
        let room = match durability {
            Durability::Durable => WAITING_BYTES,
            Durability::Ephemeral => WAITING_BYTES / 2,
        };
        let waiting = self.road.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > room || self.parcels.try_send(parcel).is_err() {
            self.road.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.road.lose([durability]);
        }
    }
}

impl Road {
    /// Whether parcels can be posted now, and so whether Redis answers.
    pub fn posts(&self) -> bool {
        *self.posts.borrow()
    }

    #[cfg(test)]
    fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// Takes parcels from those that wait.
    fn take_off(&self, parcels: &[Parcel]) {
        let bytes = parcels.iter().map(|parcel| parcel.text.len()).sum();
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts what was dropped, and remembers whether it matters.
    fn lose(&self, dropped: impl IntoIterator<Item = Durability>) {
        let mut count = 0;
        for durability in dropped {
            count += 1;
            if durability == Durability::Durable {
                self.regret(Instant::now());
            }
        }
        metrics::parcels_lost(count);
    }

    /// Remembers that the others must be told of a loss.
    fn regret(&self, since: Instant) {
        let mut lost_since = self.lost_since.lock().unwrap_or_else(PoisonError::into_inner);
        *lost_since = Some(lost_since.map_or(since, |before| before.min(since)));
    }

    /// Since when something was lost of which the others must be told, if it was.
    fn take_loss(&self) -> Option<Instant> {
        self.lost_since.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Says in the log, once each, when a connection comes and goes.
fn announce(open: &watch::Sender<bool>, is_open: bool, what: &str) {
    if open.send_replace(is_open) != is_open {
        if is_open {
            info!("Redis is there: {what}");
        } else {
            warn!("Redis is away: {what} waits for it");
        }
    }
}

/// The braces make it a hash tag: in a Redis Cluster a partition is one slot.
fn channel(partition: u64) -> String {
    format!("colloquy:bus:{{{partition}}}")
}

/// The partition of what a publish is about: its conversation, or else the first person whom it is for.
fn partition_of(envelopes: &[Envelope]) -> u64 {
    let conversation = envelopes.iter().find_map(|envelope| envelope.conversation_id);
    let person = || {
        envelopes.iter().find_map(|envelope| match &envelope.audience {
            Audience::Users(users) => users.first(),
            Audience::Viewers { except, .. } => except.last(),
            Audience::Member { user_id, .. } => Some(user_id),
            Audience::Members { .. } => None,
        })
    };
    conversation.map(|id| id.0).or_else(|| person().map(|id| id.0)).map_or(0, partition)
}

/// Ids end in random bits.
fn partition(id: Uuid) -> u64 {
    (id.as_u128() % u128::from(PARTITIONS)) as u64
}

fn written(letter: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(letter).expect("letters have no maps with keys that JSON does not know")
}

/// When an idle connection is to be tried next.
fn next_probe() -> Instant {
    Instant::now() + PROBED_EVERY
}
