//! What is promised holds whatever breaks: everything acknowledged is there exactly once, logs have no gap, every socket
//! hears all of them in order or is told to sync, and nobody has to restart anything.

mod crowd;
mod ledger;
mod line;
mod listener;
mod nodes;
mod own;
mod postgres;
mod receipts;
mod redis;
mod server;
mod sockets;
