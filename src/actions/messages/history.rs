//! Reading back: pages of the history, one message, its earlier versions.

use sqlx::PgConnection;

use super::super::{Context, require_member};
use crate::{
    domain::{
        clock::Time,
        error::{Error, Result},
        ids::{ConversationId, MessageId},
        member::Standing,
        message::{Edit, HistoryPage, Message, Window},
        page::Page,
        user::Caller,
    },
    store::{
        messages::{self, Reader},
        receipts,
    },
};

/// One page of the history, ascending by `seq`.
pub async fn page(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    window: Window,
    limit: usize,
) -> Result<HistoryPage> {
    let mut db = ctx.db.acquire().await?;
    let standing = require_member(&mut db, conversation, caller.user_id).await?;
    let reader = reader(&standing, caller, ctx.clock.now());
    let mut page = match window {
        Window::Newest => before(&mut db, reader, i64::MAX, limit).await?,
        Window::Before(seq) => {
            let following = messages::beside(&mut db, reader, Window::After(seq.saturating_sub(1)), 1).await?;
            HistoryPage { has_more_after: !following.is_empty(), ..before(&mut db, reader, seq, limit).await? }
        }
        Window::After(seq) => {
            let preceding = messages::beside(&mut db, reader, Window::Before(seq.saturating_add(1)), 1).await?;
            HistoryPage { has_more_before: !preceding.is_empty(), ..after(&mut db, reader, seq, limit).await? }
        }
        Window::Around(seq) => {
            let older = before(&mut db, reader, seq, limit / 2).await?;
            let newer = after(&mut db, reader, seq.saturating_sub(1), limit - limit / 2).await?;
            let items = older.items.into_iter().chain(newer.items).collect();
            HistoryPage { items, has_more_before: older.has_more_before, has_more_after: newer.has_more_after }
        }
    };
    let lows = receipts::lows(&mut db, &[conversation]).await?;
    page.items.iter_mut().for_each(|message| receipts::set_status(&lows, message));
    Ok(page)
}

/// One message.
pub async fn one(ctx: &Context, caller: &Caller, conversation: ConversationId, id: MessageId) -> Result<Message> {
    let mut db = ctx.db.acquire().await?;
    let (_, message) = visible(ctx, &mut db, caller, conversation, id).await?;
    with_status(&mut db, message).await
}

/// A message that says how far all others have come with it.
pub async fn with_status(db: &mut PgConnection, mut message: Message) -> Result<Message> {
    let lows = receipts::lows(db, &[message.conversation_id]).await?;
    receipts::set_status(&lows, &mut message);
    Ok(message)
}

/// One page of what a message said before each of its edits, oldest first.
pub async fn edits(
    ctx: &Context,
    caller: &Caller,
    (conversation, id): (ConversationId, MessageId),
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Edit>> {
    let malformed = Error::Malformed("The cursor is not one that was given out.");
    let after = cursor.map(str::parse).transpose().map_err(|_| malformed)?.unwrap_or(0);
    let mut db = ctx.db.acquire().await?;
    let (_, message) = visible(ctx, &mut db, caller, conversation, id).await?;
    if message.deleted_at.is_some() {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    }
    let edits = messages::edits(&mut db, (conversation, message.seq), after, limit + 1).await?;
    Ok(Page::cut(edits, limit, |edit| edit.changed_seq.to_string()))
}

/// A message that the caller may see, and their standing.
pub async fn visible(
    ctx: &Context,
    db: &mut PgConnection,
    caller: &Caller,
    conversation: ConversationId,
    id: MessageId,
) -> Result<(Standing, Message)> {
    let (standing, message) = above_floor(ctx, db, caller, conversation, id).await?;
    if receipts::is_hidden(db, conversation, caller.user_id, id).await? {
        return Err(Error::NotFound("message"));
    }
    Ok((standing, message))
}

/// The same, although the caller may have hidden it from themselves.
pub async fn above_floor(
    ctx: &Context,
    db: &mut PgConnection,
    caller: &Caller,
    conversation: ConversationId,
    id: MessageId,
) -> Result<(Standing, Message)> {
    let standing = require_member(db, conversation, caller.user_id).await?;
    let message = messages::by_id(db, reader(&standing, caller, ctx.clock.now()), id).await?;
    Ok((standing, message.ok_or(Error::NotFound("message"))?))
}

/// A member who reads.
pub fn reader(standing: &Standing, caller: &Caller, now: Time) -> Reader {
    let Standing { conversation_id, floor_seq, .. } = *standing;
    Reader { conversation_id, user_id: caller.user_id, floor_seq, now }
}

/// Up to `limit` messages right before a place.
async fn before(db: &mut PgConnection, reader: Reader, seq: i64, limit: usize) -> Result<HistoryPage> {
    let mut items = messages::beside(db, reader, Window::Before(seq), limit + 1).await?;
    let has_more_before = items.len() > limit;
    items.truncate(limit);
    items.reverse();
    Ok(HistoryPage { items, has_more_before, has_more_after: false })
}

/// Up to `limit` messages right after a place.
async fn after(db: &mut PgConnection, reader: Reader, seq: i64, limit: usize) -> Result<HistoryPage> {
    let mut items = messages::beside(db, reader, Window::After(seq), limit + 1).await?;
    let has_more_after = items.len() > limit;
    items.truncate(limit);
    Ok(HistoryPage { items, has_more_before: false, has_more_after })
}
