//! Listens to the other nodes: subscribes to every partition, and takes in what comes.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::try_join_all;
use redis::{PushInfo, PushKind, RedisResult, Value};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{Letter, PARTITIONS, PAUSE, Road, announce, channel, next_probe, peers::Peers};
use crate::cluster::{
    losses::Losses,
    order::{Inbound, Order},
    revoked::Revoked,
    servers::{Connection, Servers},
    typing::Typists,
};

/// Messages that may wait to be taken in; what comes beyond that is dropped, and doubted.
const WAITING_MESSAGES: usize = 4096;
/// A message begins with the name of the node that posted it.
const NAME_BYTES: usize = 16;

/// The task that listens.
pub struct Listener {
    /// Where Redis is.
    pub servers: Arc<Servers>,
    /// What the relay shares.
    pub road: Arc<Road>,
    /// Where what is heard goes.
    pub inward: Inward,
    /// Who says it.
    pub peers: Peers,
    /// When to stop.
    pub stop: CancellationToken,
}

/// Where letters from other nodes go.
pub struct Inward {
    /// What is told.
    pub order: Order,
    /// What was revoked.
    pub revoked: Arc<Revoked>,
    /// Who types.
    pub typists: Arc<Typists>,
    /// What may have been lost.
    pub losses: Losses,
}

/// One subscribed connection.
struct Subscription {
    connection: Connection,
    messages: mpsc::Receiver<Vec<u8>>,
    broken: CancellationToken,
    has_overflown: Arc<AtomicBool>,
}

impl Listener {
    /// Works until it is stopped, subscribing again as often as needed.
    pub async fn run(self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.listen()).await;
    }

    async fn listen(mut self) {
        // Everything that was posted before then was heard, or concerned nobody here.
        let mut sure_at = Instant::now();
        loop {
            match self.subscribe().await {
                Ok(subscription) => {
                    announce(&self.road.listens, true, "listening to other nodes");
                    // Whatever was posted before now has been missed.
                    self.inward.doubt(sure_at).await;
                    self.peers.listens_again(Instant::now());
                    let error = self.hear(subscription, &mut sure_at).await;
                    announce(&self.road.listens, false, "listening to other nodes");
                    debug!(?error, "Listening broke off");
                }
                Err(error) => debug!(%error, "Redis cannot be reached for listening"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn subscribe(&self) -> RedisResult<Subscription> {
        let (sender, messages) = mpsc::channel(WAITING_MESSAGES);
        let (broken, has_overflown) = (CancellationToken::new(), Arc::<AtomicBool>::default());
        let (breaks, overflows) = (broken.clone(), Arc::clone(&has_overflown));
        let ear = move |push: PushInfo| {
            match push.kind {
                // A server of a cluster ends the subscription when the partition's slot moves elsewhere. Then, as when a connection
                // breaks, something may be missed meanwhile.
                PushKind::Disconnection | PushKind::SUnsubscribe => breaks.cancel(),
                PushKind::SMessage => {
                    if let Some(Value::BulkString(message)) = push.data.into_iter().nth(1)
                        && sender.try_send(message).is_err()
                    {
                        overflows.store(true, Ordering::Release);
                    }
                }
                _ => {}
            }
            Ok::<_, Infallible>(())
        };
        let connection = self.servers.connect(Some(Arc::new(ear))).await?;
        try_join_all((0..PARTITIONS).map(async |partition| {
            redis::cmd("SSUBSCRIBE").arg(channel(partition)).exec_async(&mut connection.clone()).await
        }))
        .await?;
        Ok(Subscription { connection, messages, broken, has_overflown })
    }

    /// Takes in what comes until the connection breaks.
    async fn hear(&mut self, mut subscription: Subscription, sure_at: &mut Instant) -> Option<redis::RedisError> {
        let mut probe = next_probe();
        loop {
            tokio::select! {
                () = subscription.broken.cancelled() => return None,
                Some(message) = subscription.messages.recv() => self.open(&message).await,
                () = sleep_until(probe) => {
                    let asked_at = Instant::now();
                    if let Err(error) = redis::cmd("PING").exec_async(&mut subscription.connection).await {
                        return Some(error);
                    }
                    *sure_at = asked_at;
                    if let Some(last_heard) = self.peers.take_dead(asked_at) {
                        warn!("A node has fallen silent");
                        self.inward.losses.note(last_heard);
                    }
                    probe = next_probe();
                }
            }
            if subscription.has_overflown.swap(false, Ordering::AcqRel) {
                warn!("Other nodes say more than this one can take in");
                self.inward.doubt(*sure_at).await;
            }
        }
    }

    async fn open(&mut self, message: &[u8]) {
        let Some((name, lines)) = message.split_first_chunk::<NAME_BYTES>() else { return };
        let node = Uuid::from_bytes(*name);
        if node == self.road.node {
            return;
        }
        self.peers.heard(node, Instant::now());
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Letter::Farewell) => self.peers.left(node),
                Ok(letter) => self.inward.take(letter).await,
                Err(error) => warn!(%error, "Another node says something that this one does not understand"),
            }
        }
    }
}

impl Inward {
    async fn take(&self, letter: Letter) {
        match letter {
            Letter::Change(envelopes) => self.order.take(Inbound::Change(envelopes)).await,
            Letter::Revoked(revocation, at) => {
                if self.revoked.add(revocation, at) {
                    self.order.take(Inbound::Close(revocation)).await;
                }
            }
            Letter::Typing(conversation, user) => self.typists.hear(conversation, user),
            Letter::TypingStopped(conversation, user) => self.typists.unhear(conversation, user),
            Letter::Doubt(age) => self.doubt(moment(age)).await,
            Letter::Untold(age) => self.losses.note(moment(age)),
            Letter::Farewell => {}
        }
    }

    /// Something may have been lost since then.
    async fn doubt(&self, since: Instant) {
        self.losses.note(since);
        self.order.take(Inbound::Doubt).await;
    }
}

/// When something happened that is so old.
fn moment(age: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(age).unwrap_or(now)
}
