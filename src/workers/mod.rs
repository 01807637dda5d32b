//! What the clock turns: work that nobody waits for. Invariant: a worker that fails says so and tries again.

mod admissions;
mod index;
mod later;
mod receipts;
mod sweep;
mod visits;
mod watch;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    actions::{Context, alarm::Alarm, attachments::erase, in_time, messages::expire, scheduled::due},
    domain::error::Result,
};

/// How often revocations written by other processes are looked for: their sockets close within a second.
const WATCH_EVERY: Duration = Duration::from_millis(300);
/// How often typing and presence are looked through for what has ended.
const PRESENCE_EVERY: Duration = Duration::from_millis(250);
/// How often files that nobody needs are removed.
const FILES_EVERY: Duration = Duration::from_secs(1);
/// How often what is left of people who are gone is removed.
const ERASED_EVERY: Duration = Duration::from_secs(1);
/// How often what is old enough is forgotten.
const SWEEP_EVERY: Duration = Duration::from_mins(5);

/// How often what is due is looked for although no alarm rang on this node: it was set on one that is gone.
const DUE_EVERY: Duration = Duration::from_secs(2);
/// How often, at most, work that waits for its time is done: what another node has at hand is still due here.
const BREATH: Duration = Duration::from_millis(100);

/// A task that ends by itself once it is told to stop.
pub type Worker = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts all workers; they end with `stop`.
pub fn start(ctx: &Arc<Context>, stop: &CancellationToken, spawn: impl Fn(Worker)) {
    let (keys, until) = (Arc::clone(ctx), stop.clone());
    spawn(Box::pin(async move { keys.tokens.keep_keys_fresh(until).await }));
    spawn(Box::pin(watch::run(Arc::clone(ctx), stop.clone())));
    spawn(every(PRESENCE_EVERY, ctx, stop, |ctx| async move { sweep::presence(&ctx).await }));
    spawn(Box::pin(index::run(Arc::clone(ctx), stop.clone())));
    spawn(Box::pin(later::UNREAD.run(Arc::clone(ctx), stop.clone())));
    spawn(Box::pin(later::RECEIPT_COUNTS.run(Arc::clone(ctx), stop.clone())));
    spawn(Box::pin(later::LOOKS.run(Arc::clone(ctx), stop.clone())));
    spawn(Box::pin(receipts::run(Arc::clone(ctx), stop.clone())));
    spawn(Box::pin(admissions::run(Arc::clone(ctx), stop.clone())));
    spawn(every(FILES_EVERY, ctx, stop, |ctx| async move { sweep::files(&ctx).await }));
    spawn(every(ERASED_EVERY, ctx, stop, |ctx| async move { erase::all(&ctx).await }));
    spawn(whenever(|ctx| &ctx.plans, ctx, stop, |ctx| async move { due::send_due(&ctx).await }));
    spawn(whenever(|ctx| &ctx.expiry, ctx, stop, |ctx| async move { expire::expire(&ctx).await }));
    spawn(Box::pin(visits::run(Arc::clone(ctx), stop.clone())));
    spawn(every(SWEEP_EVERY, ctx, stop, |ctx| async move { sweep::forget(&ctx).await }));
}

/// Does a piece of work again and again; what takes too long is broken off, and tried again too.
fn every<F, W>(period: Duration, ctx: &Arc<Context>, stop: &CancellationToken, work: F) -> Worker
where
    F: Fn(Arc<Context>) -> W + Send + 'static,
    W: Future<Output = Result<()>> + Send,
{
    let (ctx, stop) = (Arc::clone(ctx), stop.clone());
    Box::pin(async move {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            report(in_time(work(Arc::clone(&ctx))).await);
        }
    })
}

/// Does what is due whenever an alarm rings.
fn whenever<F, W>(alarm: fn(&Context) -> &Alarm, ctx: &Arc<Context>, stop: &CancellationToken, work: F) -> Worker
where
    F: Fn(Arc<Context>) -> W + Send + 'static,
    W: Future<Output = Result<()>> + Send,
{
    let (ctx, stop) = (Arc::clone(ctx), stop.clone());
    Box::pin(async move {
        while stop.run_until_cancelled(alarm(&ctx).rings(DUE_EVERY)).await.is_some() {
            report(in_time(work(Arc::clone(&ctx))).await);
            sleep(BREATH).await;
        }
    })
}

fn report(outcome: Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "Work in the background failed, and is tried again: {error}");
    }
}
