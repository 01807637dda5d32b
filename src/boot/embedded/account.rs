//! As whom the embedded PostgreSQL runs: it refuses root, so root lends it another account.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use nix::unistd::{Uid, User};
use tokio::process::Command;

/// Accounts that root may lend, the best first.
const LENT: [&str; 2] = ["postgres", "nobody"];

/// A user of the operating system that PostgreSQL may run as.
#[derive(Debug)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The owner of the cluster if there is one; else who we are, unless that is root.
    pub fn choose(cluster: &Path) -> anyhow::Result<Self> {
        let me = Uid::effective();
        let owner = fs::metadata(cluster).ok().map(|found| Uid::from_raw(found.uid()));
        match owner {
            Some(owner) if owner.is_root() => {
                bail!("`{}` belongs to root, as whom PostgreSQL refuses to run.", cluster.display())
            }
            Some(owner) if me.is_root() || me == owner => Self::of(User::from_uid(owner)?, &owner.to_string()),
            Some(owner) => {
                let owner = Self::of(User::from_uid(owner)?, &owner.to_string())?;
                bail!("`{}` belongs to `{}`; start the server as that user.", cluster.display(), owner.name)
            }
            None if me.is_root() => {
                let known = LENT.into_iter().find_map(|name| User::from_name(name).ok().flatten());
                Self::of(known, &LENT.join("` or `"))
            }
            None => Self::of(User::from_uid(me)?, &me.to_string()),
        }
    }

    fn of(user: Option<User>, wanted: &str) -> anyhow::Result<Self> {
        let user = user.with_context(|| format!("This machine knows no user `{wanted}` to run PostgreSQL as."))?;
        Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }

    /// The account's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a file is this account's own.
    pub fn owns(&self, file: &fs::Metadata) -> bool {
        file.uid() == self.uid
    }

    /// Gives a file that we made to this account.
    pub fn take_over(&self, path: &Path) -> io::Result<()> {
        if Uid::effective().is_root() { chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// Makes a command run as this account, without any group of ours: std drops the supplementary ones itself.
    pub fn run_as(&self, command: &mut Command) {
        if Uid::effective().is_root() {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Refuses a directory that this account cannot reach, such as one in root's home.
    pub fn check_reach(&self, directory: &Path) -> anyhow::Result<()> {
        for ancestor in directory.ancestors() {
            let found = fs::metadata(ancestor).with_context(|| format!("cannot look at `{}`", ancestor.display()))?;
            let wanted = match found.uid() {
                uid if uid == self.uid => 0o100,
                _ if found.gid() == self.gid => 0o010,
                _ => 0o001,
            };
            ensure!(
                found.mode() & wanted != 0,
                "PostgreSQL, which runs as `{}`, may not enter `{}`; choose another COLLOQUY_DATA_DIR.",
                self.name,
                ancestor.display()
            );
        }
        Ok(())
    }
}
