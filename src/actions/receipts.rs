//! Read state: saying how far one has come, and asking how far others have.

use super::{Context, messages::history, require_member};
use crate::{
    domain::{
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, MessageId, UserId},
        page::Page,
        receipt::{Advance, MessageReceipt, Reached, Receipt, ReceiptKind, Unread},
        user::Caller,
    },
    store::{messages, receipts},
};

/// Moves one's own cursor forward; where it does not move, nobody is told.
pub async fn advance(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    kind: ReceiptKind,
    reached: Reached,
) -> Result<Receipt> {
    let mut tx = ctx.db.begin().await?;
    require_member(&mut tx, conversation, caller.user_id).await?;
    let seq = match reached {
        Reached::Head => i64::MAX,
        Reached::Seq(seq) => seq,
        Reached::Messages(ids) => {
            let seqs = messages::seqs(&mut tx, conversation, &ids).await?;
            seqs.into_iter().max().ok_or(Error::NotFound("message"))?
        }
    };
    let now = ctx.clock.now();
    let advanced = receipts::advance(&mut tx, (conversation, caller.user_id), kind, seq, now).await?;
    let advanced = advanced.ok_or(Error::NotFound("conversation"))?;
    if !advanced.has_moved {
        return Ok(advanced.receipt);
    }

    let seq = match kind {
        ReceiptKind::Delivered => advanced.receipt.delivered_seq,
        ReceiptKind::Read => advanced.receipt.read_seq,
    };
    let told = Advance { conversation_id: conversation, user_id: caller.user_id, kind, seq, at: now };
    ctx.commit(tx, vec![Event::Advanced(told)]).await?;
    Ok(advanced.receipt)
}

/// Where the members of a conversation stand.
pub async fn of_conversation(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    after: Option<UserId>,
    limit: usize,
) -> Result<Page<Receipt>> {
    let mut db = ctx.db.acquire().await?;
    require_member(&mut db, conversation, caller.user_id).await?;
    let rows = receipts::of_conversation(&mut db, conversation, after, limit + 1).await?;
    Ok(Page::cut(rows, limit, |receipt| receipt.user_id.to_string()))
}

/// When one message reached each of the others.
pub async fn of_message(
    ctx: &Context,
    caller: &Caller,
    message: (ConversationId, MessageId),
    after: Option<UserId>,
    limit: usize,
) -> Result<Page<MessageReceipt>> {
    let mut db = ctx.db.acquire().await?;
    let (_, found) = history::visible(&mut db, caller, message.0, message.1).await?;
    let place = (message.0, found.seq, found.sender_id);
    let rows = receipts::of_message(&mut db, place, after, limit + 1).await?;
    Ok(Page::cut(rows, limit, |receipt| receipt.user_id.to_string()))
}

/// Unread counts of all of one's conversations that have any.
pub async fn unread(ctx: &Context, caller: &Caller) -> Result<Vec<Unread>> {
    let mut db = ctx.db.acquire().await?;
    Ok(receipts::unread(&mut db, caller.user_id, &[]).await?)
}
