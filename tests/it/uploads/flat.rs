//! The server's memory while much comes in.

use std::{fs, pin::pin, sync::Arc, time::Duration};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::interval,
};

use crate::harness::{
    client::perform,
    directory::Directory,
    files::PDF,
    id,
    machine::{self, Share},
    person::Person,
    postgres::Database,
    process::Process,
    s3::S3,
    tus::Tus,
};

const MIB: usize = 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// A server, and somebody there with a group.
struct Scene {
    server: Process,
    ada: Person,
    group: String,
    database: Database,
    directory: Directory,
    s3: Option<S3>,
    /// The machine, of which nobody else may have so much that pieces pile up.
    _machine: Arc<Share>,
}

/// How files come in.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    InForms,
    InParts,
    Directly,
}

impl Scene {
    async fn set(way: Way) -> Self {
        let machine = machine::most().await;
        let (database, directory) = (Database::create().await, Directory::create());
        let s3 = if way == Way::Directly { Some(S3::start().await) } else { None };
        let url = s3.as_ref().map(S3::url);
        let mut settings = vec![("DATABASE_URL", database.url()), ("COLLOQUY_DATA_DIR", directory.text())];
        settings.extend(url.as_ref().map(|url| ("COLLOQUY_STORAGE_URL", url.as_str())));
        let before = Process::start(&settings).await;
        let ada = before.person("ada").await;
        let group = ada.opens_group_with([]).await;
        before.stop().await;
        // One that has not hashed her password: what that took may be given back at any time.
        let server = Process::start(&settings).await;
        let ada = ada.at(&server);
        Self { server, ada, group, database, directory, s3, _machine: machine }
    }

    /// Brings in a file of this size, and answers with the status.
    async fn brings(&self, way: Way, file: &File) -> u16 {
        match way {
            Way::InForms => self.brings_in_a_form(file).await,
            Way::InParts => self.brings_in_parts(file).await,
            Way::Directly => self.completes(&self.puts(file).await).await,
        }
    }

    async fn brings_in_a_form(&self, file: &File) -> u16 {
        let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n";
        let end = "\r\n--x--\r\n";
        let head = format!(
            "POST /api/v1/conversations/{}/attachments HTTP/1.1\r\n\
             content-type: multipart/form-data; boundary=x\r\ncontent-length: {}\r\n",
            self.group,
            form.len() + file.size + end.len()
        );
        self.asks(&head, (form, file, end)).await
    }

    async fn brings_in_parts(&self, file: &File) -> u16 {
        let upload = Tus::of(&self.ada).announces(&self.group, "a.pdf", file.size).await;
        let head = format!(
            "PATCH /api/v1/uploads/{upload} HTTP/1.1\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\n\
             content-type: application/offset+octet-stream\r\ncontent-length: {}\r\n",
            file.size
        );
        self.asks(&head, ("", file, "")).await
    }

    /// Puts a file into the store, and answers with the upload's path.
    async fn puts(&self, file: &File) -> String {
        let uploads = format!("/conversations/{}/attachments", self.group);
        let announced = json!({"filename": "a.pdf", "size": file.size});
        let presigned = self.ada.post(&format!("{uploads}/presign"), announced).await.expect(201);
        let url = presigned["url"].as_str().expect("it has a URL");
        let bytes = file.pieces().collect::<Vec<_>>().concat();
        perform(self.ada.ask_anywhere(Method::PUT, url).body(bytes)).await.expect(200);
        format!("{uploads}/{}", id(&presigned))
    }

    async fn completes(&self, upload: &str) -> u16 {
        let head = format!("POST /api/v1{upload}/complete HTTP/1.1\r\ncontent-length: 0\r\n");
        self.asks(&head, ("", &File { nth: 0, size: 0 }, "")).await
    }

    /// Sends a request as fast as the server reads it.
    async fn asks(&self, head: &str, (before, file, after): (&str, &File, &str)) -> u16 {
        let mut stream = TcpStream::connect(self.server.address()).await.expect("the server listens");
        let token = self.ada.token().expect("she is signed in");
        let head =
            format!("{head}host: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n{before}");
        stream.write_all(head.as_bytes()).await.expect("the server reads");
        for piece in file.pieces() {
            stream.write_all(&piece).await.expect("the server reads");
        }
        stream.write_all(after.as_bytes()).await.expect("the server reads");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("the server answers");
        str::from_utf8(&answer[9..]).expect("it is text").parse().expect("it is a status")
    }

    /// What the server has in memory that is its own, in bytes: how much of its program is there is the kernel's choice.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid)).expect("the server runs");
        let told = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("the kernel tells it");
        told.trim().trim_end_matches(" kB").parse::<usize>().expect("it is a number") * 1024
    }

    /// The most that it has in memory until something is done, and what came of that.
    async fn most_until<T>(&self, done: impl Future<Output = T>) -> (usize, T) {
        let (mut done, mut glances) = (pin!(done), interval(Duration::from_millis(20)));
        let mut most = 0;
        loop {
            tokio::select! {
                outcome = &mut done => return (most, outcome),
                _ = glances.tick() => most = most.max(self.memory()),
            }
        }
    }

    /// Brings in fifty files of ten mebibytes at once, and looks how much memory the server has before, at most, and after.
    async fn stays_flat(&self, way: Way) {
        // What serves any request at all is there.
        for nth in 0..4 {
            assert!(matches!(self.brings(way, &File { nth, size: PIECE }).await, 200..300));
        }
        let files: Vec<_> = (0..50).map(|nth| File { nth, size: 10 * MIB }).collect();
        if way == Way::Directly {
            let mut uploads = Vec::new();
            for file in &files {
                uploads.push(self.puts(file).await);
            }
            self.stays_flat_while(join_all(uploads.iter().map(|upload| self.completes(upload)))).await;
        } else {
            self.stays_flat_while(join_all(files.iter().map(|file| self.brings(way, file)))).await;
        }
    }

    async fn stays_flat_while(&self, coming: impl Future<Output = Vec<u16>>) {
        let before = self.memory();

        let (most, statuses) = self.most_until(coming).await;

        assert!(statuses.iter().all(|status| matches!(status, 200..300)), "{statuses:?}");
        let after = self.memory();
        let is_flat = most.max(after) <= before + 16 * MIB;
        assert!(is_flat, "{} MiB before, {} at most, {} after", before / MIB, most / MIB, after / MIB);
    }

    async fn end(self) {
        self.server.stop().await;
        drop((self.database, self.directory, self.s3));
    }
}

/// A report like no other.
struct File {
    nth: usize,
    size: usize,
}

impl File {
    fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..self.size / PIECE).map(|at| {
            let mut piece = vec![b'%'; PIECE];
            if at == 0 {
                piece[..PDF.len()].copy_from_slice(PDF);
            }
            piece[PIECE - 8..].copy_from_slice(format!("{:07}\n", self.nth).as_bytes());
            piece
        })
    }
}

#[tokio::test]
async fn memory_stays_flat_while_fifty_files_of_ten_mebibytes_come_in_forms() {
    let scene = Scene::set(Way::InForms).await;
    scene.stays_flat(Way::InForms).await;
    scene.end().await;
}

#[tokio::test]
async fn memory_stays_flat_while_fifty_files_of_ten_mebibytes_come_in_parts() {
    let scene = Scene::set(Way::InParts).await;
    scene.stays_flat(Way::InParts).await;
    scene.end().await;
}

#[tokio::test]
async fn memory_stays_flat_while_fifty_files_of_ten_mebibytes_are_taken_from_the_store() {
    let scene = Scene::set(Way::Directly).await;
    scene.stays_flat(Way::Directly).await;
    scene.end().await;
}
