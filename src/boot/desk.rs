//! What a command needs to act without opening any door: the context, on the same database as the server's.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{context, database::Database, lifecycle::Lifecycle};
use crate::{actions::Context, config::settings::Settings, domain::clock::Clock};

/// A context for one command.
pub struct Desk {
    ctx: Arc<Context>,
    database: Database,
    lifecycle: Lifecycle,
    idle: CancellationToken,
}

impl Desk {
    /// Opens the database; where a server runs on this data directory, the one that it keeps running.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let database = Database::open_or_join(&settings).await?;
        let (lifecycle, idle) = (Lifecycle::default(), CancellationToken::new());
        let ends = (&lifecycle, &idle);
        let ctx = context::make(settings, Clock::default(), database.pool().clone(), ends).await?;
        Ok(Self { ctx, database, lifecycle, idle })
    }

    /// What actions need.
    pub fn ctx(&self) -> &Context {
        &self.ctx
    }

    /// Finishes what was begun.
    pub async fn close(self) {
        let patience = self.ctx.settings.shutdown_patience();
        self.idle.cancel();
        self.lifecycle.drained(patience).await;
        drop(self.ctx);
        self.database.close(patience).await;
    }
}
