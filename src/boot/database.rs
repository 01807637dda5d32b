//! The database that a server works with: the one it is told, or one of its own.

use std::{str::FromStr, time::Duration};

use anyhow::{Context, anyhow, ensure};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Postgres,
    migrate::{MigrateDatabase, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::{
    embedded::{
        Embedded, programs,
        site::{self, Site},
    },
    trouble,
};
use crate::{
    config::{secret::Secret, settings::Settings},
    store::reads,
};

/// All changes that the schema has gone through; `sqlx migrate run` applies the same files.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a database may take to appear.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(4);

/// What every connection asks of PostgreSQL, unless the URL's own options say otherwise.
const SESSION: [(&str, &str); 5] = [
    // Acknowledged means committed, whatever the server's default is.
    ("synchronous_commit", "on"),
    // A plan for any values does not know how little a page is, and would start other processes to read much.
    ("max_parallel_workers_per_gather", "0"),
    // Chat is many short statements, which compiling only delays.
    ("jit", "off"),
    ("statement_timeout", "10s"),
    // Not longer than we wait: who was cut off in the middle of a transaction must not keep others from what it locked.
    ("idle_in_transaction_session_timeout", "10s"),
];

/// A migrated database, and the server that is ours where it is one of our own.
pub struct Database {
    pool: PgPool,
    embedded: Option<Embedded>,
}

impl Database {
    /// Connects to the database of the settings, or starts one in the data directory, and brings it up to date.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        if let Some(url) = &settings.database_url {
            let pool = prepare(options_of(url)?, settings).await?;
            return Ok(Self { pool, embedded: None });
        }
        let at_home = |error| trouble::at_home(&settings.data_dir, error);
        let embedded = Embedded::start(settings).await.map_err(at_home)?;
        match prepare_own(embedded.options(), settings).await {
            Ok(pool) => Ok(Self { pool, embedded: Some(embedded) }),
            Err(error) => {
                embedded.stop(settings.shutdown_patience()).await;
                Err(at_home(error))
            }
        }
    }

    /// The same; but where a server runs on the data directory, the database that it keeps running.
    pub async fn open_or_join(settings: &Settings) -> anyhow::Result<Self> {
        if settings.database_url.is_none() && site::holder(&settings.data_dir).is_some() {
            let options = Site::options_at(&site::sockets_of(&settings.data_dir)?);
            return Ok(Self { pool: prepare_own(&options, settings).await?, embedded: None });
        }
        Self::open(settings).await
    }

    /// The connections to share. Who needs one of their own finds out how to connect here too.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Lets go of all connections, and stops the server where it is our own.
    pub async fn close(self, patience: Duration) {
        if timeout(patience, self.pool.close()).await.is_err() {
            warn!("Connections to the database were still in use at the end.");
        }
        if let Some(embedded) = self.embedded {
            embedded.stop(patience).await;
        }
    }
}

/// How to connect to a database that we are told of.
pub fn options_of(url: &Secret) -> anyhow::Result<PgConnectOptions> {
    let form = "expected postgres://user:password@host:5432/database";
    let url = url.reveal();
    ensure!(url.starts_with("postgres://") || url.starts_with("postgresql://"), "DATABASE_URL is not valid: {form}.");
    PgConnectOptions::from_str(url).map_err(|error| match error {
        sqlx::Error::Configuration(error) => anyhow!("DATABASE_URL is not valid ({error}): {form}."),
        error => anyhow!("DATABASE_URL is not valid ({error}): {form}."),
    })
}

/// Connects, trying again for a few seconds where that may help.
pub async fn connect(options: &PgConnectOptions) -> anyhow::Result<PgConnection> {
    let deadline = Instant::now() + PATIENCE;
    let mut has_been_told = false;
    loop {
        let error = match timeout(ATTEMPT, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        };
        if !trouble::is_passing(&error) || Instant::now() >= deadline {
            return Err(trouble::connecting(options, error));
        }
        if !has_been_told {
            info!("Waiting for the database: {error}.");
            has_been_told = true;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Refuses a server that is too old.
pub fn check_version(connection: &PgConnection) -> anyhow::Result<()> {
    // Relatives of PostgreSQL may number their versions in ways of their own.
    let Some(version) = connection.server_version_num().map(|number| number / 10_000) else { return Ok(()) };
    let oldest = programs::OLDEST;
    ensure!(version >= oldest, "The database runs PostgreSQL {version}; Colloquy needs version {oldest} or later.");
    Ok(())
}

async fn prepare_own(options: &PgConnectOptions, settings: &Settings) -> anyhow::Result<PgPool> {
    let url = options.to_url_lossy();
    let trouble = |error| trouble::connecting(options, error);
    if !Postgres::database_exists(url.as_str()).await.map_err(trouble)? {
        Postgres::create_database(url.as_str()).await.map_err(trouble)?;
    }
    prepare(options.clone(), settings).await
}

async fn prepare(options: PgConnectOptions, settings: &Settings) -> anyhow::Result<PgPool> {
    let options = options.application_name("colloquy").statement_cache_capacity(500);
    // Not one of the pool's: a migration, or waiting for another node's, may take longer than a statement should.
    let mut connection = connect(&options).await?;
    check_version(&connection)?;
    MIGRATIONS.run(&mut connection).await.map_err(trouble::migrating)?;
    connection.close().await.context("cannot end the connection that migrated the database")?;
    let pool = pool_options(settings);
    // A network can forget a connection without a word, a Unix socket cannot. What was given up in the middle of a
    // question would otherwise be waited for by the pool for ever, and count as one of its connections.
    let is_local = options.get_socket().is_some();
    let pool = if is_local { pool } else { pool.after_release(|connection, _| Box::pin(is_alive(connection))) };
    Ok(pool.connect_lazy_with(with_session(options)))
}

fn with_session(options: PgConnectOptions) -> PgConnectOptions {
    let said = options.get_options().unwrap_or_default().to_owned();
    options.options(SESSION.into_iter().filter(|(name, _)| !said.contains(name)))
}

fn pool_options(settings: &Settings) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(settings.pool_of_a_thread())
        .acquire_timeout(reads::PATIENCE)
        // A ping on every acquire would cost each request a round trip; under load connections prove themselves.
        .test_before_acquire(false)
        .before_acquire(|connection, past| {
            Box::pin(async move { Ok(past.idle_for < reads::UNSURE || is_alive(connection).await?) })
        })
}

async fn is_alive(connection: &mut PgConnection) -> sqlx::Result<bool> {
    // An error and not a no, for only then the pool spares it the goodbye.
    timeout(reads::PROOF, connection.ping()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_refused_without_showing_it() {
        for wrong in ["", "mysql://root:hunter2@db/chat", "postgres://user:hunter2@db:port/chat", "db:5432"] {
            let url = wrong.parse().expect("any text can be a secret");

            let refusal = options_of(&url).expect_err(wrong).to_string();

            assert!(refusal.starts_with("DATABASE_URL is not valid"), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn options_in_the_url_stand_above_ours() {
        let url = "postgres://db/chat?options=-c%20statement_timeout%3D5s".parse().expect("any text can be a secret");

        let options = with_session(options_of(&url).expect("the URL is valid"));

        let options = options.get_options().expect("there are options");
        assert!(options.contains("statement_timeout=5s") && !options.contains("statement_timeout=10s"), "{options}");
        assert!(options.contains("synchronous_commit=on"), "{options}");
    }
}
