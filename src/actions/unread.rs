//! Unread counts as they change under somebody's eyes: absolute, exact, and told together a moment later.
//!
//! Each node tells its own sockets, and counts after it has told them what changed the counts. So the last count that
//! a socket hears is never older than the last event that it heard.

use std::collections::HashMap;

use super::Context;
use crate::{
    cluster::bus::Envelope,
    domain::{
        error::Result,
        event::{Event, Touch},
        ids::{ConversationId, UserId},
        limits,
    },
    store::{audiences, receipts},
};

/// Tells those who are connected here their counts in conversations in which something happened. In conversations of
/// more than 100 members they count for themselves.
pub async fn tell(ctx: &Context, touched: &[Touch]) -> Result<()> {
    let mut db = ctx.db.acquire().await?;
    let mut whole = Vec::new();
    let mut to_count: HashMap<UserId, Vec<ConversationId>> = HashMap::new();
    for touch in touched {
        match *touch {
            Touch::Members(conversation) => whole.push(conversation),
            Touch::Person(conversation, user) => to_count.entry(user).or_default().push(conversation),
        }
    }
    for (conversation, user) in audiences::of_small(&mut db, &whole, limits::RECEIPTS_MEMBERS).await? {
        to_count.entry(user).or_default().push(conversation);
    }
    let connected = ctx.cluster.presence.connected_here(to_count.keys().copied());
    for user in connected {
        let conversations = to_count.remove(&user).unwrap_or_default();
        let counts = receipts::unread(&mut db, user, &conversations).await?;
        let total = counts.iter().map(|count| count.unread).sum();
        let told = counts.into_iter().filter(|count| conversations.contains(&count.conversation_id));
        let envelopes = told.map(|count| Envelope::of(&Event::UnreadChanged(user, count, total))).collect();
        ctx.cluster.bus.tell_here(envelopes).await;
    }
    Ok(())
}
