//! How much of what a client sends is read from its connection ahead of whoever takes it. Left to itself, actix goes on
//! reading a body that is taken more slowly than it comes, and holds some hundred KiB of each file that does.

use std::{
    cell::Cell,
    fmt, io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix_web::{HttpRequest, dev::Payload, error::PayloadError, rt::net::TcpStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Bytes that are read at once.
pub const MOUTHFUL: usize = 16 * 1024;

/// A client's connection, of which little is read at once.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    intake: Rc<Intake>,
}

/// How much of a connection may be read.
#[derive(Default)]
pub struct Intake {
    left: Cell<usize>,
    /// Whether more is read only when somebody waits for it.
    is_on_demand: Cell<bool>,
    /// Whether nothing more is read, as if the client had hung up.
    is_over: Cell<bool>,
    reader: Cell<Option<Waker>>,
}

/// A body of which more is read when all that was read is taken.
pub struct OnDemand {
    body: Payload,
    intake: Option<Rc<Intake>>,
}

impl Connection {
    /// One that was just accepted.
    pub fn new(stream: TcpStream) -> Self {
        let intake = Intake { left: Cell::new(MOUTHFUL), ..Intake::default() };
        Self { stream, intake: Rc::new(intake) }
    }

    /// What it is made of.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// How much of it may be read; its requests find this among what is known of their connection.
    pub fn intake(&self) -> Rc<Intake> {
        Rc::clone(&self.intake)
    }
}

impl Intake {
    /// Whether some may be read now. If not, the reader is woken when it may.
    fn lets_in(&self, ctx: &Context<'_>) -> bool {
        let is_any_left = self.left.get() > 0;
        if !is_any_left && self.is_on_demand.get() {
            self.reader.set(Some(ctx.waker().clone()));
        } else if !is_any_left {
            // The others of this thread come first.
            self.left.set(MOUTHFUL);
            ctx.waker().wake_by_ref();
        }
        is_any_left
    }

    /// Ends it: actix hangs up once all is written.
    pub fn end(&self) {
        self.is_over.set(true);
        self.let_in(MOUTHFUL);
    }

    fn count(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_sub(bytes));
    }

    fn let_in(&self, bytes: usize) {
        self.left.set(bytes);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl OnDemand {
    /// The body of a request.
    pub fn of(request: &HttpRequest, body: Payload) -> Self {
        let intake = request.conn_data::<Rc<Intake>>().cloned();
        if let Some(intake) = &intake {
            intake.is_on_demand.set(true);
            intake.left.set(0);
        }
        Self { body, intake }
    }
}

impl Stream for OnDemand {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.body.poll_next_unpin(ctx);
        if let (Poll::Pending, Some(intake)) = (&next, &self.intake) {
            intake.let_in(MOUTHFUL);
        }
        next
    }
}

impl Drop for OnDemand {
    fn drop(&mut self) {
        if let Some(intake) = &self.intake {
            intake.is_on_demand.set(false);
            intake.let_in(MOUTHFUL);
        }
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Intake").field("left", &self.left).finish_non_exhaustive()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.intake.is_over.get() {
            return Poll::Ready(Ok(()));
        }
        if !self.intake.lets_in(ctx) {
            return Poll::Pending;
        }
        let before = into.filled().len();
        // What has room for more would grow with it.
        let mouthful = self.intake.left.get() as u64;
        let read = Pin::new(&mut (&mut self.stream).take(mouthful)).poll_read(ctx, into);
        self.intake.count(into.filled().len() - before);
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(ctx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}
