//! Where a file is while it comes in: on this machine, without a name, counted and hashed as it grows.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io::{self, Read as _, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use tokio::{
    fs,
    io::AsyncReadExt,
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

use super::{probe::Trace, trouble, vault::Reading};
use crate::domain::{
    error::{Error, Result},
    ids::UserId,
};

/// Bytes that are copied at once.
const CHUNK: usize = 64 * 1024;
/// Bytes in which room is counted.
const GRAIN: u64 = 1024;
/// Files for which there is room at once in any case, however large they may be.
const LARGEST: u64 = 4;
/// What of the room one person leaves to others, whatever they bring: one part of so many.
const LEFT: usize = 8;

/// How much may be on this machine at once of files that come in.
#[derive(Clone, Debug)]
pub struct Room {
    free: Arc<Semaphore>,
    /// All of it, taken or not.
    whole: Arc<AtomicUsize>,
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// A file that comes in. It has no name, so that nothing is left of it once it is let go.
#[derive(Debug)]
pub struct Staged {
    /// Nothing once a write broke off.
    growing: Option<Growing>,
    size: u64,
    most: u64,
    place: Place,
}

/// What a file takes up of the room.
#[derive(Debug)]
struct Place {
    room: Room,
    taken: OwnedSemaphorePermit,
    owner: Option<UserId>,
}

/// What has come of a file.
#[derive(Debug)]
struct Growing {
    file: File,
    hash: Sha256,
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
    _place: Place,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes: u64) -> Self {
        let whole = bytes.div_ceil(GRAIN) as usize;
        Self { free: Arc::new(Semaphore::new(whole)), whole: Arc::new(whole.into()), taken: Arc::default() }
    }

    /// Grows to so many bytes, where it is smaller.
    fn reach(&self, bytes: u64) {
        let wanted = bytes.div_ceil(GRAIN) as usize;
        let before = self.whole.fetch_max(wanted, Ordering::Relaxed);
        self.free.add_permits(wanted.saturating_sub(before));
    }

    /// What of it one person may take.
    fn share(&self) -> usize {
        let whole = self.whole.load(Ordering::Relaxed);
        whole - whole / LEFT
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn find(room: &Room) -> Result<Self> {
        let taken = Arc::clone(&room.free).try_acquire_many_owned(0).context("the room never closes")?;
        Ok(Self { room: room.clone(), taken, owner: None })
    }

    /// Refuses what there is no room for: to wait for it could mean to wait for one another. Somebody has room for one file of
    /// so many bytes in any case.
    fn grow(&mut self, bytes: u64, most: u64) -> Result<()> {
        let missing = bytes.div_ceil(GRAIN) as usize - self.taken.num_permits();
        let too_many = |_| Error::Unavailable("Too many files are coming in at once; try again soon.");
        let more = Arc::clone(&self.room.free).try_acquire_many_owned(missing as u32).map_err(too_many)?;
        if let Some(owner) = self.owner {
            let mut taken = self.room.taken();
            let by_owner = taken.get(&owner).copied().unwrap_or_default() + missing;
            if by_owner > self.room.share().max(most.div_ceil(GRAIN) as usize) {
                return Err(Error::Unavailable("Too many files of yours are coming in at once; try again soon."));
            }
            taken.insert(owner, by_owner);
        }
        self.taken.merge(more);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(owner) = self.owner else { return };
        if let Entry::Occupied(mut by_owner) = self.room.taken().entry(owner) {
            *by_owner.get_mut() -= self.taken.num_permits();
            if *by_owner.get() == 0 {
                by_owner.remove();
            }
        }
    }
}

impl Staged {
    /// Makes room for a file of at most so many bytes.
    pub(super) async fn begin(directory: PathBuf, most: u64, room: &Room) -> Result<Self> {
        // The rules may let in larger files than there was room for when it was made.
        room.reach(LARGEST * most);
        let place = Place::find(room)?;
        let opening = task::spawn_blocking(move || {
            std::fs::create_dir_all(&directory)?;
            tempfile::tempfile_in(directory)
        });
        let file = opening.await.context("opening a file was cut short")?.map_err(trouble)?;
        Ok(Self { growing: Some(Growing { file, hash: Sha256::new() }), size: 0, most, place })
    }

    /// It comes from this person, whose other files may not take all the room; to be said before it comes.
    #[must_use]
    pub fn of(mut self, owner: UserId) -> Self {
        self.place.owner = Some(owner);
        self
    }

    /// Takes what has come of it.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            return Err(Error::TooLarge { kind: None, most: self.most });
        }
        self.place.grow(self.size, self.most)?;
        let mut growing = self.growing.take().context("a write broke off before")?;
        // As it is, for a copy of it would be one for each file that comes in.
        let writing = task::spawn_blocking(move || {
            growing.hash.update(&bytes);
            growing.file.write_all(&bytes)?;
            Ok(growing)
        });
        self.growing = Some(writing.await.context("writing a file was cut short")?.map_err(trouble)?);
        Ok(())
    }

    /// Takes what is read of a file in the store.
    pub async fn read(&mut self, reading: Reading) -> Result<()> {
        let mut bytes = reading.bytes;
        while let Some(piece) = bytes.try_next().await.context("a file in the store can't be read")? {
            self.write(piece).await?;
        }
        Ok(())
    }

    /// How many bytes have come.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes all of a file that is in.
    pub async fn append(&mut self, other: Complete) -> Result<()> {
        let mut file = fs::File::from_std(other.file);
        loop {
            let mut bytes = BytesMut::with_capacity(CHUNK);
            if file.read_buf(&mut bytes).await.map_err(trouble)? == 0 {
                return Ok(());
            }
            self.write(bytes.freeze()).await?;
        }
    }

    /// It has all come.
    pub fn complete(self) -> Result<Complete> {
        let Growing { mut file, hash } = self.growing.context("a write broke off before")?;
        file.rewind().map_err(trouble)?;
        Ok(Complete { file, size: self.size, sha256: hash.finalize().to_vec(), _place: self.place })
    }
}

impl Complete {
    /// The same file once more, from the beginning. Only one of the two may be read at a time.
    pub fn again(&self) -> Result<File> {
        let mut file = self.file.try_clone().map_err(trouble)?;
        file.seek(SeekFrom::Start(0)).map_err(trouble)?;
        Ok(file)
    }

    /// Writes over what says where the file was recorded; there is a box of nothing (`free`) instead.
    pub async fn erase(&self, traces: Vec<Trace>) -> Result<()> {
        if traces.is_empty() {
            return Ok(());
        }
        let (mut file, size) = (self.again()?, self.size);
        let erasing = task::spawn_blocking(move || {
            // Who looked into the file is not to be believed in this.
            let is_within = |trace: &Trace| trace.kind.saturating_add(4) <= size && trace.inside.end <= size;
            for Trace { kind, inside } in traces.into_iter().filter(is_within) {
                file.seek(SeekFrom::Start(kind))?;
                file.write_all(b"free")?;
                file.seek(SeekFrom::Start(inside.start))?;
                io::copy(&mut io::repeat(0).take(inside.end.saturating_sub(inside.start)), &mut file)?;
            }
            Ok(())
        });
        erasing.await.context("writing over a part of a file was cut short")?.map_err(trouble)
    }
}
