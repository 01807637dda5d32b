//! The embedded PostgreSQL's main process, our child.

use std::{io, process::ExitStatus, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{debug, error, info, warn};

use super::{cluster, pid_file::PidFile, programs::Programs, site::Site};

/// How often we look whether PostgreSQL is ready.
const GLANCE: Duration = Duration::from_millis(20);

/// A running PostgreSQL. Dropping it asks it to stop; [`Postmaster::stop`] sees to it.
pub struct Postmaster {
    child: Child,
    pid: Pid,
    last_words: JoinHandle<Option<String>>,
}

impl Postmaster {
    /// Starts PostgreSQL and waits until it takes connections.
    pub async fn start(site: &Site, programs: &Programs, settings: &[String]) -> anyhow::Result<Self> {
        site.clear_sockets()?;
        let mut command = cluster::command(site, programs, "postgres");
        command.arg("-D").arg(&site.cluster).current_dir(&site.cluster).stdout(Stdio::null()).stderr(Stdio::piped());
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut child = command.spawn().context("cannot run postgres")?;
        let pid = child.id().map(|id| Pid::from_raw(id as i32)).context("postgres ended at once")?;
        let lines = child.stderr.take().expect("its standard error is piped");
        let mut postmaster = Self { child, pid, last_words: tokio::spawn(relay(lines)) };
        postmaster.wait_until_ready(site).await?;
        Ok(postmaster)
    }

    /// Waits until PostgreSQL has ended, by itself or by another's hand.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Stops PostgreSQL: in good order if that takes no longer than `patience`, else so that it recovers at next start.
    pub async fn stop(mut self, patience: Duration) {
        for (signal, patience) in [(Signal::SIGINT, patience), (Signal::SIGQUIT, Duration::from_secs(10))] {
            self.signal(signal);
            if timeout(patience, self.child.wait()).await.is_ok() {
                debug!("PostgreSQL has stopped.");
                return;
            }
            warn!("PostgreSQL takes long to stop.");
        }
        if let Err(error) = self.child.kill().await {
            warn!(%error, "PostgreSQL cannot be stopped");
        }
    }

    async fn wait_until_ready(&mut self, site: &Site) -> anyhow::Result<()> {
        let mut glances = 0_u32;
        while PidFile::read(&site.cluster) != Some(PidFile { pid: self.pid, is_ready: true }) {
            tokio::select! {
                status = self.child.wait() => {
                    let status = status.context("cannot wait for postgres")?;
                    // Its line is on the way, unless a process that outlives it holds the pipe.
                    let words = timeout(Duration::from_secs(1), &mut self.last_words).await.ok().and_then(Result::ok).flatten();
                    bail!("The embedded PostgreSQL did not start: {}.", words.unwrap_or_else(|| status.to_string()));
                }
                () = sleep(GLANCE) => glances += 1,
            }
            if glances.is_multiple_of(500) {
                info!("Waiting for PostgreSQL, which is putting its files in order after a crash.");
            }
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // Once it has been waited for, its number may be another's.
        if self.child.id().is_some() {
            kill(self.pid, signal).ok();
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        self.signal(Signal::SIGINT);
    }
}

/// Passes on what PostgreSQL logs, until it ends; answers with the last reason it gave for ending.
async fn relay(lines: ChildStderr) -> Option<String> {
    let mut lines = BufReader::new(lines).split(b'\n');
    let mut last_words = None;
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        match line.split_once(':').map(|(severity, words)| (severity, words.trim())) {
            Some(("PANIC", words)) => {
                error!("PostgreSQL says: {words}");
                last_words = Some(words.to_owned());
            }
            Some(("FATAL", words)) => {
                // Mostly the end of one connection, which whoever holds it is told too.
                debug!("PostgreSQL says: {words}");
                last_words = Some(words.to_owned());
            }
            _ => debug!("PostgreSQL says: {}", line.trim()),
        }
    }
    last_words
}
