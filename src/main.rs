//! The colloquy command.

fn main() {}
