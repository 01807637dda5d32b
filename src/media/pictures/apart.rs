//! What could bring down the one who reads it is read by a process of its own. Invariant: whatever becomes of that one, the
//! server goes on.
//!
//! That decoder ends the process where it panics, and can't be stopped in between. So this program is started
//! once more, without any secret: it hears a file, says its pixels, and may take so much time and memory.

use std::{
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitCode, ExitStatus, Stdio},
};

use anyhow::Context;
use nix::{
    sys::{
        resource::{Resource, setrlimit},
        signal::Signal,
    },
    unistd::alarm,
};

use super::{
    avif,
    bounds::{self, Deadline, MEMORY_APART},
    flaw::Flaw,
    pixels::Pixels,
};
use crate::domain::error::{Error, Result};

/// What the program is told to do.
const COMMAND: &str = "pixels";
/// How many times longer it may take than it may have a processor, where many things want one.
const PATIENCE: u64 = 10;

/// How it ends where it takes too long.
const TOO_SLOW: [Signal; 2] = [Signal::SIGXCPU, Signal::SIGALRM];

/// Has the pixels of a stripped AVIF read by this program; nothing where it is coded in a way that is not known.
pub(super) fn read(program: &Path, bytes: &[u8], deadline: Deadline) -> Result<Option<Pixels>> {
    let mut child = Command::new(program)
        .arg(COMMAND)
        .arg(deadline.seconds_left().to_string())
        .env_clear()
        // Or else the allocator takes a gigabyte in advance, which counts.
        .env("MIMALLOC_ARENA_RESERVE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the program that reads pictures")?;
    // One that has ended does not hear the rest, and how it ended says why.
    child.stdin.take().map(|mut ear| ear.write_all(bytes));
    let heard = child.stdout.take().context("it has a voice").and_then(|mouth| Ok(hear(mouth)?));
    let status = child.wait().context("cannot wait for the program that reads pictures")?;
    match flaw_of(status) {
        Some(flaw) => Err(flaw.into()),
        None => heard.map_err(Error::Internal),
    }
}

/// Reads the pixels of the file at standard input within so many seconds, and says them.
pub fn answer(seconds: u64) -> anyhow::Result<ExitCode> {
    let memory = MEMORY_APART;
    for (limit, soft, hard) in [
        (Resource::RLIMIT_CORE, 0, 0),
        (Resource::RLIMIT_CPU, seconds, seconds + 1),
        (Resource::RLIMIT_DATA, memory, memory),
    ] {
        setrlimit(limit, soft, hard).context("cannot limit itself")?;
    }
    alarm::set((PATIENCE * seconds) as u32);
    let mut bytes = Vec::new();
    io::stdin().lock().take(bounds::BYTES).read_to_end(&mut bytes)?;
    match avif::read(&bytes) {
        Ok(Some(pixels)) => say(pixels)?,
        Ok(None) => {}
        Err(flaw) => return Ok(ExitCode::from(flaw as u8)),
    }
    Ok(ExitCode::SUCCESS)
}

fn say(pixels: Pixels) -> io::Result<()> {
    let (width, height) = pixels.size();
    let (rgba, profile) = pixels.into_rgba();
    let profile = profile.unwrap_or_default();
    let mut mouth = io::stdout().lock();
    for number in [width, height, profile.len() as u32] {
        mouth.write_all(&number.to_be_bytes())?;
    }
    mouth.write_all(&profile)?;
    mouth.write_all(&rgba)
}

/// What is said of a picture, if anything is.
fn hear(mut mouth: impl Read) -> io::Result<Option<Pixels>> {
    let mut numbers = [[0; 4]; 3];
    match mouth.read_exact(numbers.as_flattened_mut()) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let [width, height, profile_bytes] = numbers.map(u32::from_be_bytes);
    if bounds::check_size(width, height).is_err() || u64::from(profile_bytes) > bounds::BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut profile = vec![0; profile_bytes as usize];
    mouth.read_exact(&mut profile)?;
    let mut rgba = vec![0; width as usize * height as usize * 4];
    mouth.read_exact(&mut rgba)?;
    Ok(Pixels::of_rgba((width, height), rgba, Some(profile).filter(|profile| !profile.is_empty())))
}

/// What was wrong with the picture, where it was not read.
fn flaw_of(status: ExitStatus) -> Option<Flaw> {
    match status.code() {
        Some(0) => None,
        Some(code) => Some(u8::try_from(code).ok().and_then(Flaw::from_repr).unwrap_or(Flaw::Broken)),
        None if TOO_SLOW.iter().any(|signal| status.signal() == Some(*signal as i32)) => Some(Flaw::TooSlow),
        None => Some(Flaw::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_it_ends_says_why() {
        let exited = |code: i32| flaw_of(ExitStatus::from_raw(code << 8));
        let killed = |signal: Signal| flaw_of(ExitStatus::from_raw(signal as i32));

        assert_eq!((exited(0), exited(1), exited(101)), (None, Some(Flaw::Broken), Some(Flaw::Broken)));
        for flaw in [Flaw::Truncated, Flaw::Broken, Flaw::TooManyPixels, Flaw::TooSlow] {
            assert_eq!(exited(flaw as i32), Some(flaw));
        }
        assert_eq!(killed(Signal::SIGXCPU), Some(Flaw::TooSlow));
        assert_eq!((killed(Signal::SIGABRT), killed(Signal::SIGSEGV)), (Some(Flaw::Broken), Some(Flaw::Broken)));
    }

    #[test]
    fn only_all_of_a_picture_is_heard() {
        let all = [[2_u32, 1, 3].map(u32::to_be_bytes).concat(), b"icc".to_vec(), vec![7; 8]].concat();
        let endless = [[u32::MAX; 3].map(u32::to_be_bytes).concat(), vec![7; 8]].concat();

        let heard = hear(&all[..]).unwrap().unwrap();
        assert_eq!((heard.size(), heard.into_rgba()), ((2, 1), (vec![7; 8], Some(b"icc".to_vec()))));
        assert!(hear(io::empty()).is_ok_and(|heard| heard.is_none()));
        assert!(hear(&endless[..]).is_err());
        assert!((12..all.len()).all(|length| hear(&all[..length]).is_err()));
    }
}
