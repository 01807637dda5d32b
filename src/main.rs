//! The colloquy command.

use std::process::ExitCode;

fn main() -> ExitCode {
    colloquy::cli::run()
}
