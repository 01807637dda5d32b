//! `colloquy pixels`: reads a picture for a server, in a process of its own.

use std::process::ExitCode;

use crate::media::pictures::apart;

/// Reads it within so many seconds.
pub fn pixels(seconds: u64) -> anyhow::Result<ExitCode> {
    apart::answer(seconds)
}
