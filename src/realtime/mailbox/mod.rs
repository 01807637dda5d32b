//! What waits to be written to one socket, bounded in bytes.
//!
//! # Why not `actix_ws::Session`
//! It awaits a channel of 32 messages, so that one stalled peer holds up whoever tells many, and it frames each text anew
//! for each socket. Here pushing never waits, a frame is shared by all sockets, and whatever has gathered since the last
//! write leaves in the next one: actix asks the response's body for more until it is empty or a write's worth is there.
//!
//! Invariant: one thread; events take at most the budget, however slowly the peer reads, or one that is larger by itself.

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::{close::Close, frames};
use crate::domain::event::Durability;

/// The end where frames are put in.
#[derive(Clone, Debug)]
pub struct Mailbox(Rc<Shared>);

/// The end where frames come out: the body of the response that opened the socket.
#[derive(Debug)]
pub struct Outgoing(Rc<Shared>);

/// What became of a frame that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It will be written.
    Queued,
    /// The same, but more than half of the budget waits before it.
    Behind,
    /// It could be missed, and was not queued.
    Shed,
    /// The socket is closing, and nothing more is written.
    TooLate,
}

/// The peer reads too slowly for its events; whoever pushes closes the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The socket's mailbox is full.")]
pub struct TooSlow;

#[derive(Debug)]
struct Shared {
    state: RefCell<State>,
    was_heard: Cell<bool>,
    must_recheck: Cell<bool>,
    budget: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    event_bytes: usize,
    reply_bytes: usize,
    stage: Stage,
    /// Who writes to the peer.
    writer: Option<Waker>,
    /// Who reads from the peer.
    reader: Option<Waker>,
}

#[derive(Debug)]
struct Queued {
    frame: Bytes,
    is_reply: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// Asked to finish what is being answered, and to close then.
    Leaving(Close),
    /// The close frame is the last in the queue, and the peer's is waited for.
    Closed,
    /// Nothing is waited for any more.
    Over,
    /// The connection is no more.
    Gone,
}

/// Makes a socket's mailbox: events may take `budget` bytes of it.
pub fn open(budget: usize) -> (Mailbox, Outgoing) {
    let state = RefCell::default();
    let shared = Rc::new(Shared { state, was_heard: Cell::new(true), must_recheck: Cell::new(false), budget });
    (Mailbox(shared.clone()), Outgoing(shared))
}

impl Mailbox {
    /// Queues an event. What may be shed is shed once a quarter of the budget is taken. Whoever has taken all that there was is
    /// not slow, however much comes at once.
    pub fn push(&self, frame: Bytes, durability: Durability) -> Result<Pushed, TooSlow> {
        let mut state = self.0.state.borrow_mut();
        if state.is_closed() {
            return Ok(Pushed::TooLate);
        }
        let waiting = state.event_bytes;
        let event_bytes = waiting + frame.len();
        match durability {
            Durability::Ephemeral if event_bytes > self.0.quarter() => return Ok(Pushed::Shed),
            Durability::Durable if event_bytes > self.0.budget && waiting > 0 => return Err(TooSlow),
            Durability::Ephemeral | Durability::Durable => {}
        }
        state.enqueue(Queued { frame, is_reply: false });
        let writer = state.writer.take();
        drop(state);
        wake(writer);
        Ok(if waiting > self.0.budget / 2 { Pushed::Behind } else { Pushed::Queued })
    }

    /// Queues what the peer asked for. It is not of the events' budget: rather than closing on one who asks for much, the
    /// socket reads no further command while a quarter of the budget waits in replies.
    pub fn reply(&self, frame: Bytes) {
        let mut state = self.0.state.borrow_mut();
        if state.is_closed() {
            return;
        }
        state.enqueue(Queued { frame, is_reply: true });
        let writer = state.writer.take();
        drop(state);
        wake(writer);
    }

    /// Ends the socket: the close frame is the last that is sent.
    pub fn close(&self, close: Close) {
        let mut state = self.0.state.borrow_mut();
        if state.is_closed() {
            return;
        }
        if !close.keeps_queue() {
            state.discard();
        }
        state.stage = Stage::Closed;
        state.enqueue(Queued { frame: frames::close(close), is_reply: true });
        let (writer, reader) = (state.writer.take(), state.reader.take());
        drop(state);
        wake(writer);
        wake(reader);
    }

    /// Asks the socket to read no more, to finish what it is answering, and to close then.
    pub fn close_when_answered(&self, close: Close) {
        let mut state = self.0.state.borrow_mut();
        if state.stage == Stage::Open {
            state.stage = Stage::Leaving(close);
            let reader = state.reader.take();
            drop(state);
            wake(reader);
        }
    }

    /// Asks the session to read its person's memberships again.
    pub fn ask_to_recheck(&self) {
        self.0.must_recheck.set(true);
        let reader = self.0.state.borrow_mut().reader.take();
        wake(reader);
    }

    /// Whether nothing that is pushed will be sent any more.
    pub fn is_closed(&self) -> bool {
        self.0.state.borrow().is_closed()
    }

    /// Bytes that wait.
    pub fn queued_bytes(&self) -> usize {
        let state = self.0.state.borrow();
        state.event_bytes + state.reply_bytes
    }

    /// Whether the peer was heard since this was last asked.
    pub fn take_heard(&self) -> bool {
        self.0.was_heard.replace(false)
    }

    pub(super) fn take_recheck(&self) -> bool {
        self.0.must_recheck.replace(false)
    }

    pub(super) fn hear(&self) {
        self.0.was_heard.set(true);
    }

    /// Whether another command may be read: never again once the socket closes (`false`), not yet while replies pile up.
    pub(super) fn poll_open(&self, context: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.0.state.borrow_mut();
        if state.stage != Stage::Open {
            return Poll::Ready(false);
        }
        if state.reader.as_ref().is_none_or(|reader| !reader.will_wake(context.waker())) {
            state.reader = Some(context.waker().clone());
        }
        if state.reply_bytes > self.0.quarter() { Poll::Pending } else { Poll::Ready(true) }
    }

    /// Closes as was asked for, or because all is said.
    pub(super) fn finish(&self) {
        let stage = self.0.state.borrow().stage;
        self.close(if let Stage::Leaving(close) = stage { close } else { Close::Finished });
    }

    /// The same, and waits for no goodbye: the connection ends once all is written.
    pub(super) fn end(&self) {
        self.finish();
        let mut state = self.0.state.borrow_mut();
        if state.stage == Stage::Closed {
            state.stage = Stage::Over;
        }
        let writer = state.writer.take();
        drop(state);
        wake(writer);
    }
}

impl Shared {
    /// What ephemeral events may take of the budget, and what replies may take before no more is asked.
    fn quarter(&self) -> usize {
        self.budget / 4
    }
}

impl State {
    fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed | Stage::Over | Stage::Gone)
    }

    fn enqueue(&mut self, queued: Queued) {
        *self.bytes(queued.is_reply) += queued.frame.len();
        self.queue.push_back(queued);
    }

    fn bytes(&mut self, is_reply: bool) -> &mut usize {
        if is_reply { &mut self.reply_bytes } else { &mut self.event_bytes }
    }

    fn discard(&mut self) {
        self.queue = VecDeque::new();
        (self.event_bytes, self.reply_bytes) = (0, 0);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let Queued { frame, is_reply } = self.queue.pop_front()?;
        *self.bytes(is_reply) -= frame.len();
        // An idle socket keeps no room for frames.
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        Some(frame)
    }
}

impl MessageBody for Outgoing {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let mut state = self.0.state.borrow_mut();
        let was_stuffed = state.reply_bytes > self.0.quarter();
        if let Some(frame) = state.pop() {
            let reader = if was_stuffed && state.reply_bytes <= self.0.quarter() { state.reader.take() } else { None };
            drop(state);
            wake(reader);
            return Poll::Ready(Some(Ok(frame)));
        }
        if state.stage == Stage::Over {
            return Poll::Ready(None);
        }
        if state.writer.as_ref().is_none_or(|writer| !writer.will_wake(context.waker())) {
            state.writer = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.discard();
        state.stage = Stage::Gone;
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }
}

/// Called without the state borrowed: the last waker of a task drops it, and with it perhaps the other end.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
