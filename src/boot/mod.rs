//! Builds a server out of all the rooms, and takes it down again. Invariant: only here is infrastructure made.

pub mod contracts;
pub mod database;
pub mod desk;
pub mod doctor;
pub mod lifecycle;
pub mod open_files;
pub mod reload;
pub mod server;

mod cluster;
mod context;
mod embedded;
mod trouble;
