//! `colloquy doctor`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{boot::doctor, config::settings::Settings};

/// Prints how everything is that a server needs; fails if something is broken.
pub async fn doctor(settings: &Settings) -> anyhow::Result<ExitCode> {
    let findings = doctor::examine(settings).await;
    let mut out = io::stdout().lock();
    for finding in &findings {
        let (mark, words) = match &finding.verdict {
            Ok(words) => ("ok", words.clone()),
            Err(error) => ("broken", format!("{error:#}")),
        };
        writeln!(out, "{mark:<8}{:<16}{words}", finding.subject)?;
    }
    let is_broken = findings.iter().any(|finding| finding.verdict.is_err());
    Ok(if is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
