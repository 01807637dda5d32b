//! Inside of the process that looks into one file: it hears an order, reads the file at its standard input, and tells what it
//! found, first of all the type.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    os::fd::AsFd,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use nix::{
    sys::resource::{Resource, setrlimit},
    unistd::alarm,
};
use serde::Serialize;
#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use thread_priority::{ThreadPriority, set_current_thread_priority};

use super::{Examined, Found, Importance, Order, Refusal, Wish};
use crate::{
    domain::{
        attachment::{AttachmentKind, FileType},
        error::{Error, Result},
    },
    media::{
        pictures::{self, bounds, flaw::Flaw},
        probe, sniff,
    },
};

/// Bytes that one may take: several times what the pixels of the largest picture are.
const MEMORY: u64 = 1024 * 1024 * 1024;
/// Time on a processor that one may have: what any file may take, and a little to be told of it.
const TIME: Duration = Duration::from_secs(25);
/// How many times longer it may take than it may have a processor, where many things want one.
const PATIENCE: u64 = 10;
/// How important it is of a hundred, where it is of little importance.
const LITTLE: u8 = 25;

/// Carries out an order.
pub fn answer(order: &str) -> anyhow::Result<ExitCode> {
    let order: Order = serde_json::from_str(order).context("the order can't be understood")?;
    bound_oneself()?;
    stand_back(order.importance);
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    file.rewind()?;
    let mut mouth = BufWriter::new(io::stdout().lock());
    let told = refused(sniff::type_of(&mut file, order.ending.as_deref()))?;
    say(&mut mouth, &told.as_ref().map(|file_type| file_type.mime_type))?;
    let Ok(file_type) = told else { return Ok(ExitCode::SUCCESS) };
    match look(&mut file, file_type, order.wish)? {
        Ok(examined) => say_all(&mut mouth, examined)?,
        Err(refusal) => say(&mut mouth, &Err::<Found, _>(refusal))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes no more than any file is worth, however this goes on.
fn bound_oneself() -> anyhow::Result<()> {
    let seconds = TIME.as_secs();
    for (resource, soft, hard) in [
        (Resource::RLIMIT_CORE, 0, 0),
        (Resource::RLIMIT_CPU, seconds, seconds + 1),
        (Resource::RLIMIT_DATA, MEMORY, MEMORY),
        // There is nothing to write but what is told.
        (Resource::RLIMIT_FSIZE, 0, 0),
    ] {
        setrlimit(resource, soft, hard).context("cannot limit itself")?;
    }
    alarm::set((PATIENCE * seconds) as u32);
    Ok(())
}

/// Lets others come first. Where that is not allowed, it is as important as they are.
fn stand_back(importance: Importance) {
    match importance {
        #[cfg(target_os = "linux")]
        Importance::Least => {
            let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).ok();
        }
        #[cfg(not(target_os = "linux"))]
        Importance::Least => _ = set_current_thread_priority(ThreadPriority::Min),
        Importance::Little => {
            let little = LITTLE.try_into().map(ThreadPriority::Crossplatform);
            little.ok().map(set_current_thread_priority);
        }
    }
}

fn look(file: &mut File, file_type: FileType, wish: Wish) -> io::Result<Result<Examined, Refusal>> {
    if wish == Wish::Avatar && file_type.kind != AttachmentKind::Image {
        let why = "An avatar is a JPEG, PNG, GIF, WebP or AVIF.";
        return Ok(Err(Refusal::Unsupported(why.to_owned())));
    }
    if file_type.kind != AttachmentKind::Image {
        let (details, traces) = (probe::details(file, file_type), probe::traces(file, file_type));
        return Ok(Ok(Examined { details, traces, ..Examined::default() }));
    }
    let mut bytes = Vec::new();
    file.take(bounds::BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bounds::BYTES {
        return Ok(Err(Flaw::TooManyBytes.into()));
    }
    Ok(match wish {
        Wish::All(keep) => pictures::examine(&bytes, (file_type.mime_type, keep)).map_err(Refusal::from),
        Wish::Avatar => pictures::avatar(&bytes, file_type.mime_type),
    })
}

/// A refusal apart from what is no fault of the file.
fn refused<T>(told: Result<T>) -> anyhow::Result<Result<T, Refusal>> {
    match told {
        Ok(thing) => Ok(Ok(thing)),
        Err(Error::UnsupportedFile(why)) => Ok(Err(Refusal::Unsupported(why))),
        Err(error) => Err(error).context("the file can't be read"),
    }
}

fn say(mouth: &mut impl Write, told: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *mouth, told)?;
    mouth.write_all(b"\n")?;
    mouth.flush()
}

fn say_all(mouth: &mut impl Write, examined: Examined) -> io::Result<()> {
    let Examined { details, traces, instead, thumbnails } = examined;
    let found = Found {
        details,
        traces,
        instead: instead.as_ref().map(Bytes::len),
        thumbnails: thumbnails.iter().map(|(width, picture)| (*width, picture.len())).collect(),
    };
    say(mouth, &Ok::<_, Refusal>(found))?;
    for piece in instead.iter().chain(thumbnails.iter().map(|(_, picture)| picture)) {
        mouth.write_all(piece)?;
    }
    mouth.flush()
}
