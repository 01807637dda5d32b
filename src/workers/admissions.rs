//! Looks for those who were admitted somewhere and not told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::actions::{Context, in_time, members};

/// How often they are looked for.
const LOOKS_EVERY: Duration = Duration::from_secs(3);

/// Looks until told to stop.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let mut looked_at = Instant::now();
    let mut ticks = interval(LOOKS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = Instant::now();
        let outcome = in_time(members::find_untold(&ctx, looked_at)).await;
        if outcome.is_ok() {
            looked_at = now;
        }
        super::report(outcome);
    }
}
