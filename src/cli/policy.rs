//! `colloquy policy`: tries a policy file before it holds.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use chrono::SecondsFormat;
use clap::Subcommand;

use crate::{
    actions::policy::{self, Replayed},
    boot::desk::Desk,
    config::{rulebook, settings::Settings},
    telemetry::logs,
};

/// What to do with a policy file.
#[derive(Clone, Subcommand)]
pub enum PolicyCommand {
    /// Look whether a file is well formed, and what it would have refused.
    Check {
        /// The file.
        file: PathBuf,
        /// Try it on the last so many things that people did, with the roles and members of today.
        #[arg(long, value_name = "NUMBER")]
        replay: Option<u32>,
    },
}

/// Tries a file.
pub async fn policy(
    settings: Settings,
    PolicyCommand::Check { file, replay }: PolicyCommand,
) -> anyhow::Result<ExitCode> {
    let rules = rulebook::read(Some(&file))?;
    let mut out = io::stdout();
    writeln!(out, "{} is well formed.", file.display())?;
    if let Some(last) = replay {
        logs::start(&settings)?;
        let desk = Desk::open(settings).await?;
        let replayed = policy::replay(desk.ctx(), &rules, last).await;
        desk.close().await;
        print(&mut out, &replayed?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, replayed: &Replayed) -> io::Result<()> {
    for (past, denial) in &replayed.refused {
        let at = past.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let (act, user, place) = (past.act, past.user_id, past.conversation_id);
        writeln!(out, "{at}  {act:<7} by {user} in {place}: {}: {}", denial.rule, denial.why)?;
    }
    let Replayed { total, refused, redacted } = replayed;
    writeln!(out, "Of the last {total} it would have refused {} and redacted {redacted}.", refused.len())
}
