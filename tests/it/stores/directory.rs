//! Files in a directory of the server's machine.

use std::fs;

use chrono::Duration;
use colloquy::config::settings::Settings;

use self::fsck::{clean, execute, fsck};
use crate::harness::{new_id, server::TestServer, until};

#[path = "../attachments.rs"]
mod attachments;
#[path = "../avatars.rs"]
mod avatars;
#[path = "../file_types.rs"]
mod file_types;
#[path = "../fsck.rs"]
mod fsck;
#[path = "../pictures/kept.rs"]
mod pictures;
#[path = "../uploads/resumable.rs"]
mod resumable;

async fn server() -> TestServer {
    TestServer::start().await
}

async fn server_with(adjust: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(adjust).await
}

#[tokio::test]
async fn what_a_crash_leaves_is_no_trouble_and_goes_with_its_claim() {
    let server = server().await;
    let claims = [new_id(), new_id(), new_id()];
    for claim in &claims {
        execute(&server, format!("insert into blobs (id, doomed_at) values ('{claim}', now() + interval '1 day')"))
            .await;
    }
    // The first was not begun, the second broke off in the middle, and the third has all of its bytes and no row.
    for (claim, name) in [(&claims[1], "original#1"), (&claims[2], "original")] {
        fs::create_dir_all(server.store().join(claim)).expect("it can be made");
        fs::write(server.store().join(claim).join(name), "bytes").expect("it can be written");
    }

    assert_eq!(fsck(&server, &["--repair"]).await.expect(), clean(1, 0));
    server.clock.advance(Duration::hours(25));

    let mut db = server.database.connect().await;
    until("no claim is left", async || {
        let left = sqlx::query_scalar::<_, i64>("select count(*) from blobs").fetch_one(&mut db).await;
        (left.expect("the table is there") == 0).then_some(())
    })
    .await;
    assert_eq!(fs::read_dir(server.store()).expect("it is there").count(), 0);
    assert_eq!(fsck(&server, &[]).await.expect(), clean(0, 0));
}
