//! What people do with messages. Sends go through the writers, batched; every change of one is a transaction
//! of its own under its conversation's lock.

pub mod batch;
pub mod change;
pub mod delete;
pub mod edit;
pub mod expire;
pub mod forward;
pub mod history;
pub mod pin;
pub mod preview;
pub mod react;
pub mod send;
pub mod writer;
