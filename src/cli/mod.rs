//! The command line. Invariant: what a command has to say goes to standard output, and why it failed to standard error.

mod bench;
mod contracts;
mod doctor;
mod media;
mod migrate;
mod policy;
mod reindex;
mod serve;
mod user;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::{
    bench::BenchCommand,
    media::MediaCommand,
    policy::PolicyCommand,
    user::{TokenCommand, UserCommand},
};
use crate::{boot, config::settings::Settings, domain::error::Error, media::workshop};

/// A chat backend for app teams: people, conversations and messages over REST and WebSockets, all in PostgreSQL.
#[derive(Parser)]
#[command(name = "colloquy", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Subcommand)]
enum Command {
    /// Serve clients; what colloquy does when no command is given.
    Serve,
    /// Bring the database up to date, as every start does, and end.
    Migrate,
    /// Make the index of what was said anew, while a server runs or not.
    Reindex,
    /// Look whether a server could run here, and say what is broken.
    Doctor,
    /// Print the contract of REST as OpenAPI 3.1.
    Openapi,
    /// Print the contract of sockets as AsyncAPI 3.0.
    Asyncapi,
    /// Make, promote or ban accounts.
    #[command(subcommand)]
    User(UserCommand),
    /// Try a policy file before it holds.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look after the store of files.
    #[command(subcommand)]
    Media(MediaCommand),
    /// Print an access token for trying things out as somebody.
    Token(TokenCommand),
    /// Look into the file at standard input, for a server that would rather not.
    #[command(hide = true)]
    Look {
        /// What for, as a server says it.
        order: String,
    },
    /// Measure how fast a server is on this machine, and check everything that it answers.
    Bench(BenchCommand),
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let matches = Settings::ignore_empty_variables(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    carry_out(cli).unwrap_or_else(|error| {
        // Nobody is left to tell if standard error is gone too.
        writeln!(io::stderr().lock(), "colloquy: {}", complaint(&error)).ok();
        ExitCode::FAILURE
    })
}

/// Why a command failed; of what was written wrongly, all of it.
fn complaint(error: &anyhow::Error) -> String {
    match error.downcast_ref() {
        Some(Error::Invalid(fields)) => {
            fields.iter().map(|field| format!("{}: {}", field.field, field.message)).collect::<Vec<_>>().join(" ")
        }
        _ => format!("{error:#}"),
    }
}

fn carry_out(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads");
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => runtime()?.block_on(serve::serve(cli.settings)),
        Command::Migrate => runtime()?.block_on(migrate::migrate(&cli.settings)),
        Command::Reindex => runtime()?.block_on(reindex::reindex(cli.settings)),
        Command::Doctor => runtime()?.block_on(doctor::doctor(&cli.settings)),
        Command::Openapi => contracts::print(&boot::contracts::openapi()),
        Command::Asyncapi => contracts::print(&boot::contracts::asyncapi()),
        Command::User(command) => runtime()?.block_on(user::user(cli.settings, command)),
        Command::Policy(command) => runtime()?.block_on(policy::policy(cli.settings, command)),
        Command::Media(command) => runtime()?.block_on(media::media(cli.settings, command)),
        Command::Token(command) => runtime()?.block_on(user::token(cli.settings, command)),
        Command::Look { order } => workshop::answer(&order),
        Command::Bench(command) => bench::bench(&cli.settings, &command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_lists_every_setting_with_its_variable_and_default_but_no_secret() {
        let help = Cli::command().render_long_help().to_string();

        for setting in
            ["DATABASE_URL", "REDIS_URL", "COLLOQUY_LISTEN=", "[default: 127.0.0.1:8080]", "COLLOQUY_JWT_SECRET"]
        {
            assert!(help.contains(setting), "{setting} is missing in:\n{help}");
        }
        assert!(!help.contains("COLLOQUY_JWT_SECRET="), "{help}");
    }
}
