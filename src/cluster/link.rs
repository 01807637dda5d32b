//! Asks Redis: limits, tickets and presence. Whoever asks knows what to do without an answer.
//!
//! A connection of its own and not the relay's, so that no answer waits behind what is posted; a slow Redis is asked by few at once.

use std::{fmt, sync::Arc, time::Duration};

use redis::{FromRedisValue, Pipeline, RedisResult, ScriptInvocation};
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};
use tracing::debug;

use super::{
    relay::Road,
    servers::{Connection, Servers},
};

/// Questions at once; the others wait, but not for long.
const QUESTIONS: usize = 64;
/// How long to wait for one's turn, and for a connection.
const PATIENCE: Duration = Duration::from_millis(500);

/// The way to ask.
#[derive(Clone)]
pub struct Link {
    servers: Arc<Servers>,
    road: Arc<Road>,
    connection: Arc<Mutex<Option<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Link {
    /// A link to the Redis that the road leads to. Does not connect yet.
    pub fn new(servers: Arc<Servers>, road: Arc<Road>) -> Self {
        Self { servers, road, connection: Arc::default(), turns: Arc::new(Semaphore::new(QUESTIONS)) }
    }

    /// This node's name among the others.
    pub fn node(&self) -> uuid::Uuid {
        self.road.node
    }

    /// Runs commands, all about keys of one slot; nothing where Redis is away.
    pub async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Option<T> {
        self.asked(async |connection| commands.query_async(connection).await).await
    }

    /// Runs a script about keys of one slot; nothing where Redis is away.
    pub async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Option<T> {
        self.asked(async |connection| script.invoke_async(connection).await).await
    }

    async fn asked<T>(&self, question: impl AsyncFnOnce(&mut Connection) -> RedisResult<T>) -> Option<T> {
        // Whoever posts has noticed already that Redis is away; there is no use in waiting to learn the same.
        if !self.road.posts() {
            return None;
        }
        let _turn = timeout(PATIENCE, self.turns.acquire()).await.ok()?;
        let mut connection = timeout(PATIENCE, self.connected()).await.ok()??;
        match question(&mut connection).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                debug!(%error, "Redis did not answer a question");
                // What Redis itself says does not break the connection.
                if error.code().is_none() {
                    *self.connection.lock().await = None;
                }
                None
            }
        }
    }

    async fn connected(&self) -> Option<Connection> {
        let mut held = self.connection.lock().await;
        if held.is_none() {
            let connecting = self.servers.connect(None).await;
            *held = connecting.inspect_err(|error| debug!(%error, "Redis has no connection for questions")).ok();
        }
        held.clone()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").field("node", &self.road.node).finish_non_exhaustive()
    }
}
