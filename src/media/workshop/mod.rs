//! Where files are looked into. What is inside of a file was made by anybody, and those who read it may fall over, take all
//! memory, or never end. So each is looked into by a process of its own: this program, started once more without any secret.
//!
//! Invariant: whatever becomes of that process, the server goes on; and there are few of them, of little importance, since
//! those who chat come first.

mod deadline;
mod inside;

use std::{
    fs::File,
    num::NonZero,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    thread::available_parallelism,
};

use anyhow::Context as _;
use bytes::Bytes;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

pub use self::{deadline::Deadline, inside::answer};
use super::{
    pictures::{bounds, flaw::Flaw},
    sniff,
};
use crate::domain::{
    attachment::{AttachmentKind, Details, FileType},
    error::{Error, Result},
    policy::rules::Keep,
};

/// Files that are looked into at once, at most: each may take a core and memory.
const AT_ONCE: usize = 4;
/// What the program is told to do.
const COMMAND: &str = "look";
/// Bytes of what is told of a file in one line.
const LINE_BYTES: u64 = 64 * 1024;
/// How a process ends that could not do its work, which is not the file's fault.
const FAILED: std::ops::RangeInclusive<i32> = 1..=2;
/// How one ends that takes too long.
const TOO_SLOW: [Signal; 2] = [Signal::SIGXCPU, Signal::SIGALRM];

/// Starts those who look into files.
#[derive(Debug)]
pub(super) struct Workshop {
    program: PathBuf,
    turns: Arc<Semaphore>,
}

/// What is wanted of a file, beside its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// All that can be told of it, and what of it is kept.
    All(Keep),
    /// The squares of which an avatar consists.
    Avatar,
}

/// A file that is being looked into. To let this go ends it.
#[derive(Debug)]
pub struct Looking {
    file_type: FileType,
    wish: Wish,
    child: Child,
    voice: BufReader<ChildStdout>,
    _turn: OwnedSemaphorePermit,
}

/// What came of looking into a file. By default nothing is known and all of it is kept as it came.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// What can be told of it.
    pub details: Details,
    /// What is kept and served instead of the bytes that came.
    pub instead: Option<Bytes>,
    /// Smaller pictures of it, by their width.
    pub thumbnails: Vec<(u32, Bytes)>,
}

/// What a process is to do, as it is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// What the file's name ends in.
    ending: Option<String>,
    wish: Wish,
}

/// What was found, as a process tells it: the bytes follow in this order.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    details: Details,
    /// Bytes of what is kept instead.
    instead: Option<usize>,
    /// The smaller pictures: their width and bytes.
    thumbnails: Vec<(u32, usize)>,
}

/// Why a file is not taken, as a process tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Refusal {
    /// It is not of a type that is taken, or not of the one that its name says.
    Unsupported(String),
    /// It is a picture that is damaged, or more than pictures may be.
    Flawed(Flaw),
}

impl Workshop {
    /// Leaves one core to those who chat, where there are several.
    pub fn open(program: &Path) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self { program: program.to_owned(), turns: Arc::new(Semaphore::new((cores - 1).clamp(1, AT_ONCE))) }
    }

    /// Has a file looked into from its beginning, once there is room for that. Answers as soon as its type is known.
    pub async fn look(&self, file: File, name: &str, wish: Wish) -> Result<Looking> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.context("the workshop never closes")?;
        let mut child = self.start(file, &Order { ending: sniff::ending(name), wish }).await?;
        let mut voice = BufReader::new(child.stdout.take().context("it has a voice")?);
        let Some(told) = line::<Result<String, Refusal>>(&mut voice).await else {
            let status = child.wait().await.context("cannot wait for who looks into a file")?;
            return Err(match ending_of(status)? {
                Flaw::TooSlow => Flaw::TooSlow.into(),
                _ => Error::UnsupportedFile("What is inside of the file can't be read.".to_owned()),
            });
        };
        let file_type = sniff::known(&told?).context("it tells of types that are taken")?;
        Ok(Looking { file_type, wish, child, voice, _turn: turn })
    }

    async fn start(&self, file: File, order: &Order) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .arg(COMMAND)
            .arg(serde_json::to_string(order).context("an order is JSON")?)
            .env_clear()
            // Or else the allocator takes a gigabyte in advance, which counts.
            .env("MIMALLOC_ARENA_RESERVE", "0")
            .stdin(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        // To start a process may take a moment, in which this thread could serve others.
        let started =
            task::spawn_blocking(move || command.spawn()).await.context("starting a process was cut short")?;
        Ok(started.context("cannot start the program that looks into files")?)
    }
}

impl Looking {
    /// What it is.
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// What came of it.
    pub async fn finish(mut self) -> Result<Examined> {
        if let Some(told) = line::<Result<Found, Refusal>>(&mut self.voice).await
            && let Some(examined) = examined(&mut self.voice, told?).await
        {
            return Ok(examined);
        }
        let status = self.child.wait().await.context("cannot wait for who looks into a file")?;
        let flaw = ending_of(status)?;
        if self.wish == Wish::Avatar || self.file_type.kind == AttachmentKind::Image {
            return Err(flaw.into());
        }
        // It is taken as it came, and nothing is known of it.
        tracing::warn!(file.type = self.file_type.mime_type, "A file could not be looked into: it {status}.");
        Ok(Examined::default())
    }
}

/// One thing that a process tells; nothing where it fell silent.
async fn line<T: DeserializeOwned>(voice: &mut BufReader<ChildStdout>) -> Option<T> {
    let mut line = Vec::new();
    voice.take(LINE_BYTES).read_until(b'\n', &mut line).await.ok()?;
    serde_json::from_slice(&line).ok()
}

/// What was found, with its bytes.
async fn examined(voice: &mut BufReader<ChildStdout>, found: Found) -> Option<Examined> {
    let instead = match found.instead {
        Some(size) => Some(piece(voice, size).await?),
        None => None,
    };
    let mut thumbnails = Vec::with_capacity(found.thumbnails.len());
    for (width, size) in found.thumbnails {
        thumbnails.push((width, piece(voice, size).await?));
    }
    Some(Examined { details: found.details, instead, thumbnails })
}

async fn piece(voice: &mut BufReader<ChildStdout>, size: usize) -> Option<Bytes> {
    if size as u64 > bounds::BYTES {
        return None;
    }
    let mut piece = vec![0; size];
    voice.read_exact(&mut piece).await.ok()?;
    Some(piece.into())
}

/// What is wrong with a picture where the process that looked into it ended so.
fn ending_of(status: ExitStatus) -> Result<Flaw> {
    match status.code() {
        Some(code) if FAILED.contains(&code) => {
            Err(anyhow::anyhow!("the process that looks into files failed: {status}").into())
        }
        None if TOO_SLOW.iter().any(|signal| status.signal() == Some(*signal as i32)) => Ok(Flaw::TooSlow),
        _ => Ok(Flaw::Broken),
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unsupported(why) => Self::UnsupportedFile(why),
            Refusal::Flawed(flaw) => flaw.into(),
        }
    }
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        Self::Flawed(flaw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_process_ends_says_why() {
        let exited = |code: i32| ending_of(ExitStatus::from_raw(code << 8));
        let killed = |signal: Signal| ending_of(ExitStatus::from_raw(signal as i32));

        assert!(exited(1).is_err() && exited(2).is_err());
        for status in [exited(0), exited(101), killed(Signal::SIGABRT), killed(Signal::SIGSEGV)] {
            assert!(matches!(status, Ok(Flaw::Broken)), "{status:?}");
        }
        for status in [killed(Signal::SIGXCPU), killed(Signal::SIGALRM)] {
            assert!(matches!(status, Ok(Flaw::TooSlow)), "{status:?}");
        }
    }
}
