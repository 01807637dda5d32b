//! Where a file is while it comes in: on this machine, without a name, counted and hashed as it grows.

use std::{
    fs::File,
    io::{Seek, SeekFrom},
    path::PathBuf,
};

use anyhow::Context as _;
use sha2::{Digest, Sha256};
use tokio::{
    fs,
    io::{AsyncSeekExt, AsyncWriteExt},
    task,
};

use super::trouble;
use crate::domain::error::{Error, Result};

/// A file that comes in. It has no name, so that nothing is left of it once it is let go.
#[derive(Debug)]
pub struct Staged {
    file: fs::File,
    hash: Sha256,
    size: u64,
    most: u64,
}

/// A file that is in.
#[derive(Debug)]
pub struct Complete {
    /// Its bytes, from the beginning.
    pub file: File,
    /// How many.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Vec<u8>,
}

impl Staged {
    /// Makes room for a file of at most so many bytes.
    pub(super) async fn begin(directory: PathBuf, most: u64) -> Result<Self> {
        let opening = task::spawn_blocking(move || {
            std::fs::create_dir_all(&directory)?;
            tempfile::tempfile_in(directory)
        });
        let file = opening.await.context("opening a file was cut short")?.map_err(trouble)?;
        Ok(Self { file: fs::File::from_std(file), hash: Sha256::new(), size: 0, most })
    }

    /// Takes what has come of it.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            return Err(Error::TooLarge { most: self.most });
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).await.map_err(trouble)
    }

    /// It has all come.
    pub async fn complete(mut self) -> Result<Complete> {
        self.file.flush().await.map_err(trouble)?;
        self.file.rewind().await.map_err(trouble)?;
        let sha256 = self.hash.finalize().to_vec();
        Ok(Complete { file: self.file.into_std().await, size: self.size, sha256 })
    }
}

impl Complete {
    /// The same file once more, from the beginning. Only one of the two may be read at a time.
    pub fn again(&self) -> Result<File> {
        let mut file = self.file.try_clone().map_err(trouble)?;
        file.seek(SeekFrom::Start(0)).map_err(trouble)?;
        Ok(file)
    }
}
