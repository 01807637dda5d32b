//! How the server is: for load balancers, operators and their graphs.

use std::{sync::PoisonError, time::Duration};

use super::Context;
use crate::{store::conversations, telemetry::metrics};

/// How long the database may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Ok,
    /// It serves, but other nodes can't be reached.
    Degraded,
    /// The database is away.
    Unavailable,
}

/// Looks whether the database answers and whether other nodes can be reached.
pub async fn check(ctx: &Context) -> Health {
    let asking = async {
        let mut db = ctx.db.acquire().await?;
        conversations::heads(&mut db, &[]).await
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(_)) if ctx.cluster.is_whole() => Health::Ok,
        Ok(Ok(_)) => Health::Degraded,
        _ => Health::Unavailable,
    }
}

/// Brings the gauges up to date that nothing moves by itself.
pub fn measure(ctx: &Context) {
    let pools = ctx.pools.lock().unwrap_or_else(PoisonError::into_inner);
    let counts = pools.iter().flat_map(|(pool, reads)| [(pool.size() as usize, pool.num_idle()), reads.count()]);
    let (all, idle) = counts.fold((0, 0), |(all, idle), (more, more_idle)| (all + more, idle + more_idle));
    metrics::database_connections(all, idle);
}
