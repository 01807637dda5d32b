//! The Redis that nodes share: one server, or a cluster of them. Which of the two it is, it says itself.
//!
//! In a cluster each command goes to the server that has its key's slot, also after slots have moved or another server has
//! taken over. A cluster counts as away while any of its masters is: a part of it would do no good to nodes that share all of it.

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo,
    RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};

/// How long Redis may take to answer before it counts as away.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// The same for one command with all the ways that it is sent in a cluster.
const WHOLE_PATIENCE: Duration = Duration::from_secs(2);
/// How often a command is sent again to where its slot is now.
const RETRIES: u32 = 2;

/// Where Redis is.
pub struct Servers {
    seeds: Vec<ConnectionInfo>,
    is_cluster: OnceLock<bool>,
}

/// What hears what a connection is told without having asked.
pub type Ear = Arc<dyn Fn(PushInfo) -> Result<(), Infallible> + Send + Sync>;

/// A connection that many may use at once.
#[derive(Clone)]
pub enum Connection {
    /// To the one server.
    One(MultiplexedConnection),
    /// To all servers of a cluster.
    Cluster(ClusterConnection),
}

impl Servers {
    /// Those of `REDIS_URL`: one server, or some nodes of a cluster with commas between them. Does not connect yet.
    pub fn new(url: &str) -> RedisResult<Self> {
        let seeds = url.split(',').map(|url| url.trim().into_connection_info()).collect::<RedisResult<_>>()?;
        Ok(Self { seeds, is_cluster: OnceLock::new() })
    }

    /// Connects. Where there is an ear, the connection can be told things.
    pub async fn connect(&self, ear: Option<Ear>) -> RedisResult<Connection> {
        if self.is_cluster().await? {
            return self.connect_to_all(ear).await.map(Connection::Cluster);
        }
        self.connect_to_any(ear).await.map(Connection::One)
    }

    async fn connect_to_any(&self, ear: Option<Ear>) -> RedisResult<MultiplexedConnection> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_PATIENCE))
            .set_response_timeout(Some(ANSWER_PATIENCE));
        let is_told = ear.is_some();
        if let Some(ear) = ear {
            config = config.set_push_sender(move |push| ear(push));
        }
        let mut refusal = None;
        for seed in &self.seeds {
            let client = Client::open(with_protocol(seed.clone(), is_told))?;
            match client.get_multiplexed_async_connection_with_config(&config).await {
                Ok(connection) => return Ok(connection),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| RedisError::from((redis::ErrorKind::InvalidClientConfig, "no Redis is named"))))
    }

    async fn connect_to_all(&self, ear: Option<Ear>) -> RedisResult<ClusterConnection> {
        let mut client = ClusterClient::builder(self.seeds.clone())
            .connection_timeout(ANSWER_PATIENCE)
            .response_timeout(ANSWER_PATIENCE)
            .overall_response_timeout(Some(WHOLE_PATIENCE))
            .retries(RETRIES);
        if let Some(ear) = ear {
            client = client.use_protocol(ProtocolVersion::RESP3).push_sender(move |push| ear(push));
        }
        let mut connection = client.build()?.get_async_connection().await?;
        // It asks all masters.
        redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(connection)
    }

    /// Asked once it can be; a Redis does not become the other kind.
    async fn is_cluster(&self) -> RedisResult<bool> {
        if let Some(is_cluster) = self.is_cluster.get() {
            return Ok(*is_cluster);
        }
        let mut connection = self.connect_to_any(None).await?;
        let says: String = redis::cmd("INFO").arg("cluster").query_async(&mut connection).await?;
        Ok(*self.is_cluster.get_or_init(|| says.contains("cluster_enabled:1")))
    }
}

impl fmt::Debug for Servers {
    /// Without the passwords of the addresses.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Servers").field("is_cluster", &self.is_cluster).finish_non_exhaustive()
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(cmd, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Only RESP3 tells a connection things that it did not ask for.
fn with_protocol(info: ConnectionInfo, is_told: bool) -> ConnectionInfo {
    if !is_told {
        return info;
    }
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    info.set_redis_settings(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_server_or_several_and_keeps_its_password_to_itself() {
        let servers = Servers::new("redis://:hunter2@north:6379, rediss://south:6380").expect("both are addresses");

        assert_eq!(servers.seeds.len(), 2);
        assert!(!format!("{servers:?}").contains("hunter2"));
        assert!(Servers::new("redis://north,mail://south").is_err());
    }
}
