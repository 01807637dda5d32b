//! A socket that may break at any moment, which is nobody's fault here.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::harness::{PATIENCE, person::Person, socket::request};

/// An open socket.
pub struct Line {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// How a socket ended: with a close frame's code and reason, or without.
pub type End = Option<(u16, String)>;

impl Line {
    /// Opens one and hears `ready`; nothing where that fails.
    pub async fn open(person: &Person) -> Option<Self> {
        let token = person.token().expect("who is signed in has a token");
        let request = request(person, "", &[("authorization", &format!("Bearer {token}"))]);
        let (stream, _) = timeout(PATIENCE, connect_async(request)).await.ok()?.ok()?;
        let mut line = Self { stream };
        let first = timeout(PATIENCE, line.next()).await.ok()?.ok()?;
        (first["type"] == "ready").then_some(line)
    }

    /// Sends a frame; nothing where the socket is broken.
    pub async fn send(&mut self, frame: &Value) -> Option<()> {
        self.stream.send(Message::text(frame.to_string())).await.ok()
    }

    /// The next frame of JSON.
    pub async fn next(&mut self) -> Result<Value, End> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("frames are JSON")),
                Some(Ok(Message::Close(Some(close)))) => {
                    return Err(Some((close.code.into(), close.reason.to_string())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }
}
