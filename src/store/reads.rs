//! Connections for short questions, of which nobody asks whether they are well as long as they answer.
//!
//! # Why beside sqlx's pool
//! That one pings each connection that comes back, since it can't know what happened to it: a way to PostgreSQL and back, which
//! took a third of what a page of the history takes. Here a connection that has answered comes back as it is, and one whose
//! question failed, or was given up in the middle, is not used again.
//!
//! Invariant: whoever asks here begins no transaction, so that none can be left open.

use std::time::Duration;

use deadpool::{
    Runtime,
    managed::{self, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts},
};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use crate::domain::error::{Error, Result};

/// How long a request waits for a connection, or for one to be made, before it is told that the database is away.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// How long a connection may take to prove that it is alive.
pub const PROOF: Duration = Duration::from_secs(2);
/// After how long a connection may be dead without our noticing.
pub const UNSURE: Duration = Duration::from_secs(1);

/// The connections of one thread.
#[derive(Clone, Debug)]
pub struct Reads {
    pool: Pool<Maker>,
}

#[derive(Clone, Debug)]
struct Maker {
    options: PgConnectOptions,
}

/// Comes back only if all goes well.
struct Lent(Option<Object<Maker>>);

impl Reads {
    /// Up to so many connections, none of which is made before it is needed.
    pub fn new(options: PgConnectOptions, connections: usize) -> Self {
        let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PROOF) };
        let pool = Pool::builder(Maker { options })
            .max_size(connections)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            // The one that answered last is the least likely to have died since.
            .queue_mode(QueueMode::Lifo)
            .build()
            .expect("timeouts have a runtime");
        Self { pool }
    }

    /// As many for another thread.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::new(self.pool.manager().options.clone(), self.pool.status().max_size)
    }

    /// Asks something that is soon answered, in one statement or a few.
    pub async fn ask<T>(&self, question: impl AsyncFnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        let mut lent = Lent(Some(self.pool.get().await.map_err(away)?));
        let answer = question(lent.0.as_mut().expect("it was lent above")).await;
        if !matches!(answer, Err(Error::Unavailable(_) | Error::Internal(_))) {
            drop(lent.0.take());
        }
        answer
    }

    /// How many connections there are, and how many of them are idle.
    pub fn count(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }
}

impl managed::Manager for Maker {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<PgConnection> {
        // Seldom, and large: who asks would have to keep room for it.
        Box::pin(self.options.connect()).await
    }

    async fn recycle(&self, connection: &mut PgConnection, past: &Metrics) -> RecycleResult<sqlx::Error> {
        if past.last_used() < UNSURE {
            return Ok(());
        }
        Box::pin(connection.ping()).await.map_err(RecycleError::Backend)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(unsure) = self.0.take() {
            drop(Object::take(unsure));
        }
    }
}

fn away(error: PoolError<sqlx::Error>) -> Error {
    match error {
        PoolError::Backend(error) => error.into(),
        PoolError::Timeout(_) => sqlx::Error::PoolTimedOut.into(),
        PoolError::Closed => sqlx::Error::PoolClosed.into(),
        error @ (PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => Error::Internal(error.into()),
    }
}
