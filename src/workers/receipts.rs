//! Tells receipts again, once some may have been lost on their way.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::actions::{Context, receipts::again};

/// How long after a loss receipts are told again: what was committed in the last moment is to be seen by then. Each time all
/// conversations that are heard here are looked through, so it is as long as the last time took, where that is more.
const PAUSE: Duration = Duration::from_secs(1);

/// Works until told to stop.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    stop.run_until_cancelled(make_up_for_losses(&ctx)).await;
}

async fn make_up_for_losses(ctx: &Context) {
    let (losses, mut pause) = (&ctx.cluster.losses, PAUSE);
    loop {
        losses.noted().await;
        sleep(pause).await;
        let Some(since) = losses.take() else { continue };
        let began = Instant::now();
        if let Err(error) = again::tell(ctx, since).await {
            tracing::warn!(%error, "Receipts could not be told again, which will be tried once more: {error}");
            losses.note(since);
        }
        pause = PAUSE.max(began.elapsed());
    }
}
