//! One WebSocket as cheap as it can be: frames by hand, masked with zeros, read into one buffer that all sockets share.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Write},
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::net::{TcpSocket, TcpStream};

/// Room for many frames, and for any single one.
const BUFFER_BYTES: usize = 256 * 1024;
/// Loopback addresses to come from: each has its own ports, of which one alone has too few.
const SOURCES: usize = 100;

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_BYTES].into());
}

/// Where texts are put in; shares the connection with its [`Socket`].
#[derive(Clone, Debug)]
pub struct Mouth(Rc<TcpStream>);

/// An open socket, read by whoever holds it.
#[derive(Debug)]
pub struct Socket {
    mouth: Mouth,
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
}

impl Socket {
    /// Opens a socket; with a token where the server asks for one. What it says first is not awaited.
    pub async fn open(address: SocketAddr, path: &str, token: Option<&str>) -> io::Result<Self> {
        let stream = dial(address).await?;
        let authorization = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: c2l4dGVlbiBieXRlcyBvaw==\r\n{authorization}\r\n"
        );
        let mouth = Mouth(Rc::new(stream));
        mouth.write(request.as_bytes()).await?;
        let mut socket = Self { mouth, rest: Vec::new() };
        socket.shake_hands().await?;
        Ok(socket)
    }

    /// Where this socket speaks, for another task.
    pub fn mouth(&self) -> Mouth {
        self.mouth.clone()
    }

    /// Waits until something has come, and shows each whole text. May be dropped and asked again. Ends with an error, also
    /// where the server closes.
    pub async fn read(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut answers = Vec::new();
        // A frame may be whole already: it came with the handshake.
        if !self.take(&mut each, &mut answers)? {
            loop {
                self.mouth.0.readable().await?;
                if self.receive(&mut each, &mut answers)? {
                    break;
                }
            }
        }
        if answers.is_empty() { Ok(()) } else { self.mouth.write(&answers).await }
    }

    async fn shake_hands(&mut self) -> io::Result<()> {
        let mut head = [0; 4096];
        loop {
            self.mouth.0.readable().await?;
            match self.mouth.0.try_read(&mut head) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.rest.extend_from_slice(&head[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            if let Some(end) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                let answer = String::from_utf8_lossy(&self.rest[..end]).into_owned();
                self.rest.drain(..end + 4);
                let is_open = answer.starts_with("HTTP/1.1 101");
                return if is_open { Ok(()) } else { Err(io::Error::other(format!("no socket: {answer}"))) };
            }
        }
    }

    /// Reads once; whether anything had come.
    fn receive(&mut self, each: &mut impl FnMut(&[u8]), answers: &mut Vec<u8>) -> io::Result<bool> {
        BUFFER.with_borrow_mut(|buffer| {
            let begun = self.rest.len();
            buffer[..begun].copy_from_slice(&self.rest);
            let end = match self.mouth.0.try_read(&mut buffer[begun..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => begun + length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            let taken = take_frames(&buffer[..end], each, answers)?;
            self.rest.clear();
            self.rest.extend_from_slice(&buffer[taken..end]);
            // Thousands of idle sockets would keep what they once needed.
            if self.rest.is_empty() {
                self.rest = Vec::new();
            }
            Ok(true)
        })
    }

    /// Takes the whole frames of what is left over; whether there were any.
    fn take(&mut self, each: &mut impl FnMut(&[u8]), answers: &mut Vec<u8>) -> io::Result<bool> {
        let taken = take_frames(&self.rest, each, answers)?;
        self.rest.drain(..taken);
        Ok(taken > 0)
    }
}

impl Mouth {
    /// Writes bytes that are frames already.
    pub async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.try_write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.0.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Connects; on loopback from one of many addresses in turn.
pub async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    static DIALLED: AtomicUsize = AtomicUsize::new(0);
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere than on Linux only the first loopback address is there unless somebody makes the others.
    if cfg!(target_os = "linux") && address.is_ipv4() && address.ip().is_loopback() {
        let turn = DIALLED.fetch_add(1, Ordering::Relaxed) % SOURCES;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 1 + turn as u8), 0)))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Appends a text as a frame.
pub fn push_text(frames: &mut Vec<u8>, text: &[u8]) {
    push_frame(frames, TEXT, text);
}

fn push_frame(frames: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    frames.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => frames.push(0x80 | length as u8),
        length => {
            frames.push(0x80 | 0x7e);
            frames.extend_from_slice(&u16::try_from(length).expect("we say nothing that long").to_be_bytes());
        }
    }
    // A mask of zeros leaves the payload as it is.
    frames.extend_from_slice(&[0; 4]);
    frames.extend_from_slice(payload);
}

/// Shows the texts of all whole frames, answers pings, and says how many bytes those frames were.
fn take_frames(input: &[u8], each: &mut impl FnMut(&[u8]), answers: &mut Vec<u8>) -> io::Result<usize> {
    let mut taken = 0;
    while let Some((opcode, start, end)) = frame_at(&input[taken..]) {
        let payload = &input[taken + start..taken + end];
        match opcode {
            TEXT => each(payload),
            PING => push_frame(answers, PONG, payload),
            CLOSE => return Err(closed(payload)),
            _ => {}
        }
        taken += end;
    }
    Ok(taken)
}

/// What kind of frame begins here, and where its payload starts and ends, once all of it has come.
fn frame_at(input: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*input.first()?, *input.get(1)?);
    let (start, length) = match second & 0x7F {
        126 => (4, usize::from(u16::from_be_bytes(*input.get(2..)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*input.get(2..)?.first_chunk()?)).ok()?),
        length => (2, usize::from(length)),
    };
    (input.len() >= start + length).then_some((first & 0x0F, start, start + length))
}

fn closed(payload: &[u8]) -> io::Error {
    let mut why = Vec::new();
    match payload.split_first_chunk() {
        Some((code, reason)) => {
            let reason = String::from_utf8_lossy(reason);
            write!(why, "the server closed with {} {reason}", u16::from_be_bytes(*code))
        }
        None => write!(why, "the server closed"),
    }
    .expect("a Vec takes everything");
    io::Error::new(ErrorKind::ConnectionAborted, String::from_utf8_lossy(&why).into_owned())
}
