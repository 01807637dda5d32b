//! Colloquy: a chat backend for app teams. People, conversations, messages, receipts and presence, over REST and
//! WebSockets, all in PostgreSQL.
//!
//! # The map
//!
//! ```text
//! interfaces      http   realtime   workers   cli        outside words in, answers out
//! use cases       actions                                what a person can do: admit, load, decide, write, commit, tell
//! infrastructure  store   cluster   auth   media         one trade each
//! ground          domain   wire   config   telemetry     rules, JSON shapes, settings, logs and numbers
//! boot                                                   makes the parts and joins them; the only room that sees all
//! bench                                                  measures a running server from outside, for `cli` alone
//! ```
//!
//! Arrows go down only, and `tests/tidy.rs` holds them. Interfaces do not know each other. All SQL is in [`store`], all
//! JSON shapes are in [`wire`], actix is only in [`http`], [`realtime`] and [`boot`], redis only in [`cluster`]. A feature
//! has the same label in every room: `http/messages.rs`, `actions/messages/`, `store/messages.rs`, `domain/message.rs`,
//! `tests/it/messages.rs`.
//!
//! # The laws
//!
//! 1. Acknowledged means committed: no ack, no 201 and no event before PostgreSQL has committed.
//! 2. One log per conversation: every durable change takes its next `seq` under the conversation's row lock, gapless and
//!    in commit order. A message's birth is a row of `messages`, every other change also one of `changes`. What concerns
//!    one person alone has a log of its own per person (`personal_changes`).
//! 3. Sending is idempotent: a message's id is the client's own.
//! 4. Every socket hears every durable event of its person's conversations in `seq` order, and every entry of its person's own
//!    log in `own_seq` order, without gap or repetition, or is told `sync:required`, or closed with 4008.
//! 5. Read state is two cursors per member that only move forward; unread is the difference of two numbers. What is told of them has
//!    no place in a log: it waits for the log, goes forward on every socket, and is told again where it may have been lost.
//! 6. Rights are decided in the transaction that writes.
//! 7. Typing and presence are ephemeral and first to be shed.
//! 8. Everything is bounded, and nobody waits for a slow socket.
//!
//! # One message
//!
//! 1. `realtime/open.rs` proves who is there and upgrades; `realtime/session.rs` runs the socket, one task each.
//! 2. `wire/command.rs` parses the frame; `realtime/dispatch.rs` has one arm per command. (`http/messages.rs` makes the
//!    same call for REST.)
//! 3. `actions/messages/send.rs` checks the draft and puts it into the lane of its conversation's writer.
//! 4. `actions/writer.rs` takes whatever is queued and lets `actions/messages/writer.rs` lock the conversations in order,
//!    read what is to be decided on, decide (`batch.rs`, pure) and append all in one statement; it commits, tells, and
//!    answers each. Read cursors travel the same way (`actions/receipts/writer.rs`).
//! 5. `cluster/bus.rs` carries the events, each rendered once (`wire/event.rs`), to this node and the others;
//!    `cluster/order` lets the events of a log through in its order only, and fetches what is missing through
//!    `actions/repair.rs`.
//! 6. `realtime/hub` finds the sockets of the worker thread that hear it; `realtime/mailbox` queues the framed bytes, and
//!    actix writes whatever has gathered at once.
//!
//! The index of what was said follows a moment later (`workers/index.rs`), from the log alone; so does what the page says of
//! itself that it links to (`workers/visits.rs`), where the operator wants that.
//!
//! What is inside of a file is read by this program alone, started once more for each (`media/workshop`).
//!
//! A client that was away asks `actions/sync.rs`: one question, whatever was missed.
//!
//! # Who may do what
//!
//! What roles in a conversation allow is in `domain/policy/mod.rs`. What a deployment allows is in its policy file, read by
//! `domain/policy/file` into `domain/policy/rules.rs`, kept by `config/rulebook.rs`, and asked in the transaction that writes:
//! for sends by `batch.rs`, for all else through `actions/rules.rs`.
//!
//! # How to add a feature
//!
//! A migration; words and rules in [`domain`]; SQL in [`store`]; an action; shapes in [`wire`]; a handler with its line in
//! `routes`, an arm in `dispatch`; a test in `tests/it`; then `make fresh` for the generated files. If it needs more, the
//! design is wrong.

pub mod actions;
pub mod auth;
pub mod bench;
pub mod boot;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod domain;
pub mod http;
pub mod media;
pub mod realtime;
pub mod store;
pub mod telemetry;
pub mod wire;
pub mod workers;
