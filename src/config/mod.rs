//! How a server is set up. Invariant: every setting is a flag and an environment variable, and `--help` lists them all.

pub mod rulebook;
pub mod secret;
pub mod settings;

mod parse;
