//! A server in this process, on threads of its own, as `colloquy serve` would run it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, thread};

use colloquy::{
    boot::{lifecycle::Lifecycle, server::Server},
    config::settings::Settings,
    domain::clock::Clock,
};
use tokio::sync::oneshot;

use super::{client::Client, person::Person, postgres::Database, process::PROGRAM, redis::Redis, s3::S3};

/// The password of everybody who is not asked for one.
pub const PASSWORD: &str = "correct horse battery staple";

/// A running node, which stops with this.
pub struct TestServer {
    /// Sets its time.
    pub clock: Clock,
    /// What it keeps everything in; two nodes share one.
    pub database: Arc<Database>,
    /// One without a token.
    pub client: Client,
    address: SocketAddr,
    settings: Settings,
    lifecycle: Lifecycle,
    thread: Option<thread::JoinHandle<()>>,
    redis: Option<Arc<Redis>>,
    s3: Option<Arc<S3>>,
}

impl TestServer {
    /// Starts a node alone, without rate limits.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// Starts a node alone, set up otherwise.
    pub async fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let database = Arc::new(Database::create().await);
        let mut settings = settings(&database);
        adjust(&mut settings);
        Self::launch(settings, database).await
    }

    /// Starts a node alone that keeps files in an S3, set up otherwise.
    pub async fn on_s3_with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let s3 = Arc::new(S3::start().await);
        let url = s3.url().parse().expect("any text can be a secret");
        let mut server = Self::with(|settings| {
            settings.storage_url = Some(url);
            adjust(settings);
        })
        .await;
        server.s3 = Some(s3);
        server
    }

    /// Starts two nodes that share a database and a Redis.
    pub async fn pair() -> (Self, Self) {
        Self::pair_with(|_| ()).await
    }

    /// Starts two nodes, set up otherwise.
    pub async fn pair_with(adjust: impl Fn(&mut Settings)) -> (Self, Self) {
        let [north, south] = Self::nodes_with(adjust).await;
        (north, south)
    }

    /// Starts two nodes that share a database and the Redis of this URL, set up otherwise.
    pub async fn pair_over(redis_url: &str, adjust: impl Fn(&mut Settings)) -> (Self, Self) {
        let [north, south] = Self::nodes_over(redis_url, adjust).await;
        (north, south)
    }

    /// Starts several nodes that share a database and a Redis.
    pub async fn nodes<const N: usize>() -> [Self; N] {
        Self::nodes_with(|_| ()).await
    }

    /// The same, set up otherwise.
    pub async fn nodes_with<const N: usize>(adjust: impl Fn(&mut Settings)) -> [Self; N] {
        let redis = Arc::new(Redis::start());
        let mut nodes = Self::nodes_over(redis.url(), adjust).await;
        nodes.iter_mut().for_each(|node| node.redis = Some(Arc::clone(&redis)));
        nodes
    }

    async fn nodes_over<const N: usize>(redis_url: &str, adjust: impl Fn(&mut Settings)) -> [Self; N] {
        let database = Arc::new(Database::create().await);
        let mut settings = settings(&database);
        settings.redis_url = Some(redis_url.parse().expect("any text can be a secret"));
        adjust(&mut settings);
        let mut nodes = Vec::with_capacity(N);
        for _ in 0..N {
            nodes.push(Self::launch(settings.clone(), Arc::clone(&database)).await);
        }
        nodes.try_into().unwrap_or_else(|_| unreachable!("as many come out as are launched"))
    }

    /// Stops it in good order, and starts it again at another address, with a clock that shows the right time.
    pub async fn restarts(self) -> Self {
        let (settings, database) = (self.settings.clone(), Arc::clone(&self.database));
        let (redis, s3) = (self.redis.clone(), self.s3.clone());
        self.stop().await;
        let mut again = Self::launch(settings, database).await;
        (again.redis, again.s3) = (redis, s3);
        again
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The Redis that it shares with another node.
    pub fn redis(&self) -> &Redis {
        self.redis.as_ref().expect("only a pair has a Redis")
    }

    /// Where its files are, each below a directory of its own.
    pub fn store(&self) -> PathBuf {
        self.s3.as_ref().map_or_else(|| self.database.files().join("files"), |s3| s3.objects())
    }

    /// Where its files are, as a command is told of it; nothing where they are in the directory of its data.
    pub fn store_url(&self) -> Option<String> {
        self.s3.as_ref().map(|s3| s3.url())
    }

    /// Asks it to stop in good order, and waits until it has.
    pub async fn stop(mut self) {
        self.lifecycle.stop();
        let thread = self.thread.take().expect("it is stopped once");
        tokio::task::spawn_blocking(move || thread.join()).await.expect("it was not cancelled").expect("it ends well");
    }

    /// Somebody new, registered and signed in.
    pub async fn person(&self, username: &str) -> Person {
        Person::registers(&self.client, username).await
    }

    /// Several new people, one after the other, so that the order of their ids is that of their names here.
    pub async fn people<const N: usize>(&self, usernames: [&str; N]) -> [Person; N] {
        let mut people = Vec::with_capacity(N);
        for username in usernames {
            people.push(self.person(username).await);
        }
        people.try_into().unwrap_or_else(|_| unreachable!("as many come out as go in"))
    }

    async fn launch(settings: Settings, database: Arc<Database>) -> Self {
        let (clock, lifecycle) = (Clock::default(), Lifecycle::default());
        let (started, address) = oneshot::channel();
        let theirs = (clock.clone(), lifecycle.clone());
        let known = settings.clone();
        let thread = thread::spawn(move || serve(settings, theirs, started));
        let address = address.await.expect("the server starts; see above");
        let client = Client::new(format!("http://{address}"));
        Self {
            clock,
            database,
            client,
            address,
            settings: known,
            lifecycle,
            thread: Some(thread),
            redis: None,
            s3: None,
        }
    }
}

impl AsRef<Client> for TestServer {
    fn as_ref(&self) -> &Client {
        &self.client
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.lifecycle.stop();
        self.lifecycle.hurrying().cancel();
        if let Some(thread) = self.thread.take() {
            // Its own panic has been printed; a second one in a drop would end the whole process.
            thread.join().ok();
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn serve(settings: Settings, (clock, lifecycle): (Clock, Lifecycle), started: oneshot::Sender<SocketAddr>) {
    let server = Server::start(settings, clock, lifecycle).await.expect("the server starts");
    // A test that was stopped in between does not ask any more, and stops the server too.
    started.send(server.address()).ok();
    server.run().await;
}

fn settings(database: &Database) -> Settings {
    Settings {
        database_url: Some(database.url().parse().expect("any text can be a secret")),
        data_dir: database.files().to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        messages_per_minute: 0,
        edits_per_minute: 0,
        reactions_per_minute: 0,
        changes_per_minute: 0,
        conversations_per_hour: 0,
        searches_per_minute: 0,
        uploads_per_hour: 0,
        logins_per_minute: 0,
        registrations_per_minute: 0,
        // Two, so that what one thread does must reach the sockets of another.
        workers: 2,
        database_connections: 8,
        shutdown_seconds: 5,
        program: PROGRAM.into(),
        ..Settings::defaults()
    }
}
