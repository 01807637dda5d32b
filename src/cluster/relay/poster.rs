//! Posts this node's parcels: one message for each partition with all that waits for it, all partitions at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use redis::RedisResult;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Letter, PAUSE, Parcel, Road, announce, channel, next_probe, written};
use crate::{
    cluster::servers::{Connection, Servers},
    domain::event::Durability,
};

/// Parcels posted in one pipeline.
const POSTED_AT_ONCE: usize = 512;
/// How long a stopping poster waits for one parcel more.
const LINGER: Duration = Duration::from_millis(200);

/// The task that posts.
pub struct Poster {
    /// Where Redis is.
    pub servers: Arc<Servers>,
    /// What the relay shares.
    pub road: Arc<Road>,
    /// What is to be posted.
    pub parcels: mpsc::Receiver<Parcel>,
    /// When to stop; what comes shortly after is still posted.
    pub stop: CancellationToken,
}

impl Poster {
    /// Works until it is stopped, connecting again as often as needed.
    pub async fn run(mut self) {
        while let Some(connection) = self.connect().await {
            announce(&self.road.posts, true, "posting to other nodes");
            let Err(error) = self.post(connection).await else { return };
            announce(&self.road.posts, false, "posting to other nodes");
            debug!(%error, "Posting broke off");
        }
    }

    /// Connects, dropping what would be posted meanwhile. Nothing once it is stopped.
    async fn connect(&mut self) -> Option<Connection> {
        loop {
            match self.servers.connect(None).await {
                Ok(connection) => return Some(connection),
                Err(error) => debug!(%error, "Redis cannot be reached for posting"),
            }
            let again = Instant::now() + PAUSE;
            let mut parcels = Vec::new();
            loop {
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    () = sleep_until(again) => break,
                    count = self.parcels.recv_many(&mut parcels, POSTED_AT_ONCE) => match count {
                        0 => return None,
                        _ => self.drop_all(&mut parcels),
                    },
                }
            }
        }
    }

    /// Posts until it is stopped (well) or the connection breaks (not).
    async fn post(&mut self, mut connection: Connection) -> RedisResult<()> {
        let mut parcels = Vec::with_capacity(POSTED_AT_ONCE);
        let mut probe = Instant::now();
        loop {
            let is_stopping = tokio::select! {
                biased;
                count = self.parcels.recv_many(&mut parcels, POSTED_AT_ONCE) => count == 0,
                () = quiet(&self.stop) => true,
                () = sleep_until(probe) => {
                    redis::cmd("PING").exec_async(&mut connection).await?;
                    self.greet(&connection).await?;
                    false
                }
            };
            self.road.take_off(&parcels);
            if let Err(error) = self.admit_losses(&connection).await {
                self.road.lose(parcels.iter().map(|parcel| parcel.durability));
                return Err(error);
            }
            if !parcels.is_empty() {
                self.post_all(&connection, std::mem::take(&mut parcels)).await?;
            }
            if is_stopping {
                return self.post_all(&connection, vec![own_parcel(&Letter::Farewell)]).await;
            }
            probe = next_probe();
        }
    }

    /// Tells the other nodes, if they missed something, that they did.
    async fn admit_losses(&self, connection: &Connection) -> RedisResult<()> {
        let Some(since) = self.road.take_loss() else { return Ok(()) };
        let admitted = self.post_all(connection, vec![own_parcel(&Letter::Doubt(since.elapsed()))]).await;
        if admitted.is_err() {
            self.road.regret(since);
        }
        admitted
    }

    /// Lets the other nodes know that this one is there: a message without a parcel.
    async fn greet(&self, connection: &Connection) -> RedisResult<()> {
        let mut greeting = redis::cmd("SPUBLISH");
        greeting.arg(channel(0)).arg(self.road.node.as_bytes()).exec_async(&mut connection.clone()).await
    }

    /// One message for each partition: the node's name, then a line for each parcel. What goes wrong with one is lost alone.
    async fn post_all(&self, connection: &Connection, parcels: Vec<Parcel>) -> RedisResult<()> {
        let mut partitions: HashMap<u64, Vec<Parcel>> = HashMap::new();
        for parcel in parcels {
            partitions.entry(parcel.partition).or_default().push(parcel);
        }
        let posting = partitions.into_iter().map(async |(partition, parcels)| {
            let mut message = self.road.node.as_bytes().to_vec();
            for parcel in &parcels {
                message.extend_from_slice(&parcel.text);
                message.push(b'\n');
            }
            let mut publish = redis::cmd("SPUBLISH");
            let posted = publish.arg(channel(partition)).arg(message).exec_async(&mut connection.clone()).await;
            if posted.is_err() {
                self.road.lose(parcels.iter().map(|parcel| parcel.durability));
            }
            posted
        });
        join_all(posting).await.into_iter().collect()
    }

    fn drop_all(&self, parcels: &mut Vec<Parcel>) {
        self.road.take_off(parcels);
        self.road.lose(parcels.drain(..).map(|parcel| parcel.durability));
    }
}

/// What is about the nodes themselves.
fn own_parcel(letter: &Letter) -> Parcel {
    Parcel { partition: 0, durability: Durability::Durable, text: written(letter) }
}

/// Until it is stopped and nothing has come for a while: writers may finish after the doors have closed.
async fn quiet(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(LINGER).await;
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::cluster::relay::Relay;

    /// Answers `OK` to whatever it is asked, and hangs up when somebody posts.
    async fn answer(stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut command = Vec::new();
            for _ in 0..number(&mut stream).await? {
                let mut word = vec![0; number(&mut stream).await? + 2];
                stream.read_exact(&mut word).await?;
                command.extend(word);
            }
            if command.starts_with(b"SPUBLISH") {
                return Ok(());
            }
            stream.write_all(b"+OK\r\n").await?;
        }
    }

    /// The number behind the sign that a line begins with.
    async fn number(stream: &mut BufReader<TcpStream>) -> std::io::Result<usize> {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        line.trim().get(1..).and_then(|digits| digits.parse().ok()).ok_or(std::io::ErrorKind::InvalidData.into())
    }

    #[tokio::test]
    async fn what_is_lost_while_a_loss_is_being_admitted_waits_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let servers = Arc::new(Servers::new(&format!("redis://{address}")).expect("it is an address"));
        let ((relay, parcels), stop) = (Relay::new(), CancellationToken::new());
        let road = relay.road();
        road.regret(Instant::now());
        relay.post(own_parcel(&Letter::Farewell));
        assert!(road.waiting_bytes() > 0);

        let poster = tokio::spawn(Poster { servers, road: Arc::clone(&road), parcels, stop: stop.clone() }.run());
        // One connection to learn what kind of Redis it is, one whose post fails, and one by which the poster is beyond that.
        for _ in 0..3 {
            let (stream, _) = listener.accept().await.expect("the poster connects");
            // How it ends does not matter, but that it does.
            drop(answer(stream).await);
        }

        assert_eq!(road.waiting_bytes(), 0);
        assert!(road.take_loss().is_some(), "the others have not been told");
        stop.cancel();
        drop((listener, relay));
        poster.await.expect("it ends");
    }
}
