//! Reads the policy file again when the operator says so (SIGHUP).

use std::{io, sync::Arc};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::lifecycle::Lifecycle;
use crate::actions::Context;

/// Obeys until told to stop. Without a file there is nothing to read, and the signal means what it always does.
pub fn obey_hangups(ctx: &Arc<Context>, lifecycle: &Lifecycle, stop: &CancellationToken) -> io::Result<()> {
    let Some(file) = ctx.rulebook.file().map(|file| file.display().to_string()) else { return Ok(()) };
    let mut hangups = signal(SignalKind::hangup())?;
    let (ctx, stop) = (Arc::clone(ctx), stop.clone());
    lifecycle.spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
            match ctx.rulebook.reload() {
                Ok(()) => info!("The rules of {file} hold from now on."),
                Err(error) => error!(%error, "The rules stay as they are: {error:#}"),
            }
        }
    });
    Ok(())
}
