//! Sockets of a real server, and a client that keeps to no rule that it does not want to.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, rt, web};
use bytes::Bytes;

use super::{
    close::Close,
    frames,
    socket::{Next, Socket},
    websocket::{self, Refused, Terms},
};
use crate::domain::event::Durability;

const MASK: [u8; 4] = [1, 2, 3, 4];

/// A server whose sockets do as they are told.
struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    /// Hears of each connection that is torn down.
    gone: mpsc::Receiver<()>,
}

/// Tells of its connection's end.
struct Connection(mpsc::Sender<()>);

struct Client(TcpStream);

impl Drop for Connection {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send(());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (started, start) = mpsc::channel();
        let (going, gone) = mpsc::channel();
        thread::spawn(move || {
            rt::System::new().block_on(async move {
                let server = HttpServer::new(|| App::new().route("/ws", web::get().to(upgrade)))
                    .on_connect(move |stream, connection| {
                        websocket::cut_when_deaf(stream, Duration::from_millis(300));
                        connection.insert(Connection(going.clone()));
                    })
                    .workers(1)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { address, handle: start.recv().unwrap(), gone }
    }

    fn connect(&self) -> Client {
        let mut client = self.request("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client
    }

    fn request(&self, headers: &str) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut client = Client(stream);
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        client.write(format!("GET /ws HTTP/1.1\r\nHost: chat.example\r\n{key}\r\n{headers}\r\n").as_bytes());
        client
    }
}

impl Client {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends a short frame.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let frame: Vec<_> = [first, 0x80 | payload.len() as u8].into_iter().chain(MASK).chain(masked).collect();
        self.write(&frame);
    }

    fn say(&mut self, text: &str) {
        self.send(0x81, text.as_bytes());
    }

    /// The response's head.
    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.take(1));
        }
        String::from_utf8(head).unwrap()
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// What one read gives, which is what one write of the server gave if nothing was written before.
    fn read_once(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let length = self.0.read(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }

    /// All that comes until the server hangs up.
    fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

async fn upgrade(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let terms = Terms { mailbox_bytes: 1 << 20, frames_per_second: 100 };
    match websocket::accept(&request, payload, terms) {
        Ok((response, socket)) => {
            rt::spawn(serve(socket));
            response
        }
        Err(Refused::UpgradeRequired) => HttpResponse::UpgradeRequired().finish(),
        Err(Refused::BadHandshake) => HttpResponse::BadRequest().finish(),
    }
}

/// Echoes, but for a few words.
async fn serve(mut socket: Socket) {
    while let Some(Next::Text(text)) = socket.next().await {
        match &*text {
            "burst" => (0..50).for_each(|n| socket.mailbox().reply(frames::text(&n.to_string()))),
            "flood" => flood(&socket).await,
            "ask for much" => socket.mailbox().reply(Bytes::from(vec![0; 8 << 20])),
            "bye" => socket.mailbox().close_when_answered(Close::GoingAway { reconnect_after: Duration::from_secs(1) }),
            _ => socket.mailbox().reply(frames::text(&text)),
        }
    }
}

/// Tells more than the peer reads, until that is seen.
async fn flood(socket: &Socket) {
    let frame = frames::text(&"x".repeat(60_000));
    while socket.mailbox().push(frame.clone(), Durability::Durable).is_ok() {
        tokio::task::yield_now().await;
    }
    socket.mailbox().close(Close::TooSlow);
}

#[test]
fn a_socket_talks_and_says_goodbye() {
    let server = Server::start();
    let mut client = server.connect();

    client.say("hello");
    client.send(0x89, b"there?");
    client.send(0x8A, b"unasked");
    client.say("Grüß Gott");
    client.send(0x88, &3_000_u16.to_be_bytes());
    client.say("too late");

    let expected = [&b"\x81\x05hello\x8A\x06there?\x81\x0B"[..], "Grüß Gott".as_bytes(), b"\x88\x02\x0B\xB8"].concat();
    assert_eq!(client.take(expected.len()), expected);
    // What came after the goodbye may be answered with a reset.
    let _ = client.0.read(&mut [0]);
    server.gone.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_frame_that_declares_too_much_is_refused_at_once() {
    let server = Server::start();
    for declared in [65_537, 1_u64 << 40] {
        let mut client = server.connect();

        client.write(&[&[0x81, 0xFF][..], &declared.to_be_bytes()].concat());

        let rest = client.rest();
        assert_eq!(rest[..4], [0x88, rest.len() as u8 - 2, 0x03, 0xF1], "1009");
    }
}

#[test]
fn violations_are_answered_with_their_code_and_the_end() {
    let server = Server::start();
    for (first, payload, code) in [(0xC1, &b"rsv"[..], 1002_u16), (0x82, b"binary", 4000), (0x81, b"\xFF", 1007)] {
        let mut client = server.connect();

        client.say("fine");
        client.send(first, payload);

        let rest = client.rest();
        assert_eq!(rest[..6], *b"\x81\x04fine");
        assert_eq!(rest[8..10], code.to_be_bytes());
    }
}

#[test]
fn what_gathers_is_written_at_once() {
    let server = Server::start();
    let mut client = server.connect();

    client.say("burst");

    let expected: Vec<_> = (0..50).flat_map(|n| frames::text(&n.to_string())).collect();
    assert_eq!(client.read_once(), expected);
}

#[test]
#[cfg(target_os = "linux")]
fn a_peer_that_stops_reading_is_torn_down() {
    let server = Server::start();
    let mut client = server.connect();

    client.say("flood");

    server.gone.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(client.0.read_to_end(&mut Vec::new()).is_err(), "the connection was reset, not ended");
}

#[test]
fn a_peer_that_asks_for_much_gets_it_and_is_heard_again() {
    let server = Server::start();
    let mut client = server.connect();

    client.say("ask for much");
    client.say("ask for much");
    client.say("hello");

    client.take(16 << 20);
    assert_eq!(client.take(7), b"\x81\x05hello");
}

#[test]
fn a_socket_is_sent_away_after_its_answers() {
    let server = Server::start();
    let mut client = server.connect();

    client.say("hello");
    client.say("bye");

    assert_eq!(client.rest(), b"\x81\x05hello\x88\x19\x03\xE9reconnect_after_ms=1000");
}

#[test]
fn a_peer_that_hangs_up_is_gone_and_one_that_only_stops_sending_is_answered() {
    let server = Server::start();
    let mut client = server.connect();
    client.say("hello");
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"\x81\x05hello\x88\x02\x03\xE8");
    server.gone.recv_timeout(Duration::from_secs(10)).unwrap();

    drop(server.connect());
    server.gone.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_flood_of_frames_is_stopped() {
    let server = Server::start();
    let mut client = server.connect();
    let started = Instant::now();

    let frames = [[0x8A, 0x80].as_slice(), &MASK].concat().repeat(1_000);
    client.write(&frames);

    let close = client.take(4);
    assert_eq!(close[2..], 4009_u16.to_be_bytes(), "after {:?}", started.elapsed());
}

#[test]
fn only_websockets_of_version_13_are_accepted() {
    let server = Server::start();
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";

    assert!(server.request("").head().starts_with("HTTP/1.1 426 "));
    assert!(server.request(&format!("{upgrade}Sec-WebSocket-Version: 8\r\n")).head().starts_with("HTTP/1.1 426 "));
}

#[test]
fn our_protocol_is_agreed_on_and_no_other() {
    let server = Server::start();
    let agreed = |offered: &str| {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
        let head = server.request(&format!("{upgrade}Sec-WebSocket-Protocol: {offered}\r\n")).head();
        head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: ").map(str::to_owned))
    };

    assert_eq!(agreed("bearer.abc, colloquy.v1"), Some("colloquy.v1".to_owned()));
    assert_eq!(agreed("bearer.abc"), None);
}
