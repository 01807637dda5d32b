//! Looks whether a server could run here as it is set up, without changing anything.

use std::{fs, io::ErrorKind, net::TcpListener, time::Duration};

use anyhow::{Context, bail, ensure};
use sqlx::{PgConnection, migrate::Migrate, postgres::PgConnectOptions};
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    database::{self, MIGRATIONS},
    embedded::{
        account::Account,
        cluster,
        programs::Programs,
        site::{self, Site},
    },
};
use crate::{
    config::{secret::Secret, settings::Settings},
    telemetry::logs,
};

/// Signing keys shorter than their hash can be guessed.
const SECRET_BYTES: usize = 32;

/// What was looked at, and how it is.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// What there is to say, or what is broken.
    pub verdict: anyhow::Result<String>,
}

/// Looks at everything that a server with these settings needs.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![Finding { subject: "settings", verdict: examine_settings(settings) }];
    if let Some(url) = &settings.database_url {
        findings.push(Finding { subject: "database", verdict: examine_given_database(url).await });
    } else {
        findings.push(Finding { subject: "programs", verdict: examine_programs(settings) });
        findings.push(Finding { subject: "data directory", verdict: examine_directory(settings) });
        findings.push(Finding { subject: "database", verdict: examine_own_database(settings).await });
    }
    findings.push(Finding { subject: "redis", verdict: examine_redis(settings.redis_url.as_ref()).await });
    findings.push(Finding { subject: "port", verdict: examine_port(settings) });
    findings
}

fn examine_settings(settings: &Settings) -> anyhow::Result<String> {
    logs::filter(&settings.log)?;
    if let Some(secret) = &settings.jwt_secret {
        let length = secret.reveal().len();
        ensure!(length >= SECRET_BYTES, "COLLOQUY_JWT_SECRET has {length} bytes; use at least {SECRET_BYTES}.");
    }
    Ok("They are valid.".to_owned())
}

fn examine_programs(settings: &Settings) -> anyhow::Result<String> {
    let programs = Programs::find(cluster::version(&site::cluster_in(&settings.data_dir)))?;
    Ok(format!("PostgreSQL {} in `{}`.", programs.version, programs.directory.display()))
}

fn examine_directory(settings: &Settings) -> anyhow::Result<String> {
    let directory = &settings.data_dir;
    let shown = directory.display();
    let account = Account::choose(&site::cluster_in(directory))?;
    let existing = directory.ancestors().find(|ancestor| ancestor.exists()).context("even / is missing")?;
    account.check_reach(existing)?;
    let found = fs::metadata(existing)?;
    ensure!(found.is_dir(), "`{}` is not a directory.", existing.display());
    ensure!(!found.permissions().readonly(), "`{}` is read-only.", existing.display());
    let name = account.name();
    Ok(match site::holder(directory) {
        Some(process) => format!("`{shown}` is in use by process {process}; PostgreSQL runs as `{name}`."),
        None if existing == directory => format!("`{shown}`; PostgreSQL will run as `{name}`."),
        None => format!("`{shown}` will be made at first start; PostgreSQL will run as `{name}`."),
    })
}

async fn examine_own_database(settings: &Settings) -> anyhow::Result<String> {
    let directory = &settings.data_dir;
    if site::holder(directory).is_none() {
        return Ok(match cluster::version(&site::cluster_in(directory)) {
            Some(version) => format!("PostgreSQL {version}, which starts with the server."),
            None => "It will be made at first start.".to_owned(),
        });
    }
    let sockets = site::sockets_of(directory)?;
    let state = examine_database(&Site::options_at(&sockets)).await?;
    Ok(format!("{state} To look inside: psql -h '{}' -U colloquy.", sockets.display()))
}

async fn examine_given_database(url: &Secret) -> anyhow::Result<String> {
    examine_database(&database::options_of(url)?).await
}

async fn examine_database(options: &PgConnectOptions) -> anyhow::Result<String> {
    let mut connection = database::connect(options).await?;
    database::check_version(&connection)?;
    let missing = missing_migrations(&mut connection).await;
    let version = connection.server_version_num().map(|number| (number / 10_000).to_string()).unwrap_or_default();
    Ok(match missing {
        0 => format!("PostgreSQL {version} answers, and its schema is up to date."),
        missing => format!("PostgreSQL {version} answers; {missing} migrations will be applied at next start."),
    })
}

async fn missing_migrations(connection: &mut PgConnection) -> usize {
    // Before the first migration there is no table to ask, which comes to the same as an empty one.
    let applied = connection.list_applied_migrations(&MIGRATIONS.table_name).await.unwrap_or_default();
    MIGRATIONS.iter().filter(|known| applied.iter().all(|applied| applied.version != known.version)).count()
}

async fn examine_redis(url: Option<&Secret>) -> anyhow::Result<String> {
    let Some(url) = url else { return Ok("REDIS_URL is not set; this node is alone.".to_owned()) };
    let mut findings = Vec::new();
    for url in url.reveal().split(',') {
        findings.push(examine_server(url.trim()).await?);
    }
    Ok(findings.join(" "))
}

async fn examine_server(url: &str) -> anyhow::Result<String> {
    let (scheme, place) = url.split_once("://").context("REDIS_URL is not valid: expected redis://host:6379.")?;
    if scheme.ends_with("unix") {
        let path = place.split('?').next().unwrap_or(place);
        reach(path, UnixStream::connect(path)).await?;
        return Ok(format!("`{path}` takes connections."));
    }
    let authority = place.split(['/', '?']).next().unwrap_or(place);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { host.to_owned() } else { format!("{host}:6379") };
    reach(&address, TcpStream::connect(&address)).await?;
    Ok(format!("`{address}` takes connections."))
}

async fn reach<T>(place: &str, connecting: impl Future<Output = std::io::Result<T>>) -> anyhow::Result<()> {
    match timeout(Duration::from_secs(3), connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => bail!("Redis at `{place}` cannot be reached: {error}."),
        Err(_) => bail!("Redis at `{place}` does not answer."),
    }
}

fn examine_port(settings: &Settings) -> anyhow::Result<String> {
    let address = settings.listen;
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!("{address} is free.")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && site::holder(&settings.data_dir).is_some() => {
            Ok(format!("{address} is in use, as it is while the server runs."))
        }
        Err(error) => bail!("The server cannot listen on {address}: {error}."),
    }
}
