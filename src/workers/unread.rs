//! Listens to what this node tells its sockets, and tells them their unread counts a moment later.

use std::{collections::HashSet, mem, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    actions::{Context, in_time, unread},
    cluster::bus::Delivery,
    domain::event::Touch,
};

/// How often, at most, those who are connected are told their new counts.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// Between two tellings lies so many times what the last one took: under load counts come later, and messages do not.
const REST: u32 = 9;

/// Listens and tells until told to stop.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let mut deliveries = ctx.cluster.bus.listen();
    let mut touched = HashSet::new();
    // Told in a task beside: who listens must never wait for the bus, which waits for its listeners.
    let mut telling = JoinSet::new();
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            delivery = deliveries.recv() => match delivery {
                Some(Delivery::Events(envelopes)) => touched.extend(envelopes.iter().filter_map(|one| one.touch)),
                Some(Delivery::Close(_) | Delivery::Recheck) => {}
                None => return,
            },
            Some(told) = telling.join_next() => {
                let (took, untold) = told.unwrap_or_default();
                touched.extend(untold);
                next = Instant::now() + TOLD_EVERY.max(took * REST);
            }
            () = sleep_until(next), if !touched.is_empty() && telling.is_empty() => {
                telling.spawn(tell(Arc::clone(&ctx), mem::take(&mut touched)));
            }
        }
    }
}

/// Tells; answers with how long it took and what could not be told.
async fn tell(ctx: Arc<Context>, touched: HashSet<Touch>) -> (Duration, HashSet<Touch>) {
    let began = Instant::now();
    let outcome = in_time(unread::tell(&ctx, &touched.iter().copied().collect::<Vec<_>>())).await;
    if let Err(error) = &outcome {
        tracing::warn!(%error, "Unread counts were not told: {error}");
    }
    (began.elapsed(), if outcome.is_ok() { HashSet::new() } else { touched })
}
