//! One private PostgreSQL for the whole test process, and a database of its own for each test.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use colloquy::boot::database::MIGRATIONS;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgTransaction};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use super::{
    machine::{self, Share},
    shell::Shell,
    until,
};

static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

/// Options besides those of every throw-away server: room for many servers at once, and a count of statements.
const OPTIONS: &str = "-c max_connections=800 -c shared_preload_libraries=pg_stat_statements -c full_page_writes=off";

/// A database in which nothing is yet, and which goes away with this.
pub struct Database {
    name: String,
    url: String,
    files: TempDir,
    _share: Arc<Share>,
}

struct Postgres {
    url: String,
    made: AtomicU32,
    orders: mpsc::UnboundedSender<Order>,
    _shell: Shell,
}

enum Order {
    Create { name: String, template: &'static str, done: oneshot::Sender<()> },
    Drop { name: String },
}

impl Database {
    /// Makes one.
    pub async fn create() -> Self {
        Self::create_from("template").await
    }

    /// Makes one that was never migrated.
    pub async fn empty() -> Self {
        Self::create_from("template0").await
    }

    async fn create_from(template: &'static str) -> Self {
        let share = machine::share().await;
        let postgres = &*POSTGRES;
        let name = format!("test_{}", postgres.made.fetch_add(1, Ordering::Relaxed));
        let (done, created) = oneshot::channel();
        postgres.order(Order::Create { name: name.clone(), template, done });
        created.await.expect("the database is made");
        let files = tempfile::tempdir().expect("the test's directory is made");
        Self { url: named(&postgres.url, &name), name, files, _share: share }
    }

    /// Where the nodes on it keep their files.
    pub fn files(&self) -> &Path {
        self.files.path()
    }

    /// How to connect to it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The socket of the server that it is on.
    pub fn socket(&self) -> PathBuf {
        let (_, directory) = self.url.split_once("?host=").expect("the server listens on a socket");
        PathBuf::from(directory).join(".s.PGSQL.5432")
    }

    /// How to connect to it over this address, which leads to the same server.
    pub fn url_over(&self, address: SocketAddr) -> String {
        format!("postgres://colloquy@{address}/{}?sslmode=disable", self.name)
    }

    /// A connection, to look at what no interface shows.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the test's database is there")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Where the keeper is gone the test has failed by that already, and a panic in a drop would end all the others.
        POSTGRES.orders.send(Order::Drop { name: self.name.clone() }).ok();
    }
}

impl Postgres {
    fn start() -> Self {
        let mut shell = Shell::with_postgres(r#"echo "$DATABASE_URL"; exec cat >/dev/null"#, OPTIONS);
        let url = shell.answer();
        assert!(!url.is_empty(), "PostgreSQL does not start; see above");
        let (orders, ordered) = mpsc::unbounded_channel();
        let admin_url = url.clone();
        thread::spawn(move || keep(&admin_url, ordered));
        Self { url, made: AtomicU32::new(0), orders, _shell: shell }
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the keeper lives as long as the process");
    }
}

/// Makes and drops databases, one after the other, so that no test has to wait until its own is gone.
#[tokio::main(flavor = "current_thread")]
async fn keep(url: &str, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut admin = PgConnection::connect(url).await.expect("PostgreSQL is up");
    run(&mut admin, "create database template".to_owned()).await;
    let mut template = PgConnection::connect(&named(url, "template")).await.expect("the template is there");
    MIGRATIONS.run(&mut template).await.expect("the migrations apply");
    template.close().await.expect("nobody else may use a template");
    while let Some(order) = orders.recv().await {
        match order {
            Order::Create { name, template, done } => {
                run(&mut admin, format!("create database {name} template {template}")).await;
                // A test that was stopped in between does not wait for it any more.
                done.send(()).ok();
            }
            Order::Drop { name } => run(&mut admin, format!("drop database {name} with (force)")).await,
        }
    }
}

/// Has a statement carried out, in a while: somebody of PostgreSQL's own may just be looking at a database.
async fn run(admin: &mut PgConnection, statement: String) {
    let what = format!("PostgreSQL does `{statement}`");
    until(&what, async || admin.execute(AssertSqlSafe(statement.clone())).await.ok()).await;
}

/// The same server's URL with another database.
fn named(url: &str, database: &str) -> String {
    url.replace("/postgres?", &format!("/{database}?"))
}

/// Holds a conversation, so that whatever is done with it waits until this is rolled back.
pub async fn held<'a>(db: &'a mut PgConnection, conversation: &str) -> PgTransaction<'a> {
    let mut holding = db.begin().await.expect("a transaction begins");
    let hold = "select from conversations where id = $1::uuid for update";
    sqlx::query(hold).bind(conversation).execute(&mut *holding).await.expect("nobody else holds it");
    holding
}

/// Holds a person's row, so that whatever is written there waits until this is rolled back.
pub async fn held_person<'a>(db: &'a mut PgConnection, person: &str) -> PgTransaction<'a> {
    let mut holding = db.begin().await.expect("a transaction begins");
    let hold = "select from users where id = $1::uuid for update";
    sqlx::query(hold).bind(person).execute(&mut *holding).await.expect("nobody else holds it");
    holding
}

/// How many wait for a lock.
pub async fn waiting(db: &mut PgConnection) -> i64 {
    let waiting = "select count(*) from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock'";
    sqlx::query_scalar(waiting).fetch_one(db).await.expect("anybody may look")
}
