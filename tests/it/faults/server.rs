//! A server that dies, or is asked to stop, in mid-load.

use chrono::Duration;
use serde_json::json;

use super::crowd::Crowd;
use crate::harness::{
    directory::Directory,
    each,
    postgres::Database,
    process::Process,
    proxy::{Proxy, Target},
    server::TestServer,
    until,
};

#[tokio::test]
async fn a_server_that_is_killed_under_load_has_lost_nothing_when_it_is_back() {
    let database = Database::create().await;
    let settings = [("DATABASE_URL", database.url())];
    let mut server = Process::start(&settings).await;
    let door = Proxy::to(Target::Address(server.address())).await;
    let crowd = Crowd::gather(&[&door.client()]).await;

    for _ in 0..2 {
        server.kill().await;
        server = Process::start(&settings).await;
        door.leads_to(server.address());
        crowd.ledger.grows_by(100).await;
    }

    crowd.end().await;
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_makes_its_first_cluster_makes_it_the_next_time() {
    let directory = Directory::create();
    let settings = [("COLLOQUY_DATA_DIR", directory.text())];
    let server = Process::launch(&settings);
    server.says("Making a PostgreSQL").await;

    server.kill().await;

    let server = Process::start(&settings).await;
    server.person("ada").await;
}

#[tokio::test]
async fn a_clock_that_jumps_orders_nothing_and_shuts_nobody_out() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let direct = ada.opens_direct_with(&bob).await;
    let mut bobs = bob.socket().await;
    let jumps = [0, -45, 600, -600, 60];

    for (place, jump) in (1..).zip(jumps) {
        server.clock.advance(Duration::seconds(jump));
        let said = ada.says(&direct, &format!("After {jump} seconds")).await;
        let heard = bobs.hears("message:new").await;
        assert_eq!((&said["seq"], &heard["data"]), (&json!(place), &said));
    }

    let words = jumps.map(|jump| format!("After {jump} seconds"));
    assert_eq!(bob.words(&direct).await, words);
    let synced = bob.syncs(json!({"cursors": {&direct: 0}})).await;
    assert_eq!(each(&synced["conversations"][0]["messages"], "body"), words.each_ref());
    assert_eq!(bob.sees(&direct).await["last_message"]["body"], words[4]);
    bob.signs_in_again().await.get("/users/me").await.expect(200);
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_under_load_breaks_no_word_and_says_when_to_come_back() {
    let database = Database::create().await;
    let settings = [("DATABASE_URL", database.url())];
    let server = Process::start(&settings).await;
    let door = Proxy::to(Target::Address(server.address())).await;
    let crowd = Crowd::gather(&[&door.client()]).await;

    server.stop().await;

    for heard in &crowd.heard {
        let end = until("the socket is closed", async || heard.borrow().end.clone()).await;
        assert!(end.0 == 1001 && end.1.starts_with("reconnect_after_ms="), "{end:?}");
    }
    let server = Process::start(&settings).await;
    door.leads_to(server.address());
    crowd.ledger.grows_by(100).await;
    crowd.end().await;
}
