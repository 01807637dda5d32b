//! A web site of somebody else, on an address of this machine, with pages that are well and that are not.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::interval,
};

/// The address of the sites that a server is allowed to look at.
pub const ALLOWED: &str = "127.0.0.2";

/// A running site, which is gone with this.
pub struct Site {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    gate: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Site {
    /// Opens one at this address, at any port.
    pub async fn at(address: &str) -> Self {
        Self::listening(TcpListener::bind((address, 0)).await.expect("all of 127/8 is this machine"))
    }

    /// Opens one at this address, at the same port as another's.
    pub async fn beside(other: &Self, address: &str) -> Self {
        Self::listening(TcpListener::bind((address, other.address.port())).await.expect("the port is free there"))
    }

    fn listening(listener: TcpListener) -> Self {
        let (gate, opened) = watch::channel(false);
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let address = listener.local_addr().expect("it listens");
        let serving = tokio::spawn(serve(listener, Arc::clone(&requests), opened));
        Self { address, requests, gate, serving }
    }

    /// The URL of a page of it:
    ///
    /// - `/page/…`: has all that a preview shows
    /// - `/gated/…`: the same, once the gate is open
    /// - `/to/URL`: leads there
    /// - `/hops/N`: leads through so many others to a page
    /// - `/endless`: does not end
    /// - `/drip`: never begins
    /// - `/text`, `/packed`, `/missing`: are no pages
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Opens the gate.
    pub fn opens(&self) {
        self.gate.send_replace(true);
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("nobody panics with it").clone()
    }

    /// How often a path was asked for.
    pub fn visits(&self, path: &str) -> usize {
        let line = format!("GET {path} ");
        self.requests().iter().filter(|request| request.starts_with(&line)).count()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, requests: Arc<Mutex<Vec<String>>>, opened: watch::Receiver<bool>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        tokio::spawn(answer(stream, Arc::clone(&requests), opened.clone()));
    }
}

async fn answer(
    mut stream: TcpStream,
    requests: Arc<Mutex<Vec<String>>>,
    mut opened: watch::Receiver<bool>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1)?.to_owned();
    requests.lock().expect("nobody panics with it").push(head);
    let (page, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let reply = match page {
        "page" => html(rest),
        "gated" => {
            opened.wait_for(|is_open| *is_open).await.ok()?;
            html(rest)
        }
        "to" => redirect(rest),
        "hops" => match rest.parse() {
            Ok(0_u32) => html("hops"),
            more => redirect(&format!("/hops/{}", more.ok()? - 1)),
        },
        "endless" => return endless(stream).await,
        "drip" => return drip(stream).await,
        "text" => reply("200 OK", "content-type: text/plain", "<title>No page</title>"),
        "packed" => reply("200 OK", "content-type: text/html\r\ncontent-encoding: gzip", "<title>Packed</title>"),
        _ => reply("404 Not Found", "content-type: text/html", "<title>Missing</title>"),
    };
    stream.write_all(reply.as_bytes()).await.ok()
}

fn html(name: &str) -> String {
    let body = format!(
        "<!doctype html><title>Window</title><meta property=\"og:title\" content=\"Title of {name}\">
         <meta property=\"og:description\" content=\"About {name}, ann@example.com\">
         <meta property=\"og:image\" content=\"https://cdn.example.com/{name}.png\">
         <meta property=\"og:site_name\" content=\"Site\"><body>{name}"
    );
    reply("200 OK", "content-type: text/html; charset=utf-8\r\nset-cookie: a=b", &body)
}

fn redirect(place: &str) -> String {
    reply("302 Found", &format!("location: {place}\r\nset-cookie: a=b"), "")
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

async fn endless(mut stream: TcpStream) -> Option<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<title>Endless</title>").await.ok()?;
    loop {
        stream.write_all(&[b' '; 16 * 1024]).await.ok()?;
    }
}

async fn drip(mut stream: TcpStream) -> Option<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<title>").await.ok()?;
    let mut ticks = interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        stream.write_all(b"x").await.ok()?;
    }
}
