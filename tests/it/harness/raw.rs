//! A WebSocket without manners: it answers nothing by itself, and may break every rule of RFC 6455.

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{PATIENCE, client::Client, person::Person};

/// Text, whole.
pub const TEXT: u8 = 0x81;
/// The beginning of a text.
pub const TEXT_BEGUN: u8 = 0x01;
/// The end of a message.
pub const CONTINUED: u8 = 0x80;
/// A ping.
pub const PING: u8 = 0x89;
/// A pong.
pub const PONG: u8 = 0x8A;
/// A close frame.
pub const CLOSE: u8 = 0x88;

/// What the peer of a slow reader may have on its way, by the reader's wish.
const SMALL_BUFFER: u32 = 4096;

/// A connection that was, or was not, upgraded.
pub struct RawSocket {
    /// The response's head.
    pub head: String,
    stream: TcpStream,
    unread: Vec<u8>,
}

/// A frame of the server.
#[derive(Debug)]
pub struct Frame {
    /// Its first byte: all flags and the opcode.
    pub first: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl RawSocket {
    /// Opens a socket with somebody's token; nothing is heard yet.
    pub async fn open(person: &Person) -> Self {
        let token = person.token().expect("who is signed in has a token");
        let socket = Self::shake_hands(person, &[("Authorization", &format!("Bearer {token}"))]).await;
        assert!(socket.head.starts_with("HTTP/1.1 101 "), "the socket should open, but:\n{}", socket.head);
        socket
    }

    /// Asks for a socket with headers of one's own, and reads the response's head.
    pub async fn shake_hands(client: &Client, headers: &[(&str, &str)]) -> Self {
        let host = client.origin().strip_prefix("http://").expect("servers of tests speak plain HTTP");
        let socket = TcpSocket::new_v4().expect("there is room for a socket");
        socket.set_recv_buffer_size(SMALL_BUFFER).expect("a buffer may be small");
        let stream = socket.connect(host.parse().expect("it is an address")).await.expect("the server listens");
        let mut this = Self { head: String::new(), stream, unread: Vec::new() };
        let key = STANDARD.encode("sixteen bytes ok");
        let mut request = format!(
            "GET /api/v1/ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        );
        headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
        this.sends_bytes(format!("{request}\r\n").as_bytes()).await;
        this.head = this.reads_head().await;
        this
    }

    /// Sends a frame, masked as clients must; its first byte says what it is.
    pub async fn sends(&mut self, first: u8, payload: &[u8]) {
        let mut frame = frame_head(first, payload.len() as u64);
        // A mask of zeros is a mask too, and leaves the payload as it is.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.sends_bytes(&frame).await;
    }

    /// Sends only the head of a frame that pretends to be so long.
    pub async fn announces(&mut self, first: u8, length: u64) {
        let mut frame = frame_head(first, length);
        frame.extend([0; 4]);
        self.sends_bytes(&frame).await;
    }

    /// Sends anything.
    pub async fn sends_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the server is still there");
    }

    /// The next frame; nothing where the connection has ended.
    pub async fn receives(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, length)) = parse(&self.unread) {
                self.unread.drain(..length);
                return Some(frame);
            }
            if !self.reads_on().await {
                return None;
            }
        }
    }

    /// The next frame that begins with this byte.
    pub async fn receives_a(&mut self, first: u8) -> Frame {
        loop {
            let frame = self.receives().await.expect("the connection goes on");
            if frame.first == first {
                return frame;
            }
        }
    }

    /// The next text that contains these words.
    pub async fn reads(&mut self, words: &str) -> String {
        loop {
            let text = String::from_utf8(self.receives_a(TEXT).await.payload).expect("texts are UTF-8");
            if text.contains(words) {
                return text;
            }
        }
    }

    /// Waits for the server's close frame, and answers with its code and reason.
    pub async fn is_closed(&mut self) -> (u16, String) {
        let Frame { payload, .. } = self.receives_a(CLOSE).await;
        let (code, reason) = payload.split_first_chunk::<2>().expect("a server's close frame says why");
        (u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned())
    }

    async fn reads_head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).expect("the head is ASCII");
            }
            assert!(self.reads_on().await, "the connection ended before a response came");
        }
    }

    async fn reads_on(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await.expect("the server says something");
        // Who is cut off hard is cut off, too.
        read.is_ok_and(|length| length > 0)
    }
}

fn frame_head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(0x80 | length as u8),
        126..0x1_0000 => {
            head.push(0x80 | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend(length.to_be_bytes());
        }
    }
    head
}

/// The first frame of some bytes, and how long it is, once all of it is there.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&[first, short], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match short {
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length) as usize, rest))?,
        126 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => (usize::from(short), rest),
    };
    let payload = rest.get(..length)?.to_vec();
    Some((Frame { first, payload }, bytes.len() - rest.len() + length))
}
