//! Looks at the pages that messages link to: a few at a time, so that a page that does not answer keeps no other waiting.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{DUE_EVERY, report};
use crate::actions::{Context, in_time, messages::preview};

/// Pages looked at at once.
const AT_ONCE: usize = 8;

/// Works until told to stop; whoever is on the way then is taken for dead, and another goes.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    if ctx.web.is_some() {
        stop.run_until_cancelled(visit(&ctx)).await;
    }
}

async fn visit(ctx: &Arc<Context>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            () = ctx.visits.rings(DUE_EVERY), if under_way.len() < AT_ONCE => {
                match in_time(preview::claim(ctx, AT_ONCE - under_way.len())).await {
                    Ok(visits) => visits.into_iter().for_each(|visit| {
                        let ctx = Arc::clone(ctx);
                        under_way.spawn(async move { report(in_time(preview::show(&ctx, visit)).await) });
                    }),
                    Err(error) => report(Err(error)),
                }
            }
            Some(_) = under_way.join_next() => {}
        }
    }
}
