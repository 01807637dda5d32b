//! Watches for revocations that other processes wrote down: a CLI's ban, or another node's when the bus is away.

use std::{collections::HashSet, sync::Arc};

use chrono::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::WATCH_EVERY;
use crate::{
    actions::{Context, in_time},
    domain::{clock::Time, error::Result, event::Revocation},
    store::revocations,
};

/// How far back each look goes: a transaction may commit that long after its rows were stamped.
const OVERLAP: Duration = Duration::seconds(10);

/// Looks until told to stop.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let mut seen = Seen::default();
    let mut ticks = interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = in_time(look(&ctx, &mut seen)).await {
            tracing::debug!(%error, "Revocations could not be read: {error}");
        }
    }
}

/// What was dealt with already.
#[derive(Default)]
struct Seen {
    latest: Option<Time>,
    dealt_with: HashSet<(Time, Option<Uuid>, Uuid)>,
}

async fn look(ctx: &Context, seen: &mut Seen) -> Result<()> {
    let tokens_live = Duration::seconds(ctx.settings.access_token_seconds as i64);
    let since = seen.latest.map_or_else(|| ctx.clock.now() - tokens_live, |latest| latest - OVERLAP);
    for (at, revocation) in revocations::since(&ctx.db, since).await? {
        if seen.dealt_with.insert(key(at, revocation)) {
            ctx.cluster.heed(revocation, at).await;
        }
        seen.latest = seen.latest.max(Some(at));
    }
    if let Some(latest) = seen.latest {
        seen.dealt_with.retain(|(at, ..)| *at >= latest - OVERLAP);
    }
    Ok(())
}

fn key(at: Time, revocation: Revocation) -> (Time, Option<Uuid>, Uuid) {
    (at, revocation.session_id.map(|id| id.0), revocation.user_id.0)
}
