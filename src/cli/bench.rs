//! `colloquy bench`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::LocalSet,
};

use crate::{
    bench::{
        self, Load, Scenario,
        server::{Server, Target},
    },
    boot::open_files,
    config::settings::Settings,
    telemetry::logs,
};

/// What to measure, and where.
#[derive(Clone, Args)]
pub struct BenchCommand {
    /// Scenarios; all but `nodes` where none is named.
    scenarios: Vec<Scenario>,

    /// A server that runs already, such as <http://127.0.0.1:8080>; `COLLOQUY_JWT_SECRET` must be its secret, and its limits off.
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    #[command(flatten)]
    load: Load,

    /// Print one JSON object per measurement.
    #[arg(long)]
    json: bool,
}

/// Measures, and fails if anything was lost, out of order or refused.
pub fn bench(settings: &Settings, command: &BenchCommand) -> anyhow::Result<ExitCode> {
    logs::start(settings)?;
    open_files::raise_limit();
    // One thread: the rest of the machine is for the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let own = match command.url {
            Some(_) => None,
            None => Some(Server::start(&settings.program, settings).await?),
        };
        let target = match (&own, &command.url) {
            (Some(own), _) => own.target.clone(),
            (None, url) => Target::running(url.as_deref().unwrap_or_default(), settings)?,
        };
        let all_right = tokio::select! {
            measured = measure(&target, command) => measured,
            _ = interrupt.recv() => Ok(false),
            _ = terminate.recv() => Ok(false),
        };
        if let Some(own) = own {
            own.stop().await;
        }
        Ok(if all_right? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Carries out the scenarios, and prints what each gave; whether all was right.
async fn measure(target: &Target, command: &BenchCommand) -> anyhow::Result<bool> {
    let mut all_right = true;
    for scenario in wanted(&command.scenarios) {
        for report in bench::run(scenario, target, &command.load).await? {
            all_right &= report.is_right();
            let mut out = io::stdout().lock();
            if command.json {
                writeln!(out, "{}", serde_json::to_string(&report)?)?;
            } else {
                writeln!(out, "{report}")?;
            }
        }
    }
    Ok(all_right)
}

/// The scenarios that are named, or else all but two nodes, which need more than this machine may have.
fn wanted(named: &[Scenario]) -> Vec<Scenario> {
    if named.is_empty() {
        return Scenario::value_variants().iter().copied().filter(|scenario| *scenario != Scenario::Nodes).collect();
    }
    named.to_vec()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Asked {
        #[command(flatten)]
        command: BenchCommand,
    }

    #[test]
    fn where_no_scenario_is_named_all_are_measured_that_need_nothing_else() {
        let names = |arguments: &[&str]| {
            let asked = Asked::try_parse_from([&["bench"], arguments].concat()).unwrap().command;
            let names = wanted(&asked.scenarios).into_iter().map(|scenario| scenario.to_possible_value().unwrap());
            names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>()
        };

        let all = ["send", "hot", "fanout", "idle", "history", "list", "search", "index", "pictures", "connect"];
        assert_eq!(names(&[]), all);
        assert_eq!(names(&["nodes", "send"]), ["nodes", "send"]);
    }
}
