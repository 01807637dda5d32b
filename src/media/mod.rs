//! Files: taking them in, telling what they are, and keeping their bytes; and pages of others. Invariant: this room knows
//! bytes, and nothing of who may see them.

mod pictures;
mod probe;
pub mod sniff;
pub mod staging;
pub mod vault;
pub mod web;
pub mod workshop;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::error::{Error, Result};
use staging::{Room, Staged};
use vault::Vault;
use workshop::{Looking, Wish, Workshop};

/// Files that are fetched from the vault at once, at most: each takes memory.
const FETCHES_AT_ONCE: usize = 1;

/// Where files come in and are kept.
#[derive(Debug)]
pub struct Media {
    /// The store of files.
    pub vault: Vault,
    staging: PathBuf,
    room: Room,
    fetches: Semaphore,
    workshop: Workshop,
}

impl Media {
    /// Files come in through a directory of this machine, on their way to the vault, as many at once as there is room for.
    /// What is inside of them is read by this program, which must be that of this server.
    pub fn new(vault: Vault, staging: PathBuf, room: Room, program: &Path) -> Self {
        let fetches = Semaphore::new(FETCHES_AT_ONCE);
        Self { vault, staging, room, fetches, workshop: Workshop::open(program) }
    }

    /// A place for a file of at most so many bytes that comes in; it is gone with the process, whatever happens.
    pub async fn stage(&self, most: u64) -> Result<Staged> {
        Staged::begin(self.staging.clone(), most, &self.room).await
    }

    /// Waits for one's turn to fetch files from the vault to where they are put together or looked into.
    pub async fn fetching(&self) -> Result<SemaphorePermit<'_>> {
        Ok(self.fetches.acquire().await.context("fetching never ends")?)
    }

    /// Has a file that is called so looked into from its beginning, beside all others; answers as soon as its type is known.
    pub async fn look(&self, file: File, name: &str, wish: Wish) -> Result<Looking> {
        if file.metadata().map_err(trouble)?.len() == 0 {
            return Err(Error::field("file", "empty", "The file is empty."));
        }
        self.workshop.look(file, name, wish).await
    }
}

/// A full disk is something to be told; whatever else happens to a file is a defect or a broken machine.
fn trouble(error: io::Error) -> Error {
    if is_full(&error) {
        return Error::StorageFull;
    }
    Error::Internal(anyhow::Error::new(error).context("a file could not be read or written"))
}

/// Whether a file did not fit: on the disk, into a quota of it, or into what the system lets a file have.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
