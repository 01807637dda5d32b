//! Pinning: what a conversation keeps in sight.

use super::{
    super::{Context, require_member, rules::require_reachable},
    change, history,
};
use crate::{
    domain::{
        clock::{Time, from_micros},
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, MessageId},
        limits::{self, Limit},
        message::Message,
        page::Page,
        policy,
        user::Caller,
    },
    store::{
        changes::{Change, ChangeKind},
        messages, receipts,
    },
};

/// Pins a message; one that is pinned already takes no place in the log, and stays who pinned it first's.
pub async fn pin(ctx: &Context, caller: &Caller, place: (ConversationId, MessageId)) -> Result<Message> {
    let (mut tx, standing, mut message) = change::begin(ctx, caller, place).await?;
    policy::may_pin(&standing)?;
    policy::is_there(&message)?;
    require_reachable(ctx, &mut tx, &standing, caller.user_id).await?;
    if message.pinned_at.is_some() {
        return history::with_status(&mut tx, message, standing.floor_seq).await;
    }
    if messages::count_pinned(&mut tx, place.0).await? >= limits::PINS as i64 {
        return Err(Error::LimitReached { what: "pinned messages", most: limits::PINS });
    }

    ctx.spend_as(Limit::Changes, caller.user_id, &standing.person_roles).await?;
    (message.pinned_at, message.pinned_by) = (Some(ctx.clock.now()), Some(caller.user_id));
    message.changed_seq = standing.head_seq + 1;
    messages::set_pin(&mut tx, &message).await?;
    let told = (Change::of_message(ChangeKind::MessagePinned, &message), Event::MessagePinned(message.clone()));
    change::close(ctx, tx, message, told, standing.floor_seq).await
}

/// Unpins a message; one that is not pinned takes no place in the log.
pub async fn unpin(ctx: &Context, caller: &Caller, place: (ConversationId, MessageId)) -> Result<Message> {
    let (mut tx, standing, mut message) = change::begin(ctx, caller, place).await?;
    policy::may_pin(&standing)?;
    require_reachable(ctx, &mut tx, &standing, caller.user_id).await?;
    if message.pinned_at.is_none() {
        return history::with_status(&mut tx, message, standing.floor_seq).await;
    }

    ctx.spend_as(Limit::Changes, caller.user_id, &standing.person_roles).await?;
    (message.pinned_at, message.pinned_by) = (None, None);
    message.changed_seq = standing.head_seq + 1;
    messages::set_pin(&mut tx, &message).await?;
    let told = (Change::of_message(ChangeKind::MessageUnpinned, &message), Event::MessageUnpinned(message.clone()));
    change::close(ctx, tx, message, told, standing.floor_seq).await
}

/// One page of what is pinned, the newest pin first.
pub async fn list(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Message>> {
    let after = cursor.map(read_cursor).transpose()?;
    let mut db = ctx.db.acquire().await?;
    let standing = require_member(&mut db, conversation, caller.user_id).await?;
    let reader = history::reader(&standing, caller, ctx.clock.now());
    let mut pinned = messages::pinned(&mut db, reader, after, limit + 1).await?;
    let lows = receipts::lows_of(&mut db, conversation).await?;
    for message in &mut pinned {
        receipts::set_status(&lows, message);
    }
    Ok(Page::cut(pinned, limit, |message| {
        format!("{}.{}", message.pinned_at.unwrap_or_default().timestamp_micros(), message.seq)
    }))
}

fn read_cursor(cursor: &str) -> Result<(Time, i64)> {
    let parts = cursor.split_once('.').and_then(|(at, seq)| Some((from_micros(at)?, seq.parse().ok()?)));
    parts.ok_or(Error::Malformed("The cursor is not one that was given out."))
}
