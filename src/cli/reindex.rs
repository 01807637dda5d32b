//! `colloquy reindex`.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use tokio::time::sleep;

use crate::{actions::index, boot::desk::Desk, config::settings::Settings, telemetry::logs};

/// How long a server that works on the same conversations is given for a step.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes the index anew. What is in it can be found meanwhile.
pub async fn reindex(settings: Settings) -> anyhow::Result<ExitCode> {
    logs::start(&settings)?;
    let desk = Desk::open(settings).await?;
    let done = follow_all(&desk).await;
    desk.close().await;
    writeln!(io::stdout().lock(), "{}", done?)?;
    Ok(ExitCode::SUCCESS)
}

async fn follow_all(desk: &Desk) -> anyhow::Result<String> {
    let ctx = desk.ctx();
    index::forget(ctx).await?;
    let mut messages = 0;
    loop {
        let behind = index::behind(ctx, index::CONVERSATIONS).await?;
        if behind.is_empty() {
            return Ok(format!("{messages} messages were indexed here, and the others by the servers that run."));
        }
        let step = index::step(ctx, &behind).await?;
        messages += step.messages;
        if step.is_idle {
            sleep(PAUSE).await;
        }
    }
}
