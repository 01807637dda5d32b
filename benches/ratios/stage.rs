//! What is measured: servers, databases and bare sockets, each made when it is first needed.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::ensure;
use colloquy::{
    bench::{
        Load, connect, fanout,
        history::{self, Filled, Part},
        idle,
        report::Report,
        send,
        server::{self, Server},
        socket::Socket,
        usage::Watch,
        words,
    },
    config::settings::Settings,
};
use tokio::{net::TcpStream, process::Child, sync::OnceCell};

use super::{bare, pgbench::Pgbench};

/// Messages that are stored already where it is about sending to a full database, and over how many conversations.
const STORED: usize = 5_000_000;
const CONVERSATIONS: usize = 64;
/// Who listens to the broadcasters, and how many idle sockets there are.
const LISTENERS: usize = 1_000;
const SOCKETS: usize = 10_000;

/// Everything that is measured.
pub struct Stage {
    /// How long, and how much.
    pub load: Load,
    /// pgbench, on the cluster of the server that most is measured with.
    pub pgbench: Pgbench,
    program: PathBuf,
    empty: Server,
    full: OnceCell<Server>,
    histories: OnceCell<[Filled; 2]>,
}

/// A bare server, which ends with this.
struct Bare {
    address: SocketAddr,
    watch: Watch,
    _child: Child,
}

impl Stage {
    /// Starts the server that most is measured with.
    pub async fn set_up(program: PathBuf, load: Load) -> anyhow::Result<Self> {
        let empty = Server::start(&program, &Settings::defaults()).await?;
        let pgbench = Pgbench::find(&empty.target).await?;
        Ok(Self { load, pgbench, program, empty, full: OnceCell::new(), histories: OnceCell::new() })
    }

    /// Stops all that was started.
    pub async fn strike(self) {
        self.empty.stop().await;
        if let Some(full) = self.full.into_inner() {
            full.stop().await;
        }
    }

    /// 64 conversations, 16 messages in flight each.
    pub async fn send(&self) -> anyhow::Result<Report> {
        right(send::direct(&self.empty.target, &self.load, (send::SPEAKERS, 16)).await?)
    }

    /// The same, where five million messages are stored already.
    pub async fn send_to_full(&self) -> anyhow::Result<Report> {
        let full = self.full.get_or_try_init(|| self.fill()).await?;
        right(send::direct(&full.target, &self.load, (send::SPEAKERS, 16)).await?)
    }

    /// All senders in one conversation.
    pub async fn hot(&self) -> anyhow::Result<Report> {
        right(send::hot(&self.empty.target, &self.load).await?)
    }

    /// The same people in as many conversations, so that as much is heard.
    pub async fn spread(&self) -> anyhow::Result<Report> {
        right(send::spread(&self.empty.target, &self.load).await?)
    }

    /// One sender, one message at a time.
    pub async fn lone(&self) -> anyhow::Result<Report> {
        right(send::direct(&self.empty.target, &self.load, (1, 1)).await?)
    }

    /// One sender and a thousand listeners.
    pub async fn fanout(&self) -> anyhow::Result<Report> {
        right(fanout::run(&self.empty.target, &self.load, LISTENERS).await?)
    }

    /// The same with nothing behind the sockets.
    pub async fn bare_fanout(&self) -> anyhow::Result<Report> {
        let bare = Bare::start().await?;
        let mut sockets = Vec::new();
        for _ in 0..self.load.part_of(LISTENERS) + fanout::MOUTHS {
            sockets.push(bare.open().await?);
        }
        let report = Report::new("bare fanout", "deliveries");
        let outcome = fanout::drive(sockets, |said| event(said + 1), (&self.load, &bare.watch), report).await?;
        // Nobody puts in order there what comes in at several mouths.
        let missed = outcome.ledger.ears.iter().filter(|ear| ear.heard() != outcome.said).count();
        right(outcome.report.faults((missed > 0).then(|| format!("{missed} sockets did not hear everything"))))
    }

    /// Ten thousand sockets of a new server.
    pub async fn idle(&self) -> anyhow::Result<Report> {
        let server = Server::start(&self.program, &Settings::defaults()).await?;
        let report = idle::run(&server.target, &self.load).await;
        server.stop().await;
        right(report?)
    }

    /// The same with nothing behind them.
    pub async fn bare_idle(&self) -> anyhow::Result<Report> {
        let bare = Bare::start().await?;
        let open = (0..self.load.part_of(SOCKETS)).map(|_| bare.open());
        right(idle::drive(open, event(1).as_bytes(), &bare.watch, Report::new("bare idle", "sockets")).await?)
    }

    /// Sockets that come and go.
    pub async fn connect(&self) -> anyhow::Result<Report> {
        right(connect::run(&self.empty.target, &self.load).await?)
    }

    /// Pages of the short history or of a part of the long one.
    pub async fn read(&self, part: Part, readers: usize) -> anyhow::Result<Report> {
        let [short, long] = self.histories().await?;
        let filled = if part == Part::Short { short } else { long };
        right(history::read(&self.empty.target, &self.load, filled, (part, readers)).await?)
    }

    /// Two conversations, a short one and a long one.
    pub async fn histories(&self) -> anyhow::Result<&[Filled; 2]> {
        let fill = |full| history::fill(&self.empty.target, self.load.part_of(full));
        self.histories.get_or_try_init(|| async { Ok([fill(history::SHORT).await?, fill(history::LONG).await?]) }).await
    }

    async fn fill(&self) -> anyhow::Result<Server> {
        let full = Server::start(&self.program, &Settings::defaults()).await?;
        for _ in 0..CONVERSATIONS {
            history::fill(&full.target, self.load.part_of(STORED / CONVERSATIONS)).await?;
        }
        Ok(full)
    }
}

impl Bare {
    async fn start() -> anyhow::Result<Self> {
        let address = server::free_address()?;
        let mut child = bare::start(address)?;
        while TcpStream::connect(address).await.is_err() {
            ensure!(child.try_wait()?.is_none(), "the bare server did not start");
            tokio::task::yield_now().await;
        }
        Ok(Self { address, watch: Watch::on(child.id()), _child: child })
    }

    fn open(&self) -> impl Future<Output = io::Result<Socket>> {
        Socket::open(self.address, "/ws", None)
    }
}

/// A report without faults, shown while the others are still awaited.
fn right(report: Report) -> anyhow::Result<Report> {
    writeln!(io::stderr().lock(), "    {report}")?;
    ensure!(report.is_right(), "`{}` is not right; see above", report.scenario);
    Ok(report)
}

/// What is said over bare sockets: as long as an event of Colloquy's.
fn event(seq: usize) -> String {
    let id = "01a1b2c3-d4e5-7f60-8a5b-6c7d8e9f0a1b";
    format!(
        r#"{{"type":"message:new","conversation_id":"{id}","seq":{seq},"data":{{"id":"{id}","conversation_id":"{id}","#
    ) + &format!(
        r#""seq":{seq},"changed_seq":{seq},"sender_id":"{id}","kind":"text","status":"sent","body":"{}","#,
        words::BODY
    ) + r#""attachments":[],"location":null,"metadata":null,"reply_to":null,"forwarded_from":null,"mentions":[],"#
        + r#""reactions":[],"pinned_at":null,"pinned_by":null,"edited_at":null,"deleted_at":null,"expires_at":null,"#
        + r#""created_at":"2026-11-21T09:30:00.123456Z"}}"#
}
