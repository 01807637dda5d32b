//! Files in an S3.

use colloquy::config::settings::Settings;

use crate::harness::server::TestServer;

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
    server_with(|_| ()).await
}

async fn server_with(adjust: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::on_s3_with(adjust).await
}
