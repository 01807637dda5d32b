//! `colloquy serve`.

use std::process::ExitCode;

use anyhow::Context;

use crate::{
    boot::{lifecycle::Lifecycle, open_files, server::Server},
    config::settings::Settings,
    domain::clock::Clock,
    telemetry::logs,
};

/// Serves until a signal ends it.
pub async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    logs::start(&settings)?;
    open_files::raise_limit();
    let lifecycle = Lifecycle::default();
    let _signals = lifecycle.obey_signals().context("cannot listen for signals")?;
    let starting = Server::start(settings, Clock::default(), lifecycle.clone());
    // A start that takes long, such as a recovery, can be broken off.
    if let Some(server) = lifecycle.draining().run_until_cancelled(starting).await {
        server?.run().await;
    }
    Ok(ExitCode::SUCCESS)
}
