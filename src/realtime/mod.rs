//! Sockets: how they are opened, what comes in, what goes out, and who hears what. Invariant: nobody waits for a slow socket.

pub mod close;
pub mod dispatch;
pub mod frames;
pub mod hub;
pub mod mailbox;
pub mod open;
pub mod origin;
pub mod pump;
pub mod session;
pub mod socket;
#[cfg(test)]
mod tests;
pub mod websocket;

use actix_web::web::{self, ServiceConfig};

/// Where sockets are opened.
pub const PATH: &str = "/api/v1/ws";

/// The routes of sockets.
pub fn routes(config: &mut ServiceConfig) {
    config.route(PATH, web::get().to(open::open));
}
