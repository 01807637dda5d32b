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
    let (place, (older, newer)) = match window {
        Window::Newest => (i64::MAX, (limit, 0)),
        Window::Before(seq) => (seq, (limit, 0)),
        Window::After(seq) => (seq.saturating_add(1), (0, limit)),
        Window::Around(seq) => (seq, (limit / 2, limit - limit / 2)),
    };
    let (who, now) = ((conversation, caller.user_id), ctx.clock.now());
    let reading = async |db: &mut PgConnection| {
        // One more on each side that is read tells whether there are more.
        let before = match older {
            0 => Vec::new(),
            wanted => messages::older(db, who, now, place, wanted + 1).await?,
        };
        let after = match newer {
            0 => Vec::new(),
            wanted => messages::newer(db, who, now, place, wanted + 1).await?,
        };
        // Read last: what was cleared meanwhile is veiled, and who was removed meanwhile is told so.
        let unread = if older == 0 { (0, place.saturating_sub(1)) } else { (place, i64::MAX) };
        Ok((before, after, messages::frame(db, who, unread).await?))
    };
    let (before, after, frame) = ctx.reads.ask(reading).await?;
    let frame = frame.ok_or(Error::NotFound("conversation"))?;
    let has_more_before = if older == 0 { frame.has_more } else { before.len() > older };
    let has_more_after = if newer == 0 { frame.has_more } else { after.len() > newer };
    let shown = before.into_iter().take(older).rev().chain(after.into_iter().take(newer));
    let items = shown.map(|message| frame.show(message)).collect();
    Ok(HistoryPage { items, has_more_before, has_more_after })
}

/// One message.
pub async fn one(ctx: &Context, caller: &Caller, conversation: ConversationId, id: MessageId) -> Result<Message> {
    let reading = async |db: &mut PgConnection| {
        let (standing, message) = whole(ctx, db, caller, conversation, id).await?;
        with_status(db, message, standing.floor_seq).await
    };
    ctx.reads.ask(reading).await
}

/// A message as somebody with this floor sees it, who is told how far all others have come with it.
pub async fn with_status(db: &mut PgConnection, mut message: Message, floor_seq: i64) -> Result<Message> {
    let lows = receipts::lows_of(db, message.conversation_id).await?;
    receipts::set_status(&lows, &mut message);
    Ok(message.veiled(floor_seq))
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
    let reading = async |db: &mut PgConnection| {
        let (_, message) = visible(ctx, db, caller, conversation, id).await?;
        if message.deleted_at.is_some() {
            return Ok(Vec::new());
        }
        Ok(messages::edits(db, (conversation, message.seq), after, limit + 1).await?)
    };
    Ok(Page::cut(ctx.reads.ask(reading).await?, limit, |edit| edit.changed_seq.to_string()))
}

/// A message that the caller may see, as they see it, and their standing.
pub async fn visible(
    ctx: &Context,
    db: &mut PgConnection,
    caller: &Caller,
    conversation: ConversationId,
    id: MessageId,
) -> Result<(Standing, Message)> {
    let (standing, message) = whole(ctx, db, caller, conversation, id).await?;
    let message = message.veiled(standing.floor_seq);
    Ok((standing, message))
}

/// The same as it is for all, with what it quotes, whether or not the caller may see that.
pub async fn whole(
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

/// The same, although the caller may have hidden it from themselves, or if it is their own, cleared it away, or left and come back
/// since: whoever said something may take it back.
pub async fn seen_or_said(
    ctx: &Context,
    db: &mut PgConnection,
    caller: &Caller,
    conversation: ConversationId,
    id: MessageId,
) -> Result<(Standing, Message)> {
    let standing = require_member(db, conversation, caller.user_id).await?;
    let everything = Reader { floor_seq: 0, ..reader(&standing, caller, ctx.clock.now()) };
    let message = messages::by_id(db, everything, id).await?;
    let known = message.filter(|message| message.seq > standing.floor_seq || message.sender_id == caller.user_id);
    Ok((standing, known.ok_or(Error::NotFound("message"))?))
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
