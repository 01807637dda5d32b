//! `colloquy migrate`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{boot::database::Database, config::settings::Settings, telemetry::logs};

/// Brings the database up to date.
pub async fn migrate(settings: &Settings) -> anyhow::Result<ExitCode> {
    logs::start(settings)?;
    Database::open(settings).await?.close(settings.shutdown_patience()).await;
    writeln!(io::stdout().lock(), "The database is up to date.")?;
    Ok(ExitCode::SUCCESS)
}
