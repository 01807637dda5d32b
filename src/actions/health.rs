//! How the server is: for load balancers, operators and their graphs.

use std::{sync::PoisonError, time::Duration};

use sqlx::PgPool;

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
    let (all, idle) = (pools.iter().map(PgPool::size).sum(), pools.iter().map(PgPool::num_idle).sum());
    metrics::database_connections(all, idle);
}
