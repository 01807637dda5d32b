//! `colloquy user` and `colloquy token`: what an operator does to accounts.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use chrono::TimeDelta;
use clap::{Args, Subcommand};

use crate::{
    actions::{
        accounts::{self, Registration},
        sessions,
    },
    boot::desk::Desk,
    config::settings::Settings,
    domain::moderation::Actor,
    telemetry::logs,
};

/// What to do to an account.
#[derive(Clone, Subcommand)]
pub enum UserCommand {
    /// Make an account.
    Create {
        /// The name to sign in with.
        username: String,
        /// The password; read from standard input where it is not given.
        #[arg(long)]
        password: Option<String>,
        /// The name to show.
        #[arg(long)]
        display_name: Option<String>,
        /// An e-mail address to sign in with.
        #[arg(long)]
        email: Option<String>,
        /// A role; may be given several times.
        #[arg(long = "role")]
        roles: Vec<String>,
    },
    /// Replace the roles of an account, such as `operator`; none where none is named.
    Role {
        /// An id, the host application's id, a username or e-mail address.
        user: String,
        /// The roles.
        roles: Vec<String>,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Keep somebody out, and end their sessions within a second.
    Ban {
        /// An id, the host application's id, a username or e-mail address.
        user: String,
        /// For how many hours; for good where it is not said.
        #[arg(long)]
        hours: Option<u32>,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let somebody in again.
    Unban {
        /// An id, the host application's id, a username or e-mail address.
        user: String,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Whose token to make.
#[derive(Clone, Args)]
pub struct TokenCommand {
    /// An id, the host application's id, a username or e-mail address.
    user: String,
    /// For how many hours it is good.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8760))]
    hours: u32,
}

/// Does something to an account.
pub async fn user(settings: Settings, command: UserCommand) -> anyhow::Result<ExitCode> {
    logs::start(&settings)?;
    let desk = Desk::open(settings).await?;
    let done = change(&desk, command).await;
    desk.close().await;
    say(&done?)
}

/// Makes a token for trying things out.
pub async fn token(settings: Settings, command: TokenCommand) -> anyhow::Result<ExitCode> {
    logs::start(&settings)?;
    let desk = Desk::open(settings).await?;
    let lifetime = Duration::from_hours(command.hours.into());
    let made = async {
        let user = accounts::find(desk.ctx(), &command.user).await?;
        sessions::development_token(desk.ctx(), Actor::CommandLine, user, lifetime).await
    }
    .await;
    desk.close().await;
    say(&made?)
}

async fn change(desk: &Desk, command: UserCommand) -> anyhow::Result<String> {
    let ctx = desk.ctx();
    Ok(match command {
        UserCommand::Create { username, password, display_name, email, roles } => {
            let password = password.map_or_else(read_password, Ok)?;
            let registration = Registration { username, password, display_name, email };
            accounts::create(ctx, Actor::CommandLine, registration, &roles).await?.id.to_string()
        }
        UserCommand::Role { user, roles, reason } => {
            accounts::set_roles(ctx, Actor::CommandLine, accounts::find(ctx, &user).await?, &roles, reason).await?;
            format!("{user} has now: {}", if roles.is_empty() { "no roles".to_owned() } else { roles.join(", ") })
        }
        UserCommand::Ban { user, hours, reason } => {
            let until = hours.map(|hours| ctx.clock.now() + TimeDelta::hours(hours.into()));
            accounts::ban(ctx, Actor::CommandLine, accounts::find(ctx, &user).await?, until, reason).await?;
            format!("{user} is banned.")
        }
        UserCommand::Unban { user, reason } => {
            accounts::unban(ctx, Actor::CommandLine, accounts::find(ctx, &user).await?, reason).await?;
            format!("{user} may come in again.")
        }
    })
}

fn read_password() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn say(words: &str) -> anyhow::Result<ExitCode> {
    writeln!(io::stdout().lock(), "{words}")?;
    Ok(ExitCode::SUCCESS)
}
