//! REST as cheap as it can be: one connection that is kept, requests by hand, bodies not looked into.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::socket;

/// A page of a list, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What asks for the next; there is none after the last, nor where pages are asked for by their place.
    pub next_cursor: Option<String>,
}

/// A connection that serves one request at a time.
#[derive(Debug)]
pub struct Http {
    stream: TcpStream,
    host: SocketAddr,
    buffer: Vec<u8>,
}

impl Http {
    /// Connects.
    pub async fn connect(host: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: socket::dial(host).await?, host, buffer: Vec::new() })
    }

    /// The body of an answer below 300; any other answer is an error that shows it.
    pub async fn get(&mut self, path: &str, token: &str) -> io::Result<&[u8]> {
        self.call("GET", path, token, "").await
    }

    /// The same for what is posted.
    pub async fn post(&mut self, path: &str, token: &str, body: &str) -> io::Result<&[u8]> {
        self.call("POST", path, token, body).await
    }

    /// The same for what is deleted.
    pub async fn delete(&mut self, path: &str, token: &str) -> io::Result<&[u8]> {
        self.call("DELETE", path, token, "").await
    }

    /// The status and the body of the answer to a form with one file, whatever they are.
    pub async fn upload(&mut self, path: &str, token: &str, (name, bytes): (&str, &[u8])) -> io::Result<(u16, &[u8])> {
        let head = format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        let form = [head.as_bytes(), bytes, b"\r\n--x--\r\n"].concat();
        self.exchange(("POST", path), token, ("multipart/form-data; boundary=x", &form)).await
    }

    async fn call(&mut self, method: &str, path: &str, token: &str, body: &str) -> io::Result<&[u8]> {
        match self.exchange((method, path), token, ("application/json", body.as_bytes())).await? {
            (200..300, body) => Ok(body),
            (_, body) => Err(io::Error::other(format!("{method} {path}: {}", String::from_utf8_lossy(body)))),
        }
    }

    async fn exchange(
        &mut self,
        (method, path): (&str, &str),
        token: &str,
        (content_type, body): (&str, &[u8]),
    ) -> io::Result<(u16, &[u8])> {
        let Self { host, .. } = self;
        let length = body.len();
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.stream.write_all(&[head.as_bytes(), body].concat()).await?;
        self.buffer.clear();
        let (head_end, body_end) = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some((head_end, body_end)) = measure(&self.buffer)
                && self.buffer.len() >= body_end
            {
                break (head_end, body_end);
            }
        };
        let status = self.buffer.get(9..12).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("the answer has no status"))?;
        Ok((status, &self.buffer[head_end..body_end]))
    }
}

/// Where the body of an answer begins and ends, once its head has come.
fn measure(answer: &[u8]) -> Option<(usize, usize)> {
    let head_end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = str::from_utf8(&answer[..head_end]).ok()?;
    let lengths = head.lines().filter_map(|line| line.split_once(':'));
    let length = lengths
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.trim().parse().ok());
    Some((head_end, head_end + length.unwrap_or(0)))
}
