//! Sending: every message, from whichever door, goes through the queue of the writer that serves its conversation.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::{
    actions::{Context, lanes::Bounds, typing},
    domain::{
        error::{Error, Result},
        limits,
        message::{Draft, Message},
        user::Caller,
    },
    telemetry::metrics,
};

/// Sends that may wait for one writer before others are refused.
pub const WAITING: Bounds = Bounds { items: 4096, bytes: 32 * 1024 * 1024 };

/// What became of a send.
#[derive(Clone, Debug)]
pub enum Sent {
    /// It is committed, and told.
    New(Message),
    /// The same was sent before; this is the message as it is now.
    Before(Message),
}

impl Sent {
    /// The message, whichever it is.
    pub fn into_message(self) -> Message {
        match self {
            Self::New(message) | Self::Before(message) => message,
        }
    }
}

/// One send on its way to its writer.
#[derive(Debug)]
pub struct Item {
    /// Who sends.
    pub caller: Caller,
    /// What.
    pub draft: Draft,
    /// How many messages the sender may send in a minute.
    pub quota: u32,
    /// Whether it counted against the limits when it was planned.
    pub was_planned: bool,
    /// How long the limits make it wait; no time where they have let it in.
    pub wait: Duration,
    /// Who waits for the answer.
    pub answer: oneshot::Sender<Result<Sent>>,
}

/// Sends a message; answers once it is committed.
pub async fn send(ctx: &Context, caller: &Caller, draft: Draft) -> Result<Sent> {
    let conversation = draft.conversation_id;
    let (item, answered) = Item::new(caller, draft);
    let sent = queue(ctx, item, answered).await?;
    typing::finish(ctx, caller.user_id, conversation).await;
    Ok(sent)
}

/// Sends a message that its sender planned: it counted against the limits then, and ends nobody's typing.
pub async fn send_planned(ctx: &Context, caller: &Caller, draft: Draft) -> Result<Sent> {
    let (item, answered) = Item::new(caller, draft);
    queue(ctx, Item { was_planned: true, ..item }, answered).await
}

impl Item {
    fn new(caller: &Caller, draft: Draft) -> (Self, oneshot::Receiver<Result<Sent>>) {
        let (answer, answered) = oneshot::channel();
        (Self { caller: caller.clone(), draft, quota: 0, was_planned: false, wait: Duration::ZERO, answer }, answered)
    }
}

async fn queue(ctx: &Context, item: Item, answered: oneshot::Receiver<Result<Sent>>) -> Result<Sent> {
    item.draft.check()?;
    ctx.sends.put(item.draft.conversation_id, weight(&item.draft), item)?;
    metrics::queued(metrics::Lane::Sends);
    answered.await.map_err(|_| Error::Unavailable("The server is shutting down; try again."))?
}

/// About how many bytes a draft takes while it waits.
fn weight(draft: &Draft) -> usize {
    let metadata = if draft.metadata.is_some() { limits::METADATA_BYTES } else { 0 };
    size_of::<Item>() + draft.body.as_ref().map_or(0, String::len) + metadata + size_of_val(draft.mentions.as_slice())
}
