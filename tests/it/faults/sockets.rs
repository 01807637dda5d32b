//! Thousands of sockets that go at once, as they do when a train enters a tunnel or a proxy is restarted.

use std::process::Command;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;

use crate::harness::{
    client::{Client, perform},
    person::Person,
    postgres::Database,
    process::Process,
    raw::RawSocket,
    until,
};

/// How many there are, if the machine allows so many.
const SOCKETS: usize = 5_000;
/// How many people they belong to.
const PEOPLE: usize = 10;
/// How many are opened at once.
const AT_ONCE: usize = 100;

#[tokio::test]
async fn thousands_of_sockets_that_drop_at_once_leave_a_server_that_answers_and_nothing_behind() {
    let database = Database::create().await;
    let server = Process::start(&[("DATABASE_URL", database.url())]).await;
    let people = Person::all_register(&server.client, "passenger", PEOPLE).await;
    let others: Vec<_> = people.iter().map(|person| &person.id).collect();
    let observer = server.person("observer").await;
    let made = observer.post("/conversations", json!({"kind": "group", "participant_ids": others})).await.expect(201);
    let group = crate::harness::id(&made);
    let mut watching = observer.socket().await;
    watching.sends("conversation:join", json!({"conversation_id": group})).await;
    let count = SOCKETS.min(open_files() / 4);
    let sockets: Vec<_> =
        stream::iter((0..count).map(|number| open(&people[number % PEOPLE]))).buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(gauge(&server.client, "colloquy_sockets_open").await, count + 1);
    observer.says(group, "Mind the gap").await;

    drop(sockets);

    for number in 0..20 {
        let words = format!("Still here {number}");
        observer.says(group, &words).await;
        watching.hears_where("message:new", |event| event["data"]["body"] == words.as_str()).await;
    }
    until("nobody but the observer is left", async || {
        (gauge(&server.client, "colloquy_sockets_open").await == 1).then_some(())
    })
    .await;
    for _ in 0..PEOPLE {
        watching.hears("user:offline").await;
    }
    watching.heard_nothing_of("user:offline").await;
    assert_eq!(gauge(&server.client, "colloquy_send_queue_depth").await, 0);
}

async fn open(person: &Person) -> RawSocket {
    let mut socket = RawSocket::open(person).await;
    socket.reads("\"ready\"").await;
    socket
}

/// How many files this process may have open, sockets among them.
fn open_files() -> usize {
    let limit = Command::new("bash").args(["-c", "ulimit -n"]).output().expect("bash is installed").stdout;
    String::from_utf8_lossy(&limit).trim().parse().unwrap_or(SOCKETS * 4)
}

/// What a gauge stands at.
async fn gauge(client: &Client, name: &str) -> usize {
    let page = perform(client.ask_outside(Method::GET, "/metrics")).await.expect(200);
    let lines = page.as_str().expect("Prometheus reads text").lines();
    let line = lines.map(|line| line.split_once(' ')).find_map(|pair| pair.filter(|(label, _)| *label == name));
    line.and_then(|(_, value)| value.parse().ok()).unwrap_or_else(|| panic!("no `{name}` in {page}"))
}
