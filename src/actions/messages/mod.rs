//! What people do with messages. Sends go through the writers, batched; edits and deletes are single transactions.

pub mod batch;
pub mod delete;
pub mod edit;
pub mod history;
pub mod send;
pub mod writer;
