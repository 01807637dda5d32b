//! One socket as its session sees it: texts come in, frames go out, and RFC 6455 is kept on the way.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::web;
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::Stream;
use tokio::time::{Instant, timeout};

use super::{
    close::Close,
    frames::{
        self,
        read::{Incoming, Reader},
    },
    mailbox::Mailbox,
    websocket::HangUp,
};
use crate::domain::event::Durability;

/// How many seconds' worth of frames may come at once.
const BURST_SECONDS: u32 = 2;
/// How long a peer's goodbye is waited for. Whoever says none is cut off by actix a moment later.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(1);

/// What a session deals with next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The peer's next text.
    Text(ByteString),
    /// Something may have been lost on the way: the seat is to be subscribed again.
    Recheck,
}

/// An open socket. Dropping it closes it, after whatever was pushed before.
pub struct Socket {
    payload: web::Payload,
    /// What has come and is not yet read.
    input: Bytes,
    reader: Reader,
    pace: Pace,
    mailbox: Mailbox,
    hang_up: HangUp,
    ending: Ending,
}

/// How far the peer has come with its end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It may yet say goodbye.
    Awaited,
    /// It has, or has hung up.
    Here,
    /// It broke the protocol, and what comes can't be understood any more.
    Garbled,
}

/// How fast frames may come.
struct Pace {
    per_frame: Duration,
    /// When, at the allowed pace, the last frame would have come.
    due: Instant,
}

impl Socket {
    /// Joins the two directions of a connection. `frames_per_second` may come in the long run; 0 for any number.
    pub(super) fn new(payload: web::Payload, mailbox: Mailbox, frames_per_second: u32, hang_up: HangUp) -> Self {
        let per_frame = Duration::from_secs(1).checked_div(frames_per_second).unwrap_or_default();
        let pace = Pace { per_frame, due: Instant::now() };
        let (input, reader) = (Bytes::new(), Reader::default());
        Self { payload, input, reader, pace, mailbox, hang_up, ending: Ending::Awaited }
    }

    /// Where frames for the peer are put.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// What comes next; `None` once the socket is over, whoever ended it. The future may be dropped and asked for again.
    ///
    /// Pings, a close frame and violations are answered on the way; while replies pile up unread, nothing more is read.
    pub async fn next(&mut self) -> Option<Next> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Next>> {
        loop {
            if !ready!(self.mailbox.poll_open(context)) {
                return Poll::Ready(None);
            }
            if self.mailbox.take_recheck() {
                return Poll::Ready(Some(Next::Recheck));
            }
            match self.reader.read(&mut self.input) {
                Ok(Some(incoming)) => {
                    if let Some(text) = self.take(incoming) {
                        return Poll::Ready(Some(Next::Text(text)));
                    }
                }
                Ok(None) => {
                    // Even an empty slice keeps actix's read buffer.
                    self.input = Bytes::new();
                    let Some(Ok(input)) = ready!(Pin::new(&mut self.payload).poll_next(context)) else {
                        self.ending = Ending::Here;
                        return Poll::Ready(None);
                    };
                    self.input = input;
                    self.mailbox.hear();
                }
                Err(violation) => {
                    self.ending = Ending::Garbled;
                    self.mailbox.close(Close::Violated(violation));
                }
            }
        }
    }

    /// Says goodbye, if nobody has, and hangs up once the peer has said it too (RFC 6455, 7.1.1): whoever hangs up earlier may
    /// take from the peer what it has not read yet.
    pub async fn part(mut self) {
        self.mailbox.finish();
        if self.ending != Ending::Garbled
            && timeout(GOODBYE_PATIENCE, poll_fn(|context| self.poll_goodbye(context))).await.is_ok()
        {
            self.hang_up.now();
        }
    }

    fn poll_goodbye(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.ending == Ending::Awaited {
            match self.reader.read(&mut self.input) {
                Ok(Some(Incoming::Close(_))) => self.ending = Ending::Here,
                Ok(Some(_)) => {}
                Ok(None) => match ready!(Pin::new(&mut self.payload).poll_next(context)) {
                    Some(Ok(input)) => self.input = input,
                    _ => self.ending = Ending::Here,
                },
                Err(_) => self.ending = Ending::Garbled,
            }
        }
        if self.ending == Ending::Here { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Deals with all that is not for the session.
    fn take(&mut self, incoming: Incoming) -> Option<ByteString> {
        if !self.pace.allows(Instant::now()) {
            self.mailbox.close(Close::Flood);
            return None;
        }
        match incoming {
            Incoming::Text(text) => return Some(text),
            // An answer may be shed: a peer that pings without reading knows as much as before.
            Incoming::Ping(payload) => _ = self.mailbox.push(frames::pong(&payload), Durability::Ephemeral),
            Incoming::Pong => {}
            Incoming::Close(code) => {
                self.ending = Ending::Here;
                self.mailbox.close(Close::Answered(code));
            }
        }
        None
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.mailbox.end();
    }
}

impl Pace {
    fn allows(&mut self, now: Instant) -> bool {
        self.due = self.due.max(now) + self.per_frame;
        self.per_frame.is_zero() || self.due <= now + Duration::from_secs(BURST_SECONDS.into())
    }
}
