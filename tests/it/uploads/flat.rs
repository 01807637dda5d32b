//! The server's memory while much comes in.

use std::process::Command;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{
    directory::Directory, files::PDF, person::Person, postgres::Database, process::Process, tus::Tus,
};

const MIB: usize = 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// A file on its way in, byte by byte as it is told.
struct Coming(TcpStream);

impl Coming {
    /// One in a form.
    async fn in_a_form(server: &Process, ada: &Person, group: &str, size: usize) -> Self {
        let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n";
        let end = "\r\n--x--\r\n";
        let head = format!(
            "POST /api/v1/conversations/{group}/attachments HTTP/1.1\r\n\
             content-type: multipart/form-data; boundary=x\r\ncontent-length: {}\r\n",
            form.len() + size + end.len()
        );
        Self::begin(server, ada, head, form).await
    }

    /// One in parts.
    async fn in_parts(server: &Process, ada: &Person, group: &str, size: usize) -> Self {
        let upload = Tus::of(ada).announces(group, "a.pdf", size).await;
        let head = format!(
            "PATCH /api/v1/uploads/{upload} HTTP/1.1\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\n\
             content-type: application/offset+octet-stream\r\ncontent-length: {size}\r\n"
        );
        Self::begin(server, ada, head, "").await
    }

    async fn begin(server: &Process, ada: &Person, head: String, before: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
        let token = ada.token().expect("she is signed in");
        let rest = format!("host: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n{before}");
        stream.write_all(format!("{head}{rest}").as_bytes()).await.expect("the server reads");
        Self(stream)
    }

    async fn bring(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the server reads");
    }

    /// Ends it, and answers with the status.
    async fn end(mut self) -> String {
        // One in parts has ended already.
        self.0.write_all(b"\r\n--x--\r\n").await.ok();
        let mut answer = vec![0; 12];
        self.0.read_exact(&mut answer).await.expect("the server answers");
        String::from_utf8(answer).expect("it is text").split_off("HTTP/1.1 ".len())
    }
}

/// What the server has in memory, in bytes.
fn resident(server: &Process) -> usize {
    let asked = Command::new("ps").args(["-o", "rss=", "-p", &server.pid.to_string()]).output().expect("there is a ps");
    let said = String::from_utf8(asked.stdout).expect("it is text");
    said.trim().parse::<usize>().expect("it is a number of KiB") * 1024
}

/// Lets fifty files of a size come in at once, piece by piece; answers with the most that the server had in memory
/// meanwhile.
async fn fifty_come_in(server: &Process, ada: &Person, group: &str, size: usize) -> usize {
    let mut coming = Vec::new();
    for _ in 0..25 {
        coming.push(Coming::in_a_form(server, ada, group, size).await);
        coming.push(Coming::in_parts(server, ada, group, size).await);
    }
    let mut most = 0;
    for piece in 0..size / PIECE {
        join_all(coming.iter_mut().zip(0..).map(async |(coming, nth)| {
            let mut bytes = vec![b'%'; PIECE];
            if piece == 0 {
                bytes[..PDF.len()].copy_from_slice(PDF);
            }
            bytes[PIECE - 8..].copy_from_slice(format!("{nth:07}\n").as_bytes());
            coming.bring(&bytes).await;
        }))
        .await;
        most = most.max(resident(server));
    }
    let ends = join_all(coming.into_iter().map(async |coming| (coming.end().await, resident(server)))).await;
    for (status, held) in ends {
        assert!(matches!(status.as_str(), "201" | "204"), "{status}");
        most = most.max(held);
    }
    most
}

#[tokio::test]
async fn memory_stays_flat_while_fifty_files_of_ten_mebibytes_come_in() {
    let (database, directory) = (Database::create().await, Directory::create());
    let settings = [("DATABASE_URL", database.url()), ("COLLOQUY_DATA_DIR", directory.text())];
    let server = Process::start(&settings).await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    // What fifty connections take, whatever comes by them.
    let before = fifty_come_in(&server, &ada, &group, MIB / 2).await;

    let most = fifty_come_in(&server, &ada, &group, 10 * MIB).await;

    let grown = most.saturating_sub(before) / MIB;
    assert!(grown <= 16, "memory grew by {grown} MiB, from {} MiB", before / MIB);
    server.stop().await;
}
