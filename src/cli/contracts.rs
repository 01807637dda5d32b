//! `colloquy openapi` and `colloquy asyncapi`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Prints a contract.
pub fn print(contract: &str) -> anyhow::Result<ExitCode> {
    io::stdout().lock().write_all(contract.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
