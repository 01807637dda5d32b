//! The words and rules of chat. Invariant: pure; no async, no SQL, no JSON shapes, no clock of its own.

pub mod attachment;
pub mod avatar;
pub mod clock;
pub mod conversation;
pub mod error;
pub mod event;
pub mod ids;
pub mod limits;
pub mod link;
pub mod location;
pub mod member;
pub mod message;
pub mod moderation;
pub mod network;
pub mod page;
pub mod policy;
pub mod preferences;
pub mod presence;
pub mod reaction;
pub mod receipt;
pub mod scheduled;
pub mod search;
pub mod session;
pub mod sync;
pub mod text;
pub mod user;
