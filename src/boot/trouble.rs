//! PostgreSQL's refusals, as one sentence for whoever starts a server.

use std::{io, path::Path};

use anyhow::{Error, anyhow};
use sqlx::{
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgDatabaseError},
};

/// Why a database cannot be connected to.
pub fn connecting(options: &PgConnectOptions, error: sqlx::Error) -> Error {
    let place = place(options);
    match error {
        sqlx::Error::Io(error) => anyhow!("PostgreSQL at {place} cannot be reached: {error}."),
        sqlx::Error::Tls(error) => anyhow!("PostgreSQL at {place} and we do not agree on TLS: {error}."),
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28000" | "28P01") => {
                anyhow!("PostgreSQL at {place} does not let `{}` in: {}.", options.get_username(), error.message())
            }
            _ => anyhow!("PostgreSQL at {place} refuses: {}.", error.message()),
        },
        error => anyhow!("PostgreSQL at {place} does not answer as it should: {error}."),
    }
}

/// Why a database cannot be brought up to date.
pub fn migrating(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(version) => {
            anyhow!(
                "The database has had migration {version}, which this version of Colloquy does not know; start a newer one."
            )
        }
        MigrateError::VersionMismatch(version) => {
            anyhow!("Migration {version} has changed since the database had it; restore the file as it was.")
        }
        MigrateError::Execute(error) => refused("The database cannot be migrated", error),
        MigrateError::ExecuteMigration(error, version) => {
            refused(&format!("Migration {version} cannot be applied"), error)
        }
        error => anyhow!("The database cannot be migrated: {error}."),
    }
}

/// The same trouble with our own PostgreSQL, said of the disk where that is why.
pub fn at_home(data_dir: &Path, error: Error) -> Error {
    let says = format!("{error:#}");
    let is_full = ["No space left on device", "Check free disk space"].iter().any(|words| says.contains(words));
    if is_full { anyhow!("The disk of `{}` is full: {says}", data_dir.display()) } else { error }
}

/// Whether it is worth trying again in a moment.
pub fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        // A host name that is not known yet counts too: containers start in any order.
        sqlx::Error::Io(error) => error.kind() != io::ErrorKind::PermissionDenied,
        // Starting up or shutting down, or all connections taken.
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P01" | "57P03" | "53300")),
        _ => false,
    }
}

fn refused(what: &str, error: sqlx::Error) -> Error {
    let sqlx::Error::Database(error) = error else { return anyhow!("{what}: {error}.") };
    let why = match error.code().as_deref() {
        Some("42501") => "its user has not enough rights",
        Some("53100") => "its disk is full",
        Some("25006") => "it is read-only; a standby cannot be used",
        _ => "PostgreSQL refuses",
    };
    let hint = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::hint);
    let hint = hint.map(|hint| format!(" {hint}")).unwrap_or_default();
    anyhow!("{what}, because {why}: {}.{hint}", error.message())
}

/// Where a database is, without saying the password.
fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("`{}`", socket.display()),
        None => format!("`{}:{}`", options.get_host(), options.get_port()),
    }
}
