//! Where PostgreSQL's server programs are on this machine.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The oldest major version that will do.
pub const OLDEST: u32 = 15;

/// Folders whose children hold an installation in `bin`, and how those children's names begin.
const PLACES: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql"),
    ("/usr/local/opt", "postgresql"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),
    ("/Applications/Postgres.app/Contents/Versions", ""),
];

/// One installation of PostgreSQL's server programs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Programs {
    /// The major version.
    pub version: u32,
    /// Where `postgres` and `initdb` are.
    pub directory: PathBuf,
}

impl Programs {
    /// The newest installation, or the one that fits a cluster which exists already.
    pub fn find(cluster_version: Option<u32>) -> anyhow::Result<Self> {
        let installed: BTreeSet<Self> = candidates().iter().filter_map(|directory| Self::at(directory)).collect();
        let suitable = |found: &&Self| match cluster_version {
            Some(version) => found.version == version,
            None => found.version >= OLDEST,
        };
        if let Some(programs) = installed.iter().rev().find(suitable) {
            return Ok(programs.clone());
        }
        match (cluster_version, installed.last()) {
            (Some(version), _) => bail!(
                "The data directory was made by PostgreSQL {version}, whose server programs are not installed; \
                 install that version, or set DATABASE_URL."
            ),
            (None, Some(old)) => bail!(
                "PostgreSQL {} in `{}` is too old; install version {OLDEST} or later, or set DATABASE_URL.",
                old.version,
                old.directory.display()
            ),
            (None, None) => bail!(
                "PostgreSQL's server programs (postgres, initdb) are not installed; \
                 run `make run`, which installs them, or set DATABASE_URL."
            ),
        }
    }

    /// The path of one of the programs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn at(directory: &Path) -> Option<Self> {
        let postgres = directory.join("postgres").canonicalize().ok()?;
        // Distributions link single programs into the search path; the rest is where the link leads.
        let directory = postgres.parent()?.to_owned();
        let version = version_of(&postgres).ok().filter(|_| directory.join("initdb").exists())?;
        Some(Self { version, directory })
    }
}

fn candidates() -> Vec<PathBuf> {
    let search_path = env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = env::split_paths(&search_path).collect();
    for (parent, prefix) in PLACES {
        let children = fs::read_dir(parent).into_iter().flatten().flatten();
        let named = children.filter(|child| child.file_name().to_string_lossy().starts_with(prefix));
        candidates.extend(named.map(|child| child.path().join("bin")));
    }
    if let Ok(answer) = Command::new("pg_config").arg("--bindir").output() {
        candidates.push(PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim()));
    }
    candidates
}

/// The major version of a program, which answers `postgres (PostgreSQL) 15.14 (Debian …)` or `… 19beta1`.
fn version_of(postgres: &Path) -> anyhow::Result<u32> {
    let answer = Command::new(postgres).arg("--version").output()?;
    let answer = String::from_utf8(answer.stdout)?;
    parse_version(&answer).with_context(|| format!("no version in `{answer}`"))
}

fn parse_version(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("(PostgreSQL) ")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_program_says() {
        for (answer, version) in [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 19beta1\n", Some(19)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("mysqld Ver 8.0\n", None),
        ] {
            assert_eq!(parse_version(answer), version, "{answer}");
        }
    }
}
