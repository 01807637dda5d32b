//! The data directory: who may use it, and what lies where in it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, anyhow, bail, ensure};
use nix::unistd::Uid;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::account::Account;

/// The port names the socket's file, and no more: nothing listens on a network.
const PORT: u16 = 5432;
/// The user and the database of the cluster.
const NAME: &str = "colloquy";
/// Kernels allow 103 bytes (macOS) or 107 (Linux) for the path of a socket.
const SOCKET_PATH_BYTES: usize = 100;

/// A data directory that is ours alone as long as this lives.
#[derive(Debug)]
pub struct Site {
    /// The data directory.
    pub directory: PathBuf,
    /// PostgreSQL's part of it.
    pub cluster: PathBuf,
    /// Where PostgreSQL's socket is.
    pub sockets: PathBuf,
    /// As whom PostgreSQL runs.
    pub account: Account,
    _lock: File,
}

impl Site {
    /// Takes a data directory, making it where it is missing; refuses one that another server uses.
    pub fn claim(data_dir: &Path) -> anyhow::Result<Self> {
        let shown = data_dir.display();
        // The account that root lends must pass through to its cluster, but not look around.
        let mode = if Uid::effective().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(data_dir)
            .map_err(|error| anyhow!("The data directory `{shown}` cannot be made: {error}."))?;
        let directory = data_dir.canonicalize().with_context(|| format!("cannot look at `{shown}`"))?;
        let lock = lock(&directory)?;
        let cluster = cluster_in(&directory);
        let account = Account::choose(&cluster)?;
        account.check_reach(&directory)?;
        let sockets = sockets_of(&directory)?;
        Ok(Self { directory, cluster, sockets, account, _lock: lock })
    }

    /// Makes the directory of the socket anew: nothing in it outlives the server that made it.
    pub fn clear_sockets(&self) -> anyhow::Result<()> {
        for stale in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
            // It is mostly not there, and where it cannot be removed, PostgreSQL will say why.
            fs::remove_file(self.sockets.join(stale)).ok();
        }
        // It may have been another account's.
        fs::remove_dir(&self.sockets).ok();
        self.make_private(&self.sockets)
    }

    /// Makes a directory that belongs to PostgreSQL's account alone.
    pub fn make_private(&self, directory: &Path) -> anyhow::Result<()> {
        let shown = directory.display();
        match DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => self.account.take_over(directory).with_context(|| format!("cannot give away `{shown}`"))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => bail!("The directory `{shown}` cannot be made: {error}."),
        }
        // In the temporary directory somebody else could have been faster.
        let found = fs::symlink_metadata(directory)?;
        ensure!(
            found.is_dir() && self.account.owns(&found) && found.mode() & 0o777 == 0o700,
            "`{shown}` is not a directory of `{}` alone; remove it.",
            self.account.name()
        );
        Ok(())
    }

    /// How to connect to the PostgreSQL whose socket is there.
    pub fn options_at(sockets: &Path) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(sockets)
            .host("localhost")
            .port(PORT)
            .username(NAME)
            .database(NAME)
            .ssl_mode(PgSslMode::Disable)
    }
}

/// Where the cluster of a data directory is.
pub fn cluster_in(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres")
}

/// Where the socket of a data directory is: inside, unless its path would be too long for the kernel.
pub fn sockets_of(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let inside = data_dir.join("socket");
    if inside.as_os_str().len() + format!("/.s.PGSQL.{PORT}").len() < SOCKET_PATH_BYTES {
        return Ok(inside);
    }
    let found = fs::metadata(data_dir)?;
    Ok(std::env::temp_dir().join(format!("colloquy-{:x}-{:x}", found.dev(), found.ino())))
}

/// The process that uses a data directory right now.
pub fn holder(data_dir: &Path) -> Option<String> {
    let mut file = File::open(data_dir.join("lock")).ok()?;
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| read_holder(&mut file))
}

/// Takes the lock of a data directory; the kernel lets go of it when we end, however that is.
fn lock(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| anyhow!("The data directory `{}` cannot be used: {error}.", directory.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!(
                "Another server (process {}) is running on the data directory `{}`; \
                 stop it, or choose another COLLOQUY_DATA_DIR.",
                read_holder(&mut file),
                directory.display()
            );
        }
        Err(TryLockError::Error(error)) => return Err(error).context(format!("cannot lock `{}`", path.display())),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", process::id())).context("cannot write the lock file")?;
    Ok(file)
}

fn read_holder(file: &mut File) -> String {
    let mut holder = String::new();
    // Whoever has just taken the lock has perhaps not written down its number yet.
    match file.read_to_string(&mut holder) {
        Ok(length) if length > 0 => holder.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
