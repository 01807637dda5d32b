//! The writers: each takes whatever is queued in its lane, writes all of it in one transaction, and answers each.
//!
//! # Why batches
//! PostgreSQL commits a batch of 64 almost as fast as one message, and a conversation's row lock is held once for
//! all of them. Nothing waits for a batch to fill: what comes alone is a batch of one.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Context, PATIENCE,
    lanes::{Exit, Room},
};
use crate::{store, telemetry::metrics};

/// How long connecting may take before those who wait are told that the database is away.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// How often a batch is tried again after a serialization failure, a deadlock or the end of the connection.
const RETRIES: usize = 3;

/// What a writer does with what it takes.
pub trait Work: Send + Sync {
    /// What is queued.
    type Item: Send;
    /// What came of a batch that was committed.
    type Written: Send;

    /// The lane, by which its batches are counted.
    const LANE: metrics::Lane;
    /// Items in one transaction at most.
    const BATCH: usize;
    /// From the beginning of one batch that was not full to that of the next; no time where nothing is to wait.
    const PACE: Duration;

    /// Asks what must not be asked while anything is locked. Asked once, however often a batch is tried.
    fn admit(&self, ctx: &Context, items: &mut [Self::Item]) -> impl Future<Output = ()> + Send;

    /// Decides on all items, and writes what passes.
    fn write(
        &self,
        ctx: &Context,
        tx: &mut PgConnection,
        items: &mut [Self::Item],
    ) -> impl Future<Output = sqlx::Result<Self::Written>> + Send;

    /// Tells everybody who must hear of a batch that was committed, then answers those who wait.
    fn answer(&self, ctx: &Context, items: Vec<Self::Item>, written: Self::Written) -> impl Future<Output = ()> + Send;

    /// Whether a batch was committed nobody knows, and if it was, nobody has told of it. What has its place in a log is missed there.
    fn leave_untold(&self, _: &Context) {}

    /// Answers those of whom nothing was written.
    fn fail(&self, ctx: &Context, items: Vec<Self::Item>, error: sqlx::Error) -> impl Future<Output = ()> + Send;
}

/// One writer with a connection of its own: the pool would ping it before and after each batch.
#[derive(Debug)]
pub struct Writer<W> {
    work: W,
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl<W: Work> Writer<W> {
    /// A writer that connects when there is something to write.
    pub fn new(work: W, options: PgConnectOptions) -> Self {
        Self { work, options, connection: None }
    }

    /// Serves a lane until the doors are closed, and then what is still in it.
    pub async fn run(mut self, ctx: &Context, mut lane: Exit<W::Item>, idle: CancellationToken) {
        let mut taken = Vec::with_capacity(W::BATCH);
        loop {
            let count = tokio::select! {
                count = lane.take(&mut taken, W::BATCH) => count,
                () = idle.cancelled(), if !lane.is_closed() => {
                    lane.close();
                    continue;
                }
            };
            if count == 0 {
                return;
            }
            metrics::batch_taken(W::LANE, count);
            let began = Instant::now();
            // The room that they take is given back once they are answered.
            let (items, _room): (Vec<_>, Vec<Room>) = taken.drain(..).unzip();
            self.serve(ctx, items).await;
            if count < W::BATCH && !W::PACE.is_zero() {
                idle.run_until_cancelled(sleep(W::PACE.saturating_sub(began.elapsed()))).await;
            }
        }
    }

    async fn serve(&mut self, ctx: &Context, mut items: Vec<W::Item>) {
        self.work.admit(ctx, &mut items).await;
        match self.try_write(ctx, &mut items).await {
            Ok(written) => self.work.answer(ctx, items, written).await,
            Err(error) if items.len() == 1 || store::is_away(&error) => self.work.fail(ctx, items, error).await,
            // One of them is poisoned: alone, it fails alone.
            Err(_) => {
                for item in items {
                    let mut alone = vec![item];
                    match self.try_write(ctx, &mut alone).await {
                        Ok(written) => self.work.answer(ctx, alone, written).await,
                        Err(error) => self.work.fail(ctx, alone, error).await,
                    }
                }
            }
        }
    }

    async fn try_write(&mut self, ctx: &Context, items: &mut [W::Item]) -> sqlx::Result<W::Written> {
        let mut tries = 0;
        loop {
            let error = match timeout(PATIENCE, self.write(ctx, items)).await {
                Ok(Ok(written)) => return Ok(written),
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::PoolTimedOut,
            };
            if !store::is_worth_retrying(&error) {
                // Whatever went wrong, the next attempt starts on a connection without a past.
                let was_connected = self.connection.take().is_some();
                if was_connected && store::is_away(&error) {
                    self.work.leave_untold(ctx);
                }
                // It may have died long ago, when nobody wrote anything. What was committed all the same is found again.
                if !was_connected || !store::is_lost(&error) {
                    return Err(error);
                }
            }
            if tries == RETRIES {
                return Err(error);
            }
            tries += 1;
        }
    }

    async fn write(&mut self, ctx: &Context, items: &mut [W::Item]) -> sqlx::Result<W::Written> {
        if self.connection.is_none() {
            let connecting = timeout(CONNECT_PATIENCE, PgConnection::connect_with(&self.options));
            self.connection = Some(connecting.await.map_err(|_| sqlx::Error::PoolTimedOut)??);
        }
        let connection = self.connection.as_mut().expect("connected above");
        let began = Instant::now();
        let mut tx = connection.begin().await?;
        let written = self.work.write(ctx, &mut tx, items).await?;
        tx.commit().await?;
        metrics::committed(W::LANE, began.elapsed());
        Ok(written)
    }
}
