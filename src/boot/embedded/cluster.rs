//! The files of the embedded PostgreSQL: made once, and whole or not at all.

use std::{
    fs::{self, File},
    path::Path,
    process::{self, Stdio},
};

use anyhow::{Context, bail};
use tokio::process::Command;
use tracing::{info, warn};

use super::{programs::Programs, site::Site};

/// What is a letter and how it is folded, which names are found by: all of Unicode, where the system has a neutral locale
/// that knows it. Order stays that of bytes.
const LETTERS: &str = if cfg!(target_os = "linux") { "--lc-ctype=C.UTF-8" } else { "--lc-ctype=C" };

/// The major version that made a cluster; none where there is no cluster yet.
pub fn version(cluster: &Path) -> Option<u32> {
    fs::read_to_string(cluster.join("PG_VERSION")).ok()?.trim().parse().ok()
}

/// Makes the cluster where it is missing.
pub async fn ensure(site: &Site, programs: &Programs) -> anyhow::Result<()> {
    remove_unfinished(site);
    if site.cluster.exists() {
        return Ok(());
    }
    info!("Making a PostgreSQL {} cluster in `{}`.", programs.version, site.cluster.display());
    // The name says whose it is: an initdb that outlived its server must not write into ours.
    let unfinished = site.directory.join(format!("{UNFINISHED}{}", process::id()));
    site.make_private(&unfinished)?;
    // A full disk is the likeliest reason, so what was made must go.
    run_initdb(site, programs, &unfinished).await.inspect_err(|_| remove_unfinished(site))?;
    fs::rename(&unfinished, &site.cluster).context("cannot put the new cluster in its place")?;
    File::open(&site.directory).and_then(|directory| directory.sync_all()).context("cannot sync the data directory")
}

const UNFINISHED: &str = "postgres.new-";

fn remove_unfinished(site: &Site) {
    let entries = fs::read_dir(&site.directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED)) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            warn!(%error, "Cannot remove the unfinished cluster `{}`", entry.path().display());
        }
    }
}

async fn run_initdb(site: &Site, programs: &Programs, directory: &Path) -> anyhow::Result<()> {
    let mut command = command(site, programs, "initdb");
    command
        .arg("--pgdata")
        .arg(directory)
        .args(["--username=colloquy", "--encoding=UTF8", "--locale=C", LETTERS, "--auth=trust", "--no-instructions"])
        .current_dir(directory)
        .kill_on_drop(true);
    let outcome = command.output().await.context("cannot run initdb")?;
    if outcome.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&outcome.stderr);
    let complaint = complaint(&words).unwrap_or_else(|| "initdb did not say why.".to_owned());
    bail!("The PostgreSQL cluster could not be made: {complaint}");
}

/// One of the programs, run as the cluster's account, apart from our terminal and without our environment.
pub fn command(site: &Site, programs: &Programs, name: &str) -> Command {
    let mut command = Command::new(programs.path(name));
    site.account.run_as(&mut command);
    command
        // Ctrl-C is for us: PostgreSQL is still needed while we drain.
        .process_group(0)
        // Variables such as PGDATA and LC_MESSAGES would have a say in what it does.
        .env_clear()
        .env("PATH", &programs.directory)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// The sentence in which a program says what went wrong, and what may help.
fn complaint(words: &str) -> Option<String> {
    let said = |label| words.lines().find_map(|line| line.split_once(label)).map(|(_, words)| words.trim());
    let reason = ["FATAL:", "PANIC:", "error:"].into_iter().find_map(said)?;
    Some(format!("{reason}. {}", said("HINT:").unwrap_or_default()).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_says_what_went_wrong_and_what_may_help() {
        for (words, complained) in [
            (
                "running bootstrap ... FATAL:  no room\nHINT:  Check free disk space.\nchild exited",
                "no room. Check free disk space.",
            ),
            ("initdb: error: could not create directory \"/x\"\n", "could not create directory \"/x\"."),
        ] {
            assert_eq!(complaint(words).as_deref(), Some(complained));
        }
        assert_eq!(complaint("Success.\n"), None);
    }
}
