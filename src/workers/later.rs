//! Listens to what this node tells its sockets, and tells them what follows from it a moment later, together.

use std::{collections::HashSet, hash::Hash, mem, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    actions::{Context, in_time, presence, receipts, unread},
    cluster::bus::{Delivery, Envelope},
    domain::{
        error::Result,
        event::{MembershipChange, Touch},
        ids::{ConversationId, UserId},
    },
};

/// Between two tellings lies so many times what the last one took: under load counts come later, and messages do not.
const REST: u32 = 9;

/// Telling that is under way.
type Telling<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// What is told later.
pub struct Later<T> {
    /// Its name in the log.
    pub what: &'static str,
    /// How often, at most.
    pub every: Duration,
    /// What an event touches.
    pub touched_by: fn(&Envelope) -> Option<T>,
    /// Tells of all that was touched.
    pub tell: for<'a> fn(&'a Context, &'a [T]) -> Telling<'a>,
}

/// Unread counts: absolute, to those who are connected.
pub const UNREAD: Later<Touch> = Later {
    what: "Unread counts",
    every: Duration::from_millis(100),
    touched_by: |envelope| envelope.touch,
    tell: |ctx, touched| Box::pin(unread::tell(ctx, touched)),
};

/// Receipts of conversations with so many members that they are told in numbers.
pub const RECEIPT_COUNTS: Later<ConversationId> = Later {
    what: "Counts of receipts",
    every: Duration::from_secs(1),
    touched_by: |envelope| match envelope.touch {
        Some(Touch::OneOfMany(conversation, _)) => Some(conversation),
        _ => None,
    },
    tell: |ctx, touched| Box::pin(receipts::tell_counts(ctx, touched)),
};

/// That people who were removed from a conversation do not have it open any more.
pub const LOOKS: Later<(ConversationId, UserId)> = Later {
    what: "Those who look no more",
    every: Duration::from_millis(100),
    touched_by: |envelope| match (envelope.conversation_id, &envelope.membership) {
        (Some(conversation), Some(MembershipChange::HearsNothing(users))) if users.len() == 1 => {
            Some((conversation, users[0]))
        }
        _ => None,
    },
    tell: |ctx, removed| Box::pin(presence::end_looks(ctx, removed)),
};

impl<T: Copy + Eq + Hash + Send + Sync + 'static> Later<T> {
    /// Listens and tells until told to stop.
    pub async fn run(self, ctx: Arc<Context>, stop: CancellationToken) {
        let mut deliveries = ctx.cluster.bus.listen();
        let mut touched = HashSet::new();
        // Told in a task beside: who listens must never wait for the bus, which waits for its listeners.
        let mut telling = JoinSet::new();
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                delivery = deliveries.recv() => match delivery {
                    Some(Delivery::Events(envelopes)) => touched.extend(envelopes.iter().filter_map(self.touched_by)),
                    Some(Delivery::Close(_) | Delivery::Check(_) | Delivery::Recheck) => {}
                    None => return,
                },
                Some(told) = telling.join_next() => {
                    let (took, untold) = told.unwrap_or_default();
                    touched.extend::<HashSet<T>>(untold);
                    next = Instant::now() + self.every.max(took * REST);
                }
                () = sleep_until(next), if !touched.is_empty() && telling.is_empty() => {
                    telling.spawn(tell(self.what, self.tell, Arc::clone(&ctx), mem::take(&mut touched)));
                }
            }
        }
    }
}

/// Tells; answers with how long it took and what could not be told.
async fn tell<T: Copy + Send + Sync>(
    what: &'static str,
    tell: for<'a> fn(&'a Context, &'a [T]) -> Telling<'a>,
    ctx: Arc<Context>,
    touched: HashSet<T>,
) -> (Duration, HashSet<T>) {
    let began = Instant::now();
    let outcome = in_time(tell(&ctx, &touched.iter().copied().collect::<Vec<_>>())).await;
    if let Err(error) = &outcome {
        tracing::warn!(%error, "{what} were not told: {error}");
    }
    (began.elapsed(), if outcome.is_ok() { HashSet::new() } else { touched })
}
