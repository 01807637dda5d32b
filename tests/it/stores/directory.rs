//! Files in a directory of the server's machine.

use colloquy::config::settings::Settings;

use crate::harness::server::TestServer;

#[path = "../attachments.rs"]
mod attachments;
#[path = "../file_types.rs"]
mod file_types;
#[path = "../uploads/resumable.rs"]
mod resumable;

async fn server() -> TestServer {
    TestServer::start().await
}

async fn server_with(adjust: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(adjust).await
}
