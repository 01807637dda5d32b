//! `colloquy media`: looks after the store of files.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Subcommand;

use crate::{
    actions::attachments::fsck::{self, Manner},
    boot::desk::Desk,
    config::settings::Settings,
    telemetry::logs,
};

/// What to do with the store of files.
#[derive(Clone, Subcommand)]
pub enum MediaCommand {
    /// Prove that whatever is in the store is written down, and whatever is written down is there, while servers run or not.
    /// Fails where something is wrong, and stays so.
    Fsck {
        /// Remove what nobody knows of, and write down what is missing. What is lost stays lost.
        #[arg(long)]
        repair: bool,
    },
}

/// Looks at everything.
pub async fn media(settings: Settings, MediaCommand::Fsck { repair }: MediaCommand) -> anyhow::Result<ExitCode> {
    logs::start(&settings)?;
    let desk = Desk::open(settings).await?;
    let mut out = io::stdout();
    let manner = if repair { Manner::Repair } else { Manner::Tell };
    let checked = fsck::check(desk.ctx(), manner, |trouble| {
        // Who does not read on still learns from the exit code.
        writeln!(out, "{trouble}").ok();
    })
    .await;
    desk.close().await;
    let tally = checked?;
    let fsck::Tally { found, needed, troubles, repaired } = tally;
    writeln!(out, "{found} files in the store, {needed} needed; {troubles} troubles, {repaired} of them repaired.")?;
    Ok(if troubles == repaired { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
