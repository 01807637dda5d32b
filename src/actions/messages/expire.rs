//! Expiring: what was sent for a while becomes a tombstone once that is over, by whichever node comes first.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    super::{Context, attachments::collect},
    change::{enter, take_places},
};
use crate::{
    domain::{clock::Time, error::Result, event::Event, ids::ConversationId},
    store::{
        changes::ChangeKind,
        conversations,
        messages::{self, Overdue},
    },
};

/// Messages looked at in one round.
const ROUND: usize = 500;
/// Conversations in which tombstones are made at once.
const AT_ONCE: usize = 2;
/// For so long a conversation that somebody else has is left to them: likely it is another node that does the same.
const LEFT_TO_OTHERS: TimeDelta = TimeDelta::seconds(1);

/// Makes tombstones of all that has expired, and sets the alarm for what expires next.
pub async fn expire(ctx: &Context) -> Result<()> {
    loop {
        let overdue = messages::overdue(&mut *ctx.db.acquire().await?, ctx.clock.now(), ROUND).await?;
        let is_last = overdue.len() < ROUND;
        let mut by_conversation: BTreeMap<ConversationId, Vec<Overdue>> = BTreeMap::new();
        for message in overdue {
            by_conversation.entry(message.conversation_id).or_default().push(message);
        }
        let burying = by_conversation.into_iter().map(|(id, overdue)| bury(ctx, id, overdue));
        let buried = stream::iter(burying).buffer_unordered(AT_ONCE);
        let buried = buried.try_fold(0, async |sum, buried| Ok(sum + buried)).await?;
        if is_last || buried == 0 {
            break;
        }
    }
    if let Some(next) = messages::next_expiry(&mut *ctx.db.acquire().await?).await? {
        ctx.expiry.set(next);
    }
    Ok(())
}

/// Makes tombstones in one conversation; says how many.
async fn bury(ctx: &Context, conversation: ConversationId, overdue: Vec<Overdue>) -> Result<usize> {
    let mut tx = ctx.db.begin().await?;
    let oldest = overdue.iter().map(|message| message.expired_at).min().unwrap_or(Time::MAX_UTC);
    if oldest + LEFT_TO_OTHERS < ctx.clock.now() {
        conversations::lock(&mut tx, &[conversation]).await?;
    } else if !conversations::lock_free(&mut tx, conversation).await? {
        return Ok(0);
    }
    let seqs: Vec<_> = overdue.iter().map(|message| message.seq).collect();
    let mut expired = messages::expired(&mut tx, conversation, &seqs, ctx.clock.now()).await?;
    if expired.is_empty() {
        return Ok(0);
    }

    take_places(&mut tx, conversation, &mut expired).await?;
    messages::entomb(&mut tx, conversation, &expired).await?;
    let graves: Vec<_> = expired.iter().map(|message| (conversation, message.seq)).collect();
    collect::of_messages(&mut tx, &graves, ctx.clock.now()).await?;
    enter(&mut tx, conversation, ChangeKind::MessageDeleted, &expired).await?;
    let buried = expired.len();
    ctx.commit(tx, expired.into_iter().map(Event::MessageDeleted).collect()).await?;
    Ok(buried)
}
