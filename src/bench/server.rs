//! The server that is measured: one that runs already, or one of our own that goes away with us.

use std::{
    env, fs, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::ConnectOptions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    socket::Socket,
    usage::Watch,
    words::{self, Heard},
};
use crate::{boot::database::Database, config::settings::Settings};

/// How long a server may take to start, a new database included.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and what it takes to come in.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The secret by which we vouch for people.
    pub secret: String,
    /// Looks at what it takes of this machine.
    pub watch: Watch,
    /// How it is set up, where it is ours; for a running one, at least its database.
    settings: Settings,
}

/// A server of our own, in a directory of its own.
pub struct Server {
    /// How to come in.
    pub target: Target,
    child: Child,
    directory: PathBuf,
}

impl Target {
    /// A server that runs already.
    pub fn running(url: &str, settings: &Settings) -> anyhow::Result<Self> {
        let host = url
            .trim_end_matches('/')
            .strip_prefix("http://")
            .context("expected a URL such as http://127.0.0.1:8080")?;
        let found = host.to_socket_addrs().or_else(|_| (host, 80).to_socket_addrs());
        let address = found.ok().and_then(|mut found| found.next()).with_context(|| format!("cannot find `{host}`"))?;
        let secret = settings.jwt_secret.as_ref().context("COLLOQUY_JWT_SECRET must be that of the running server.")?;
        let (secret, settings) = (secret.reveal().to_owned(), settings.clone());
        Ok(Self { address, secret, watch: Watch::on(None), settings })
    }

    /// The server's database, for what is too much to be sent message by message.
    pub async fn database(&self) -> anyhow::Result<Database> {
        let is_known = self.watch.is_on() || self.settings.database_url.is_some();
        ensure!(is_known, "DATABASE_URL must be that of the running server.");
        Database::open_or_join(&self.settings).await
    }

    /// Opens a socket as somebody, who hears everything of theirs from now on.
    pub async fn open_socket(&self, token: &str) -> io::Result<Socket> {
        let mut socket = Socket::open(self.address, "/api/v1/ws", Some(token)).await?;
        let mut is_ready = false;
        while !is_ready {
            socket.read(|text| is_ready |= words::read(text) == Heard::Ready).await?;
        }
        Ok(socket)
    }

    /// Where a server of our own keeps its files.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl Server {
    /// Starts this program as a server without limits, on a database of its own unless the settings name one.
    pub async fn start(program: &Path, settings: &Settings) -> anyhow::Result<Self> {
        let name = Uuid::new_v4().to_string();
        let secret = settings.jwt_secret.as_ref().map_or(name.clone(), |secret| secret.reveal().to_owned());
        let directory = env::temp_dir().join(format!("colloquy-bench-{name}"));
        let address = free_address()?;
        let settings = Settings { data_dir: directory.clone(), listen: address, ..settings.clone() };
        let mut command = Command::new(program);
        command
            // We read as fast as we can, but on a busy machine that may not be at once.
            .args(["serve", "--log=warn", "--mailbox-bytes=16777216"])
            .args(["--messages-per-minute=0", "--conversations-per-hour=0", "--logins-per-minute=0"])
            .args(["--searches-per-minute=0", "--uploads-per-hour=0"])
            .arg(format!("--listen={address}"))
            .arg(format!("--workers={}", settings.workers))
            .arg(format!("--database-connections={}", settings.database_connections))
            .env("COLLOQUY_DATA_DIR", &directory)
            .env("COLLOQUY_JWT_SECRET", &secret);
        for (name, url) in [("DATABASE_URL", &settings.database_url), ("REDIS_URL", &settings.redis_url)] {
            command.env(name, url.as_ref().map_or("", |url| url.reveal()));
        }
        let child = command.spawn().with_context(|| format!("cannot start `{}`", program.display()))?;
        let watch = Watch::on(child.id());
        let mut server = Self { target: Target { address, secret, watch, settings }, child, directory };
        match server.ready().await {
            Ok(()) => Ok(server),
            Err(error) => {
                server.stop().await;
                Err(error)
            }
        }
    }

    /// Starts a second node beside one that runs.
    pub async fn beside(target: &Target) -> anyhow::Result<Self> {
        ensure!(target.settings.redis_url.is_some(), "REDIS_URL must lead to the Redis of the two nodes.");
        let database = target.database().await?;
        let url = database.pool().connect_options().to_url_lossy();
        database.close(Duration::ZERO).await;
        let (database_url, jwt_secret) = (Some(url.as_str().parse()?), Some(target.secret.parse()?));
        let settings = Settings { database_url, jwt_secret, ..target.settings.clone() };
        Self::start(&settings.program, &settings).await
    }

    /// Stops it, and removes what it left.
    pub async fn stop(mut self) {
        self.ask_to_stop();
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            // Asked twice, it stops at once.
            self.ask_to_stop();
            self.child.wait().await.ok();
        }
        fs::remove_dir_all(&self.directory).ok();
    }

    fn ask_to_stop(&self) {
        if let Some(process) = self.child.id() {
            kill(Pid::from_raw(process as i32), Signal::SIGTERM).ok();
        }
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(self.target.address).await {
            if let Some(status) = self.child.try_wait()? {
                bail!("The server did not start ({status}); see above.");
            }
            ensure!(Instant::now() < deadline, "The server does not become ready.");
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Has no effect where it has ended already.
        self.ask_to_stop();
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        io::Result::Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask.await.unwrap_or(false)
}

/// A port that nobody uses right now.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
