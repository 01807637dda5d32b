//! The upgrade: from an HTTP request to an open socket.

use std::{any::Any, fmt, io, rc::Rc, time::Duration};

use actix_http::ws::{self, HandshakeError};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL},
    rt::net::TcpStream,
    web,
};

use super::{mailbox, socket::Socket};

/// The protocol that is spoken over sockets here.
pub const PROTOCOL: &str = "colloquy.v1";

/// What a socket is granted.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How many bytes of events may wait for it; more than the largest event.
    pub mailbox_bytes: usize,
    /// How many frames it may send a second in the long run; 0 for any number.
    pub frames_per_second: u32,
}

/// Ends a connection from this side; known of each connection.
#[derive(Clone)]
pub struct HangUp(Rc<dyn Fn()>);

/// Why a request is not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not ask for a WebSocket of version 13: 426.
    #[error("This address speaks WebSocket, version 13.")]
    UpgradeRequired,
    /// It asks, but not as RFC 6455 says: 400.
    #[error("The handshake is not valid.")]
    BadHandshake,
}

impl HangUp {
    /// Hangs up by doing this.
    pub fn by(hang_up: impl Fn() + 'static) -> Self {
        Self(Rc::new(hang_up))
    }

    pub(super) fn now(&self) {
        self.0();
    }
}

impl fmt::Debug for HangUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HangUp")
    }
}

/// Whether a request asks for a socket as RFC 6455 says; asked before anybody is let prove who they are.
pub fn check(request: &HttpRequest) -> Result<(), Refused> {
    Ok(ws::verify_handshake(request.head())?)
}

/// Opens a socket. The response must be answered with as it is; the socket lives until it is dropped.
pub fn accept(request: &HttpRequest, payload: web::Payload, terms: Terms) -> Result<(HttpResponse, Socket), Refused> {
    let mut response = ws::handshake(request.head())?;
    if offered_protocols(request.headers()).any(|protocol| protocol == PROTOCOL) {
        response.insert_header((SEC_WEBSOCKET_PROTOCOL, PROTOCOL));
    }
    let (mailbox, outgoing) = mailbox::open(terms.mailbox_bytes);
    let response = response.message_body(outgoing).map_err(|_| Refused::BadHandshake)?;
    // A connection of which nothing is known ends when actix has waited for long enough.
    let hang_up = request.conn_data::<HangUp>().cloned().unwrap_or_else(|| HangUp::by(|| ()));
    let socket = Socket::new(payload, mailbox, terms.frames_per_second, hang_up);
    Ok((HttpResponse::from(response.map_into_boxed_body()), socket))
}

/// The subprotocols that a client offers, a `bearer.<token>` perhaps among them.
pub fn offered_protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Has the kernel cut a connection whose peer takes no bytes for this long; for `HttpServer::on_connect`.
///
/// actix asks neither body nor timer while a write is blocked, so that nothing else would ever end a connection whose peer
/// lives and does not read: neither a socket that was closed as too slow, nor a plain download.
///
/// A peer that does read, but never hangs up after a goodbye, is actix's own matter: `client_disconnect_timeout`. Trap: its
/// clock is up to half a second late and a deadline that has passed already never fires, so it must be a second or more.
pub fn cut_when_deaf(connection: &dyn Any, patience: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    if let Err(error) = limit_deafness(stream, patience) {
        tracing::warn!(%error, "A connection has no time limit for a deaf peer: {error}");
    }
}

#[cfg(target_os = "linux")]
fn limit_deafness(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(patience))
}

/// Other kernels have no such limit; there a deaf peer is cut when it hangs up.
#[cfg(not(target_os = "linux"))]
fn limit_deafness(_: &TcpStream, _: Duration) -> io::Result<()> {
    Ok(())
}

impl From<HandshakeError> for Refused {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::NoWebsocketUpgrade
            | HandshakeError::NoConnectionUpgrade
            | HandshakeError::NoVersionHeader
            | HandshakeError::UnsupportedVersion => Self::UpgradeRequired,
            HandshakeError::GetMethodRequired | HandshakeError::BadWebsocketKey => Self::BadHandshake,
        }
    }
}
