//! The log: readable on a terminal, JSON for machines, always on standard error.

use std::io::{self, IsTerminal};

use anyhow::anyhow;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::settings::Settings;

/// Begins to log. Only the first call in a process has an effect, so that several servers may share one.
pub fn start(settings: &Settings) -> anyhow::Result<()> {
    let log = fmt().with_env_filter(filter(&settings.log)?).with_writer(io::stderr);
    // What is refused here is a second log, and the first one is as good.
    let _ = if io::stderr().is_terminal() {
        log.with_target(false).try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    Ok(())
}

/// What `COLLOQUY_LOG` asks for.
pub fn filter(wanted: &str) -> anyhow::Result<EnvFilter> {
    // The reason would only list all that a filter can be.
    EnvFilter::builder().parse(wanted).map_err(|_| {
        anyhow!("COLLOQUY_LOG=`{wanted}` is neither a level such as info nor a list such as info,colloquy=debug.")
    })
}
