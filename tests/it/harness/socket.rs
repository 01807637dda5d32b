//! A WebSocket in somebody's hand, with everything that it heard and nobody asked about yet.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue, Request},
    },
};

use super::{PATIENCE, client::Client, new_id};

/// An open socket. Events wait in the order in which they came until a test takes them.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What `ready` said.
    pub ready: Value,
    waiting: VecDeque<Value>,
    owner: Option<Client>,
    /// A group of the owner alone, made when first needed to send what proves silence.
    diary: Option<String>,
}

impl Socket {
    /// Opens one with somebody's token, and hears `ready`.
    pub async fn open(client: &Client) -> Self {
        let token = client.token().expect("who is signed in has a token");
        let request = request(client, "", &[("authorization", &format!("Bearer {token}"))]);
        let mut socket = Self::connect(request).await.unwrap_or_else(|error| panic!("no socket opens: {error:?}"));
        socket.owner = Some(client.clone());
        socket.ready = socket.hears("ready").await["data"].take();
        socket
    }

    /// Opens one by a handshake of one's own; nothing is heard yet.
    pub async fn connect(request: Request<()>) -> Result<Self, tungstenite::Error> {
        let (stream, _) = connect_async(request).await?;
        Ok(Self { stream, ready: Value::Null, waiting: VecDeque::new(), owner: None, diary: None })
    }

    /// Carries out a command, and answers with what the ack carries.
    pub async fn sends(&mut self, command: &str, data: Value) -> Value {
        let reply = self.asks(command, data.clone()).await;
        assert!(reply["type"] == "ack", "`{command}` {data} should be carried out, but:\n{reply:#}");
        reply["data"].clone()
    }

    /// Sends a command that must be refused, and answers with the problem.
    pub async fn is_refused(&mut self, command: &str, data: Value) -> Value {
        let reply = self.asks(command, data.clone()).await;
        assert!(reply["type"] == "error", "`{command}` {data} should be refused, but:\n{reply:#}");
        reply["error"].clone()
    }

    /// Sends a command, and answers with its whole `ack` or `error`.
    pub async fn asks(&mut self, command: &str, data: Value) -> Value {
        let reference = new_id();
        self.sends_frame(&json!({"type": command, "ref": reference, "data": data})).await;
        let wanted = format!("the answer to `{command}`");
        self.takes(&wanted, |frame| frame["ref"] == reference.as_str()).await
    }

    /// Sends a frame of JSON, whatever it is.
    pub async fn sends_frame(&mut self, frame: &Value) {
        self.sends_raw(Message::text(frame.to_string())).await;
    }

    /// Sends any frame.
    pub async fn sends_raw(&mut self, frame: Message) {
        self.stream.send(frame).await.unwrap_or_else(|error| panic!("the socket does not take a frame: {error:?}"));
    }

    /// The next event of this type, as a whole.
    pub async fn hears(&mut self, kind: &str) -> Value {
        self.takes(&format!("`{kind}`"), |frame| frame["type"] == kind).await
    }

    /// The next event of this type of which something is true.
    pub async fn hears_where(&mut self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.takes(&format!("a certain `{kind}`"), |frame| frame["type"] == kind && is_it(frame)).await
    }

    /// The next frame of any type of which something is true; `what` completes "waited in vain for a frame …".
    pub async fn hears_any(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.takes(&format!("a frame {what}"), is_it).await
    }

    /// Asserts that no event of this type waits here, nor is on its way.
    pub async fn heard_nothing_of(&mut self, kind: &str) {
        self.heard_nothing_where(&format!("`{kind}`"), |frame| frame["type"] == kind).await;
    }

    /// Asserts that nothing of a conversation waits here, nor is on its way; but for unread counts, which are told
    /// together a moment after what changed them.
    pub async fn heard_nothing_in(&mut self, conversation: &str) {
        let what = format!("anything of {conversation}");
        let is_count = |frame: &Value| frame["type"] == "unread:changed";
        self.heard_nothing_where(&what, |frame| !is_count(frame) && frame.to_string().contains(conversation)).await;
    }

    /// The same for a member: counts of what was said before may still come, for they are told late and together.
    pub async fn heard_nothing_new_in(&mut self, conversation: &str) {
        let is_new = |frame: &Value| frame["type"] != "unread:changed" && frame.to_string().contains(conversation);
        self.heard_nothing_where(&format!("anything new of {conversation}"), is_new).await;
    }

    /// Asserts that nothing such waits here, nor is on its way: what was told before is heard before an event that
    /// the owner causes now.
    pub async fn heard_nothing_where(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) {
        self.catches_up().await;
        let unwanted = self.waiting.iter().find(|frame| is_it(frame));
        assert!(unwanted.is_none(), "the socket should not hear {what}, but:\n{:#}", unwanted.unwrap_or(&Value::Null));
    }

    /// Everything that was heard and not taken, once all that was told until now has come.
    pub async fn drains(&mut self) -> Vec<Value> {
        self.catches_up().await;
        self.waiting.drain(..).collect()
    }

    /// Waits until the server closes, and answers with the code and the reason.
    pub async fn is_closed(&mut self) -> (u16, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frame = timeout_at(deadline, self.stream.next()).await;
            let frame = frame.unwrap_or_else(|_| panic!("the socket should be closed, but heard {:#?}", self.waiting));
            match frame {
                Some(Ok(Message::Close(Some(close)))) => return (close.code.into(), close.reason.to_string()),
                Some(Ok(Message::Text(text))) => self.waiting.push_back(parsed(&text)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (1006, String::new()),
            }
        }
    }

    /// Closes it in good order.
    pub async fn closes(mut self) {
        self.stream.close(None).await.ok();
    }

    async fn catches_up(&mut self) {
        let owner = self.owner.clone().expect("the socket of a person has an owner");
        if self.diary.is_none() {
            let made = owner.post("/conversations", json!({"kind": "group", "participant_ids": []})).await.expect(201);
            self.diary = Some(super::id(&made).to_owned());
        }
        let diary = self.diary.clone().expect("it was just made");
        let entry = json!({"id": new_id(), "body": "Dear diary, so far nothing happened."});
        let path = format!("/conversations/{diary}/messages");
        let written = owner.post(&path, entry).await.expect(201);
        self.takes("the diary's entry", |frame| frame["type"] == "message:new" && frame["data"]["id"] == written["id"])
            .await;
        self.waiting.retain(|frame| !frame.to_string().contains(&diary));
    }

    async fn takes(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        if let Some(place) = self.waiting.iter().position(&is_it) {
            return self.waiting.remove(place).expect("it was just found");
        }
        loop {
            let Ok(frame) = timeout_at(deadline, self.stream.next()).await else {
                panic!("waited in vain for {what}; heard instead {:#?}", self.waiting);
            };
            match frame {
                Some(Ok(Message::Text(text))) => {
                    let frame = parsed(&text);
                    if is_it(&frame) {
                        return frame;
                    }
                    self.waiting.push_back(frame);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                end => panic!("instead of {what} came {end:?}; heard before {:#?}", self.waiting),
            }
        }
    }
}

/// A handshake with the server that a client calls; `query` begins with a question mark.
pub fn request(client: &Client, query: &str, headers: &[(&'static str, &str)]) -> Request<()> {
    let url = format!("{}/api/v1/ws{query}", client.origin().replace("http://", "ws://"));
    let mut request = url.into_client_request().expect("the URL is well formed");
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("it is fit for a header");
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    request
}

#[track_caller]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the server's frames are JSON ({error}): {text}"))
}
