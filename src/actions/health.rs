//! How the server is: for load balancers, operators and their graphs.

use std::time::Duration;

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
    metrics::database_connections(ctx.db.size(), ctx.db.num_idle());
}
