//! Processes of a PostgreSQL that has lost its server, or its main process.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::pid_file::PidFile;

/// How often we look whether they are gone.
const GLANCE: Duration = Duration::from_millis(20);

/// Ends every process that still works on a cluster, so that PostgreSQL can be started there.
pub async fn end(cluster: &Path) -> anyhow::Result<()> {
    let mut left = processes_on(cluster);
    if let Some(PidFile { pid, .. }) = PidFile::read(cluster)
        && left.contains(&pid)
    {
        warn!("Stopping the PostgreSQL (process {pid}) that an earlier server left running.");
        signal(&[pid], Signal::SIGINT);
        left = wait_until_gone(cluster, Duration::from_secs(30)).await;
    }
    // Without their main process the others end only after the statement that they are at, however long that takes.
    for last_resort in [Signal::SIGQUIT, Signal::SIGKILL] {
        if !left.is_empty() {
            signal(&left, last_resort);
            left = wait_until_gone(cluster, Duration::from_secs(5)).await;
        }
    }
    if let Some(pid) = left.first() {
        bail!("A PostgreSQL that an earlier server left running does not stop; end process {pid} by hand.");
    }
    // After a crash its number may be anybody's, for whose sake PostgreSQL would refuse to start.
    PidFile::remove(cluster).context("cannot remove a stale postmaster.pid")
}

fn signal(processes: &[Pid], signal: Signal) {
    for pid in processes {
        // It may have ended in the meantime.
        kill(*pid, signal).ok();
    }
}

async fn wait_until_gone(cluster: &Path, patience: Duration) -> Vec<Pid> {
    let deadline = Instant::now() + patience;
    loop {
        let left = processes_on(cluster);
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        sleep(GLANCE).await;
    }
}

/// The processes of PostgreSQL that work on this cluster, and none that came by such a number later.
fn processes_on(cluster: &Path) -> Vec<Pid> {
    match fs::read_dir("/proc") {
        Ok(processes) => processes.flatten().filter_map(|process| at_work(&process.path(), cluster)).collect(),
        // Where the kernel does not say it in files, only the main process names its cluster.
        Err(_) => main_process_on(cluster).into_iter().collect(),
    }
}

fn at_work(process: &Path, cluster: &Path) -> Option<Pid> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    let is_postgres = || fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "postgres");
    // Every process of PostgreSQL works in the directory of its cluster.
    (fs::read_link(process.join("cwd")).ok()? == cluster && is_postgres()).then(|| Pid::from_raw(pid))
}

fn main_process_on(cluster: &Path) -> Option<Pid> {
    let pid = PidFile::read(cluster)?.pid;
    let answer = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output().ok()?;
    String::from_utf8_lossy(&answer.stdout).contains(&*cluster.to_string_lossy()).then_some(pid)
}
