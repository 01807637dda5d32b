//! What a running PostgreSQL writes down about itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::unistd::Pid;

/// The part of `postmaster.pid` that concerns us.
#[derive(Debug, PartialEq, Eq)]
pub struct PidFile {
    /// The server's process.
    pub pid: Pid,
    /// Whether it says that it takes connections.
    pub is_ready: bool,
}

impl PidFile {
    /// Reads the file of a cluster; none where no server runs, or ran when the machine stopped.
    pub fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path_in(cluster)).ok()?)
    }

    /// Removes the file of a cluster.
    pub fn remove(cluster: &Path) -> io::Result<()> {
        match fs::remove_file(path_in(cluster)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok().filter(|pid| *pid > 1).map(Pid::from_raw)?;
        // Line 8, which pg_ctl waits for too.
        let is_ready = lines.nth(6).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, is_ready })
    }
}

fn path_in(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_says_who_and_whether_ready() {
        let ready = "4260\n/data/postgres\n1763710620\n5432\n/data/socket\n\n  7 12\nready   \n";
        let starting = "4260\n/data/postgres\n1763710620\n5432\n/data/socket\n\n  7 12\nstarting\n";

        assert_eq!(PidFile::parse(ready), Some(PidFile { pid: Pid::from_raw(4260), is_ready: true }));
        assert_eq!(PidFile::parse(starting), Some(PidFile { pid: Pid::from_raw(4260), is_ready: false }));
        assert_eq!(PidFile::parse("4260\n"), Some(PidFile { pid: Pid::from_raw(4260), is_ready: false }));
        for nobody in ["", "0\n", "-1\n", "1\n", "x\n"] {
            assert_eq!(PidFile::parse(nobody), None, "{nobody:?}");
        }
    }
}
