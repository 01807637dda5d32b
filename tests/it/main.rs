//! Colloquy as its clients meet it: real HTTP, real sockets, a real PostgreSQL and Redis; every test has a server and a
//! database of its own, so that none depends on another.

#![expect(
    clippy::pedantic,
    reason = "Tests are read and run, but not called; correctness is asked of them, not polish."
)]
#![expect(clippy::duplicate_mod, reason = "What holds on every store is tried on each.")]

mod harness;

mod admissions;
mod auth;
mod bench;
mod blocks;
mod cli;
mod cluster;
mod conversations;
mod crowds;
mod edits;
mod embedded;
mod erasure;
mod errors;
mod expiring;
mod faults;
mod files;
mod forwards;
mod history;
mod hostile_files;
mod idempotency;
mod joining;
mod keys;
mod law;
mod limits;
mod link_previews;
mod lists;
mod members;
mod mentions;
mod messages;
mod moderation;
mod nodes;
mod operations;
mod own_log;
mod pictures;
mod pins;
mod playing;
mod policy;
mod preferences;
mod presence;
mod reactions;
mod receipts;
mod scheduled;
mod schema;
mod search;
mod sessions;
mod sockets;
mod stalls;
mod stores;
mod strangers;
mod sync;
mod tokens;
mod typing;
mod unread;
mod uploads;
mod users;
