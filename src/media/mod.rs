//! Files: taking them in, telling what they are, and keeping their bytes; and pages of others. Invariant: this room knows
//! bytes, and nothing of who may see them.

pub mod examine;
pub mod pictures;
pub mod probe;
pub mod sniff;
pub mod staging;
pub mod vault;
pub mod web;
mod workshop;

use std::{io, path::PathBuf};

use anyhow::Context as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::error::{Error, Result};
use staging::{Room, Staged};
use vault::Vault;
use workshop::Workshop;

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
    pub fn new(vault: Vault, staging: PathBuf, room: Room) -> Self {
        Self { vault, staging, room, fetches: Semaphore::new(FETCHES_AT_ONCE), workshop: Workshop::open() }
    }

    /// A place for a file of at most so many bytes that comes in; it is gone with the process, whatever happens.
    pub async fn stage(&self, most: u64) -> Result<Staged> {
        Staged::begin(self.staging.clone(), most, &self.room).await
    }

    /// Waits for one's turn to fetch files from the vault to where they are put together or looked into.
    pub async fn fetching(&self) -> Result<SemaphorePermit<'_>> {
        Ok(self.fetches.acquire().await.context("fetching never ends")?)
    }

    /// Does work on a file apart from the threads that serve clients, and never much of it at once.
    pub async fn open<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        self.workshop.work(work).await
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
