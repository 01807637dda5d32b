//! Sending: every message, from whichever door, goes through the queue of the writer that serves its conversation.

use tokio::sync::{mpsc, oneshot};

use crate::{
    actions::{Context, typing},
    domain::{
        error::{Error, Result},
        message::{Draft, Message},
        user::Caller,
    },
    telemetry::metrics,
};

/// Sends that may wait for one writer before others are refused.
const QUEUE: usize = 4096;

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
    /// Whether the limits have let it in; asked once, however often it is tried.
    pub is_admitted: bool,
    /// Who waits for the answer.
    pub answer: oneshot::Sender<Result<Sent>>,
}

/// The entrance to the writers: a conversation always goes to the same one, so that its batches form there.
#[derive(Clone, Debug)]
pub struct SendQueue {
    lanes: Vec<mpsc::Sender<Item>>,
}

impl SendQueue {
    /// A queue with so many lanes, and the exit of each, for one writer each.
    pub fn new(lanes: usize) -> (Self, Vec<mpsc::Receiver<Item>>) {
        let (lanes, exits) = (0..lanes).map(|_| mpsc::channel(QUEUE)).unzip();
        (Self { lanes }, exits)
    }

    fn lane(&self, draft: &Draft) -> &mpsc::Sender<Item> {
        // Conversation ids are random, so any of their bits spread evenly.
        let index = draft.conversation_id.0.as_u128() % self.lanes.len() as u128;
        &self.lanes[index as usize]
    }
}

/// Sends a message; answers once it is committed.
pub async fn send(ctx: &Context, caller: &Caller, draft: Draft) -> Result<Sent> {
    draft.check()?;
    let conversation = draft.conversation_id;
    let (answer, answered) = oneshot::channel();
    let lane = ctx.sends.lane(&draft);
    let item = Item { caller: caller.clone(), draft, is_admitted: false, answer };
    lane.try_send(item).map_err(|_| Error::Unavailable("The database can't keep up; try again soon."))?;
    metrics::send_queued();
    let sent = answered.await.map_err(|_| Error::Unavailable("The server is shutting down; try again."))??;
    typing::finish(ctx, caller, conversation).await;
    Ok(sent)
}
