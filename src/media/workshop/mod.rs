//! Where files are looked into. What is inside of a file was made by anybody, and those who read it may fall over, take all
//! memory, or never end. So each is looked into by a process of its own: this program, started once more without any secret.
//!
//! Invariant: whatever becomes of that process, the server goes on; and there are few of them. Those who chat come first: a
//! process has what they leave of the processors, and is of little importance where that is nothing for long.

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
    time::Duration,
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
    time::timeout,
};

pub use self::{deadline::Deadline, inside::answer};
use super::{
    pictures::{bounds, flaw::Flaw},
    probe::Trace,
    sniff, trouble,
};
use crate::domain::{
    attachment::{AttachmentKind, Details, FileType},
    error::{Error, Result},
    policy::rules::Keep,
};

/// Files that are looked into at once, at most: each may take a core and memory.
const AT_ONCE: usize = 4;
/// For how long a process may have only what others leave. It is started anew then, for none may give itself more again.
const MODEST: Duration = Duration::from_secs(5);
/// What the program is told to do.
const COMMAND: &str = "look";
/// Bytes of what is told of a file in one line.
const LINE_BYTES: u64 = 64 * 1024;
/// How a process ends that could not do its work, which is not the file's fault.
const FAILED: std::ops::RangeInclusive<i32> = 1..=2;
/// How one ends that takes too long.
const TOO_SLOW: [Signal; 2] = [Signal::SIGXCPU, Signal::SIGALRM];
/// How one ends that somebody else ends: with the server, or since the machine has no memory left.
const ENDED: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGKILL];

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
    task: Task,
    worker: Worker,
    _turn: OwnedSemaphorePermit,
}

/// What is to be done.
#[derive(Debug)]
struct Task {
    program: PathBuf,
    file: File,
    order: Order,
}

/// A process at work.
#[derive(Debug)]
struct Worker {
    child: Child,
    voice: BufReader<ChildStdout>,
}

/// What came of looking into a file. By default nothing is known and all of it is kept as it came.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// What can be told of it.
    pub details: Details,
    /// What says where it was recorded, and is written over before it is kept.
    pub traces: Vec<Trace>,
    /// What is kept and served instead of the bytes that came.
    pub instead: Option<Bytes>,
    /// Smaller pictures of it, by their width.
    pub thumbnails: Vec<(u32, Bytes)>,
}

/// What a process is to do, as it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    /// What the file's name ends in.
    ending: Option<String>,
    wish: Wish,
    importance: Importance,
}

/// How important a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Importance {
    /// It has a processor only while nobody else wants it.
    Least,
    /// On a busy machine it gets an eighth of what others get.
    Little,
}

/// What was found, as a process tells it: the bytes follow in this order.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    details: Details,
    #[serde(default)]
    traces: Vec<Trace>,
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
        let order = Order { ending: sniff::ending(name), wish, importance: Importance::Least };
        let mut task = Task { program: self.program.clone(), file, order };
        let mut worker = task.start().await?;
        let told = if let Ok(told) = timeout(MODEST, worker.told()).await {
            told
        } else {
            worker = task.start_anew(worker).await?;
            worker.told().await
        };
        let Some(told) = told else {
            return Err(match worker.flaw().await? {
                Flaw::TooSlow => Flaw::TooSlow.into(),
                _ => Error::UnsupportedFile("What is inside of the file can't be read.".to_owned()),
            });
        };
        let file_type = sniff::known(&told?).context("it tells of types that are taken")?;
        Ok(Looking { file_type, task, worker, _turn: turn })
    }
}

impl Looking {
    /// What it is.
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// What came of it.
    pub async fn finish(mut self) -> Result<Examined> {
        let found = if let Ok(found) = timeout(MODEST, self.worker.found()).await {
            found
        } else {
            self.worker = self.task.start_anew(self.worker).await?;
            // Its type is known.
            self.worker.told().await;
            self.worker.found().await
        };
        if let Some(found) = found {
            return Ok(found?);
        }
        let flaw = self.worker.flaw().await?;
        if self.task.order.wish == Wish::Avatar || self.file_type.kind == AttachmentKind::Image {
            return Err(flaw.into());
        }
        // It is taken as it came, and nothing is known of it.
        tracing::warn!(file.type = self.file_type.mime_type, "A file could not be looked into.");
        Ok(Examined::default())
    }
}

impl Task {
    async fn start(&self) -> Result<Worker> {
        let mut command = Command::new(&self.program);
        command
            .arg(COMMAND)
            .arg(serde_json::to_string(&self.order).context("an order is JSON")?)
            .env_clear()
            // Or else the allocator takes a gigabyte in advance, which counts.
            .env("MIMALLOC_ARENA_RESERVE", "0")
            .stdin(self.file.try_clone().map_err(trouble)?)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What is typed at the server's terminal is meant for the server, which lets this one come to its end.
            .process_group(0)
            .kill_on_drop(true);
        // To start a process may take a moment, in which this thread could serve others.
        let started =
            task::spawn_blocking(move || command.spawn()).await.context("starting a process was cut short")?;
        let mut child = started.context("cannot start the program that looks into files")?;
        let voice = BufReader::new(child.stdout.take().context("it has a voice")?);
        Ok(Worker { child, voice })
    }

    /// Starts the work anew, with more importance.
    async fn start_anew(&mut self, mut before: Worker) -> Result<Worker> {
        // Until it is gone it may read on, and where it reads is where the next one reads, too.
        before.child.kill().await.context("cannot end who looks into a file")?;
        self.order.importance = Importance::Little;
        self.start().await
    }
}

impl Worker {
    /// The type of the file, or why it is not taken; nothing where the process fell silent.
    async fn told(&mut self) -> Option<Result<String, Refusal>> {
        self.line().await
    }

    /// What was found, or why the file is not taken; nothing where the process fell silent.
    async fn found(&mut self) -> Option<Result<Examined, Refusal>> {
        let found = match self.line::<Result<Found, Refusal>>().await? {
            Ok(found) => found,
            Err(refusal) => return Some(Err(refusal)),
        };
        let instead = match found.instead {
            Some(size) => Some(self.piece(size).await?),
            None => None,
        };
        let mut thumbnails = Vec::with_capacity(found.thumbnails.len());
        for (width, size) in found.thumbnails {
            thumbnails.push((width, self.piece(size).await?));
        }
        Some(Ok(Examined { details: found.details, traces: found.traces, instead, thumbnails }))
    }

    async fn line<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut line = Vec::new();
        (&mut self.voice).take(LINE_BYTES).read_until(b'\n', &mut line).await.ok()?;
        serde_json::from_slice(&line).ok()
    }

    async fn piece(&mut self, size: usize) -> Option<Bytes> {
        if size as u64 > bounds::BYTES {
            return None;
        }
        let mut piece = vec![0; size];
        self.voice.read_exact(&mut piece).await.ok()?;
        Some(piece.into())
    }

    /// What is wrong with a picture where the process fell silent, or said what can't be.
    async fn flaw(self) -> Result<Flaw> {
        let Self { mut child, voice } = self;
        // Or it might wait for ever to be heard.
        drop(voice);
        flaw_of(child.wait().await.context("cannot wait for who looks into a file")?)
    }
}

/// What is wrong with a picture where the process that looked into it ended so.
fn flaw_of(status: ExitStatus) -> Result<Flaw> {
    let is_by = |signals: &[Signal]| signals.iter().any(|signal| status.signal() == Some(*signal as i32));
    match status.code() {
        Some(code) if FAILED.contains(&code) => {
            Err(anyhow::anyhow!("the process that looks into files failed: {status}").into())
        }
        None if is_by(&TOO_SLOW) => Ok(Flaw::TooSlow),
        None if is_by(&ENDED) => Err(Error::Unavailable("The file could not be looked into now; try again soon.")),
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
        let exited = |code: i32| flaw_of(ExitStatus::from_raw(code << 8));
        let killed = |signal: Signal| flaw_of(ExitStatus::from_raw(signal as i32));

        assert!(exited(1).is_err() && exited(2).is_err());
        for status in [exited(0), exited(101), killed(Signal::SIGABRT), killed(Signal::SIGSEGV)] {
            assert!(matches!(status, Ok(Flaw::Broken)), "{status:?}");
        }
        for status in [killed(Signal::SIGXCPU), killed(Signal::SIGALRM)] {
            assert!(matches!(status, Ok(Flaw::TooSlow)), "{status:?}");
        }
        for status in [killed(Signal::SIGTERM), killed(Signal::SIGKILL)] {
            assert!(matches!(status, Err(Error::Unavailable(_))), "it is no fault of the file: {status:?}");
        }
    }

    #[tokio::test]
    async fn who_has_more_to_say_than_may_be_said_is_not_waited_for() {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workshop/talkative");
        let workshop = Workshop::open(&program);

        let looking = workshop.look(tempfile::tempfile().unwrap(), "a.txt", Wish::Avatar).await.unwrap();
        let told = looking.finish().await;

        assert!(matches!(told, Err(Error::Invalid(_))), "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_to_nothing_for_long_is_started_anew() {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workshop/modest");
        let workshop = Workshop::open(&program);

        let looking = workshop.look(tempfile::tempfile().unwrap(), "a.txt", Wish::Avatar).await.unwrap();
        assert_eq!(looking.file_type().mime_type, "text/plain");
        let examined = looking.finish().await.unwrap();

        assert_eq!((examined.details.page_count, examined.instead.as_deref()), (Some(7), Some(&b"abc"[..])));
        assert_eq!(examined.thumbnails, [(320, Bytes::from_static(b"de"))]);
    }
}
