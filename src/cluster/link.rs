//! Asks Redis: limits, tickets and presence. Whoever asks knows what to do without an answer.
//!
//! A pool and not the relay's connection, so that no answer waits behind what is posted, and so that a slow Redis is asked by few
//! at once. Its round trip to check a connection is paid here, but never by what the bus carries.

use std::{fmt, sync::Arc, time::Duration};

use deadpool_redis::{
    Connection, Manager, Pool, Runtime, Timeouts,
    redis::{FromRedisValue, IntoConnectionInfo, Pipeline, RedisResult, ScriptInvocation},
};
use tracing::debug;

use super::relay::{Road, connection_config};

/// Questions at once; the others wait, but not for long.
const CONNECTIONS: usize = 16;
/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_millis(500);

/// The way to ask.
#[derive(Clone)]
pub struct Link {
    pool: Pool,
    road: Arc<Road>,
}

impl Link {
    /// A link to the Redis that the road leads to. Does not connect yet.
    pub fn new(redis: impl IntoConnectionInfo, road: Arc<Road>) -> anyhow::Result<Self> {
        let manager = Manager::new_with_config(redis, connection_config())?;
        let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) };
        let builder = Pool::builder(manager).max_size(CONNECTIONS).timeouts(timeouts).runtime(Runtime::Tokio1);
        Ok(Self { pool: builder.build()?, road })
    }

    /// This node's name among the others.
    pub fn node(&self) -> uuid::Uuid {
        self.road.node
    }

    /// Runs commands; nothing where Redis is away.
    pub async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Option<T> {
        let mut connection = self.connection().await?;
        answer(commands.query_async(&mut connection).await)
    }

    /// Runs a script; nothing where Redis is away.
    pub async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Option<T> {
        let mut connection = self.connection().await?;
        answer(script.invoke_async(&mut connection).await)
    }

    async fn connection(&self) -> Option<Connection> {
        // Whoever posts has noticed already that Redis is away; there is no use in waiting to learn the same.
        if !self.road.posts() {
            return None;
        }
        self.pool.get().await.inspect_err(|error| debug!(%error, "Redis has no connection for a question")).ok()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").field("node", &self.road.node).finish_non_exhaustive()
    }
}

fn answer<T>(answer: RedisResult<T>) -> Option<T> {
    answer.inspect_err(|error| debug!(%error, "Redis did not answer a question")).ok()
}
