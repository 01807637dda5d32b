//! The limit for what is stored: PostgreSQL by itself, asked by its own pgbench on the server's own cluster.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use anyhow::{Context, ensure};
use colloquy::bench::server::Target;
use tokio::process;

/// Makes the tables of the naive transaction anew.
const SETUP: &str = include_str!("setup.sql");
/// How a message is stored by who thinks no further: four round trips.
const NAIVE: &str = include_str!("naive.sql");
/// The rows of a page of the history.
const PAGE: &str = include_str!("page.sql");
/// Where the naive transaction is fastest.
const CLIENTS: [usize; 4] = [4, 8, 16, 32];

/// pgbench, and whom it asks.
pub struct Pgbench {
    program: PathBuf,
    connection: Vec<(&'static str, String)>,
    directory: PathBuf,
}

/// What pgbench found out.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Transactions in a second.
    pub per_second: f64,
    /// Within which half of them were done.
    pub p50_ms: f64,
}

impl Pgbench {
    /// Finds pgbench, and how to reach a server's database.
    pub async fn find(target: &Target) -> anyhow::Result<Self> {
        let finder = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/find-postgres");
        let Output { stdout, .. } =
            Command::new("bash").arg(finder).output().context("cannot run `.ci/find-postgres`")?;
        let programs = PathBuf::from(String::from_utf8(stdout)?.trim());
        let database = target.database().await?;
        let options = database.pool().connect_options();
        let host =
            options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
        let connection = vec![
            ("PGHOST", host),
            ("PGPORT", options.get_port().to_string()),
            ("PGUSER", options.get_username().to_owned()),
            ("PGDATABASE", options.get_database().unwrap_or_default().to_owned()),
        ];
        database.close(std::time::Duration::ZERO).await;
        Ok(Self { program: programs.join("pgbench"), connection, directory: target.settings().data_dir.clone() })
    }

    /// The naive transaction at its best number of clients.
    pub async fn naive(&self, seconds: f64) -> anyhow::Result<Figures> {
        let mut best: Option<Figures> = None;
        for clients in CLIENTS {
            let figures = self.naive_with(clients, seconds).await?;
            best = best.filter(|best| best.per_second > figures.per_second).or(Some(figures));
        }
        best.context("there are numbers of clients")
    }

    /// The naive transaction, by so many clients.
    pub async fn naive_with(&self, clients: usize, seconds: f64) -> anyhow::Result<Figures> {
        self.run("setup", SETUP, &["--transactions=1"]).await?;
        let (clients, time) = (format!("--client={clients}"), format!("--time={}", seconds.ceil()));
        self.run("naive", NAIVE, &[&clients, "--jobs=2", "--protocol=prepared", &time]).await
    }

    /// Reads the rows of random pages of a conversation, with 16 clients.
    pub async fn pages(&self, conversation: &str, head: i64, seconds: f64) -> anyhow::Result<Figures> {
        let (head, conversation) = (format!("--define=head={head}"), format!("--define=conversation={conversation}"));
        let time = format!("--time={}", seconds.ceil());
        self.run("page", PAGE, &["--client=16", "--jobs=2", "--protocol=prepared", &head, &conversation, &time]).await
    }

    async fn run(&self, name: &str, script: &str, arguments: &[&str]) -> anyhow::Result<Figures> {
        let file = self.directory.join(format!("{name}.sql"));
        std::fs::write(&file, script)?;
        let log = self.directory.join(format!("pgbench-{name}"));
        let mut command = process::Command::new(&self.program);
        command.envs(self.connection.iter().cloned()).arg("--no-vacuum").args(arguments).arg("--file").arg(file);
        let output = command.arg("--log").arg("--log-prefix").arg(&log).output().await.context("cannot run pgbench")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        Ok(Figures { per_second: rate.context("pgbench says no rate")?, p50_ms: self.median_of_log(name)? })
    }

    /// Reads and removes the logs, whose third column is how long a transaction took in microseconds.
    fn median_of_log(&self, name: &str) -> anyhow::Result<f64> {
        let mut times: Vec<u64> = Vec::new();
        for entry in std::fs::read_dir(&self.directory)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("pgbench-{name}.")) {
                let log = std::fs::read_to_string(entry.path())?;
                times.extend(log.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok()));
                std::fs::remove_file(entry.path())?;
            }
        }
        times.sort_unstable();
        times.get(times.len() / 2).map(|time| *time as f64 / 1e3).context("pgbench has logged nothing")
    }
}
