//! Keeps the index up with the logs: woken by what this node writes, and looking now and then for what another left.
//!
//! Sends come first. They write nothing for the index; it gathers what they write for a moment and takes it in at once, so
//! that it is seldom at work beside one who sends a message after the other; and the more is being sent, the longer it
//! rests between two steps, to make up for it as soon as the rush is over.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    actions::{Context, in_time, index},
    domain::{error::Error, ids::ConversationId},
};

/// How often conversations are looked for that are behind although nobody here wrote to them, such as after a crash.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two looks lies so many times what the last one took: it goes through all conversations.
const LOOK_REST: u32 = 100;
/// Conversations that one look brings.
const LOOKED_FOR: usize = 1_024;
/// How long it waits for more before it takes in what was written.
const GATHERING: Duration = Duration::from_millis(300);
/// So many entries written while a step goes on make the rest after it as long as the step; while fewer are written as long
/// as is gathered, there is no rush.
const CALM: usize = 64;
/// A rest is at most so many times as long as the step before.
const LONGEST_REST: u32 = 32;
/// The rest after a step that brought nothing, because another node is at work there.
const PAUSE: Duration = Duration::from_millis(100);
/// The rest after a failure.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// Works until told to stop.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    stop.run_until_cancelled(follow(&ctx)).await;
}

async fn follow(ctx: &Context) {
    let changed = ctx.cluster.bus.changed();
    let mut behind = HashSet::new();
    let mut next_look = Instant::now();
    loop {
        if behind.is_empty() {
            tokio::select! {
                () = changed.noted() => sleep(GATHERING).await,
                () = sleep_until(next_look) => {}
            }
        }
        if Instant::now() >= next_look {
            let began = Instant::now();
            behind.extend(in_time(index::behind(ctx, LOOKED_FOR)).await.inspect_err(complain).unwrap_or_default());
            next_look = Instant::now() + LOOK_EVERY.max(began.elapsed() * LOOK_REST);
        }
        behind.extend(changed.take().conversations);
        if !behind.is_empty() {
            let pause = work(ctx, &mut behind).await;
            rest(ctx, &mut behind, pause).await;
        }
    }
}

/// Takes one step, and says how long to rest.
async fn work(ctx: &Context, behind: &mut HashSet<ConversationId>) -> Duration {
    // Taken out whatever comes of it: if one of them is to blame, the others need not wait, and all are found by looking.
    let part: Vec<_> = behind.iter().copied().take(index::CONVERSATIONS).collect();
    behind.retain(|id| !part.contains(id));
    let began = Instant::now();
    let step = match in_time(index::step(ctx, &part)).await {
        Ok(step) => step,
        Err(error) => {
            complain(&error);
            sleep(LONG_PAUSE).await;
            return Duration::ZERO;
        }
    };
    behind.extend(step.behind);
    if step.is_idle {
        return PAUSE;
    }
    let least = if behind.is_empty() { GATHERING } else { Duration::ZERO };
    let lately = ctx.cluster.bus.changed().take();
    behind.extend(lately.conversations);
    least.max(began.elapsed() * LONGEST_REST.min((lately.entries / CALM) as u32))
}

/// Rests for so long, or until the rush is over.
async fn rest(ctx: &Context, behind: &mut HashSet<ConversationId>, pause: Duration) {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        sleep_until(until.min(Instant::now() + GATHERING)).await;
        let lately = ctx.cluster.bus.changed().take();
        behind.extend(lately.conversations);
        if lately.entries < CALM {
            return;
        }
    }
}

fn complain(error: &Error) {
    tracing::warn!(%error, "The index could not follow, and tries again: {error}");
}
