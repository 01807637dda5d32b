//! What clients send and see: the JSON of REST and sockets. Invariant: decides nothing; no other room knows a field's name.

pub mod asyncapi;
pub mod attachments;
pub mod auth;
pub mod command;
pub mod conversations;
pub mod event;
pub mod forwards;
pub mod health;
pub mod json;
pub mod limits;
pub mod messages;
pub mod moderation;
pub mod presence;
pub mod problem;
pub mod reactions;
pub mod receipts;
pub mod scheduled;
pub mod search;
pub mod sync;
pub mod uploads;
pub mod users;
