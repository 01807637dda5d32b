//! Unread counts as they change under somebody's eyes: absolute, exact, and told together a moment later.
//!
//! Each node tells its own sockets, and counts after it has told them what changed the counts. So the last count that
//! a socket hears is never older than the last event that it heard.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use super::Context;
use crate::{
    cluster::bus::Envelope,
    domain::{
        error::Result,
        event::{Event, Touch},
        ids::{ConversationId, UserId},
        limits,
    },
    store::{audiences, receipts::counts},
};

/// People whose counts are asked for in one statement.
const COUNTED_AT_ONCE: usize = 500;

/// Tells those who are connected here their counts in conversations in which something happened. In conversations of
/// more than 100 members they count for themselves.
pub async fn tell(ctx: &Context, touched: &[Touch]) -> Result<()> {
    let mut db = ctx.db.acquire().await?;
    let people = concerned(ctx, &mut db, touched).await?;
    for people in people.chunks(COUNTED_AT_ONCE) {
        let counted = counts::unread_of_many(&mut db, people, ctx.clock.now()).await?;
        let told =
            counted.into_iter().map(|(user, count, total)| Envelope::of(&Event::UnreadChanged(user, count, total)));
        ctx.cluster.bus.tell_here(told.collect()).await;
    }
    Ok(())
}

/// Those who are connected here and may have other counts now, and where.
async fn concerned(ctx: &Context, db: &mut PgConnection, touched: &[Touch]) -> Result<Vec<(UserId, ConversationId)>> {
    let mut people = HashSet::new();
    // Of each conversation that was touched as a whole, the one whose counts stay as they are, if there is but one.
    let mut whole: HashMap<ConversationId, Option<UserId>> = HashMap::new();
    for touch in touched {
        match *touch {
            Touch::Person(conversation, user) | Touch::OneOfMany(conversation, user) => {
                people.insert((user, conversation));
            }
            Touch::Members(conversation) => drop(whole.insert(conversation, None)),
            Touch::Others(conversation, user) => {
                let spared = whole.entry(conversation).or_insert(Some(user));
                *spared = spared.filter(|spared| *spared == user);
            }
        }
    }
    let conversations: Vec<_> = whole.keys().copied().collect();
    for (conversation, user) in audiences::of_small(db, &conversations, limits::RECEIPTS_MEMBERS).await? {
        if whole.get(&conversation) != Some(&Some(user)) {
            people.insert((user, conversation));
        }
    }
    let connected: HashSet<_> =
        ctx.cluster.presence.connected_here(people.iter().map(|(user, _)| *user)).into_iter().collect();
    Ok(people.into_iter().filter(|(user, _)| connected.contains(user)).collect())
}
