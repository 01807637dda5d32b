//! Makes what nodes share besides the database.

use std::sync::Arc;

use futures_util::FutureExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::lifecycle::Lifecycle;
use crate::{
    actions::{in_time, repair},
    cluster::{Cluster, Setup, TAIL_CHECK, bus::Envelope, order::Log},
    config::settings::Settings,
    domain::{clock::Clock, ids::LogId},
};

/// Makes the cluster of a node on its own, or joins the others that share the Redis of the settings.
pub async fn make(
    settings: &Settings,
    clock: &Clock,
    db: &PgPool,
    ends: (&Lifecycle, &CancellationToken),
) -> anyhow::Result<Cluster> {
    let (lifecycle, idle) = ends;
    let setup =
        Setup { clock, log: log(db, clock), tail_check: TAIL_CHECK, stop: idle.clone(), tasks: lifecycle.tasks() };
    match &settings.redis_url {
        Some(url) => Cluster::redis(url.reveal(), &setup).await,
        None => Ok(Cluster::local(&setup)),
    }
}

/// The logs in PostgreSQL, as the ordering asks for them.
fn log(db: &PgPool, clock: &Clock) -> Log {
    let (entries, heads, clock) = (db.clone(), db.clone(), clock.clone());
    Log {
        refetch: Arc::new(move |log, after, up_to| {
            let (db, now) = (entries.clone(), clock.now());
            in_time(async move {
                let events = match log {
                    LogId::Conversation(id) => repair::events_between(&db, id, (after, up_to), now).await?,
                    LogId::Person(id) => repair::own_events_between(&db, id, (after, up_to)).await?,
                };
                Ok(events.iter().map(Envelope::of).collect())
            })
            .boxed()
        }),
        heads: Arc::new(move |logs| {
            let db = heads.clone();
            in_time(async move { repair::heads(&db, &logs).await }).boxed()
        }),
    }
}
