//! A server that dies, or is asked to stop, in mid-load.

use super::crowd::Crowd;
use crate::harness::{
    postgres::Database,
    process::Process,
    proxy::{Proxy, Target},
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
