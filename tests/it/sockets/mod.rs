//! Sockets: how they open, what they take, what they tell and to whom, and how they end.

mod commands;
mod endings;
mod frames;
mod hearing;
mod opening;
mod order;
mod own;
mod refusals;

use crate::harness::socket::Socket;

/// Asserts that nothing of a conversation was told but counts of what is unread, which may come late.
async fn heard_no_news_of(socket: &mut Socket, conversation: &str) {
    let is_news =
        |frame: &serde_json::Value| frame["type"] != "unread:changed" && frame.to_string().contains(conversation);
    socket.heard_nothing_where(&format!("news of {conversation}"), is_news).await;
}
