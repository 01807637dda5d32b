//! The network between two parties, for those who want to see it break.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::client::Client;

/// An address that leads to another, as long as it does.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    road: watch::Sender<Road>,
    _keeper: AbortOnDropHandle<()>,
}

/// Where connections lead.
#[derive(Clone, Debug)]
pub enum Target {
    /// To an address.
    Address(SocketAddr),
    /// To the socket at this path.
    Socket(PathBuf),
}

/// How it goes on the way. Connections that were made before an event which broke them are broken for good.
#[derive(Clone, Debug)]
struct Road {
    target: Target,
    breaks: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything arrives, so much later.
    Open(Duration),
    /// Connections end, and none can be made.
    Cut,
    /// Nothing arrives any more, and nobody is told.
    Frozen,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Proxy {
    /// Leads to this target.
    pub async fn to(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (road, seen) = watch::channel(Road { target, breaks: 0, state: State::Open(Duration::ZERO) });
        Self { address, road, _keeper: AbortOnDropHandle::new(tokio::spawn(keep(listener, seen))) }
    }

    /// One who calls the server at its end, without a token.
    pub fn client(&self) -> Client {
        Client::new(format!("http://{}", self.address))
    }

    /// Leads new connections elsewhere.
    pub fn leads_to(&self, address: SocketAddr) {
        self.road.send_modify(|road| road.target = Target::Address(address));
    }

    /// Ends all connections, and refuses new ones.
    pub fn cut(&self) {
        self.turn(State::Cut);
    }

    /// Lets nothing through any more, as a firewall does that has forgotten its connections.
    pub fn freeze(&self) {
        self.turn(State::Frozen);
    }

    /// Lets new connections through; what was broken stays so.
    pub fn mend(&self) {
        self.delay(Duration::ZERO);
    }

    /// Lets everything arrive so much later.
    pub fn delay(&self, by: Duration) {
        self.road.send_modify(|road| road.state = State::Open(by));
    }

    fn turn(&self, state: State) {
        self.road.send_modify(|road| (road.breaks, road.state) = (road.breaks + 1, state));
    }
}

async fn keep(listener: TcpListener, road: watch::Receiver<Road>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(lead(client, road.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn lead(client: TcpStream, mut road: watch::Receiver<Road>) {
    let Road { target, breaks, state } = road.borrow_and_update().clone();
    if state == State::Frozen {
        // It is made, as far as the client can see.
        std::future::pending::<()>().await;
    }
    if state == State::Cut {
        return;
    }
    let server: Box<dyn Stream> = match target {
        Target::Address(address) => match TcpStream::connect(address).await {
            Ok(stream) => stream.set_nodelay(true).map(|()| Box::new(stream)).expect("it is a setting like any other"),
            Err(_) => return,
        },
        Target::Socket(path) => match UnixStream::connect(path).await {
            Ok(stream) => Box::new(stream),
            Err(_) => return,
        },
    };
    client.set_nodelay(true).expect("it is a setting like any other");
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (split(client), split(server));
    let state = tokio::select! {
        () = pass(&mut from_client, &mut to_server, road.clone()) => return,
        () = pass(&mut from_server, &mut to_client, road.clone()) => return,
        state = broken(breaks, road.clone()) => state,
    };
    // The streams are still held here, so that nobody learns that they lead nowhere.
    if state == State::Frozen {
        std::future::pending::<()>().await;
    }
}

/// Waits until connections that were made after so many breaks are broken too.
async fn broken(breaks: u64, mut road: watch::Receiver<Road>) -> State {
    match road.wait_for(|road| road.breaks != breaks).await {
        Ok(road) => road.state,
        Err(_) => State::Cut,
    }
}

async fn pass<R: AsyncRead, W: AsyncWrite>(from: &mut ReadHalf<R>, to: &mut WriteHalf<W>, road: watch::Receiver<Road>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return };
        let state = road.borrow().state;
        if let State::Open(delay) = state
            && !delay.is_zero()
        {
            sleep_until(Instant::now() + delay).await;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
