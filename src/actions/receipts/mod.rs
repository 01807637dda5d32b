//! Read state: saying how far one has come, and asking how far others have.

pub mod again;
pub mod writer;

use std::time::Instant;

use sqlx::PgConnection;
use tokio::sync::oneshot;

use self::writer::Move;
use super::{Context, messages::history, require_member};
use crate::{
    cluster::bus::Envelope,
    domain::{
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, MessageId, UserId},
        limits,
        page::Page,
        receipt::{MessageReceipt, Reached, Receipt, ReceiptKind, Unread},
        user::Caller,
    },
    store::receipts::{self, counts},
};

/// Moves one's own cursor forward, together with others'; answers once it is committed. Where it does not move, nobody is told.
pub async fn advance(
    ctx: &Context,
    caller: &Caller,
    conversation_id: ConversationId,
    kind: ReceiptKind,
    reached: Reached,
) -> Result<Receipt> {
    let (answer, answered) = oneshot::channel();
    Move { conversation_id, user_id: caller.user_id, kind, reached, since: Instant::now(), answer }.queue(ctx)?;
    answered.await.map_err(|_| Error::Unavailable("The database can't keep up; try again soon."))?
}

/// Tells how far the members of large conversations have come with their newest messages, in numbers. Each node tells its own
/// sockets, as it does with unread counts.
pub async fn tell_counts(ctx: &Context, conversations: &[ConversationId]) -> Result<()> {
    let mut heard = conversations.to_vec();
    heard.retain(|conversation| ctx.cluster.bus.is_heard(*conversation));
    if heard.is_empty() {
        return Ok(());
    }
    let counts = counts::of_large(&mut *ctx.db.acquire().await?, &heard, limits::RECEIPTS_MEMBERS).await?;
    ctx.cluster
        .bus
        .tell_here(counts.into_iter().map(|counts| Envelope::of(&Event::ReceiptsChanged(counts))).collect())
        .await;
    Ok(())
}

/// Where the members of a conversation stand.
pub async fn of_conversation(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    after: Option<UserId>,
    limit: usize,
) -> Result<Page<Receipt>> {
    let reading = async |db: &mut PgConnection| {
        require_member(db, conversation, caller.user_id).await?;
        Ok(receipts::of_conversation(db, conversation, after, limit + 1).await?)
    };
    Ok(Page::cut(ctx.reads.ask(reading).await?, limit, |receipt| receipt.user_id.to_string()))
}

/// When one message reached each of the others.
pub async fn of_message(
    ctx: &Context,
    caller: &Caller,
    message: (ConversationId, MessageId),
    after: Option<UserId>,
    limit: usize,
) -> Result<Page<MessageReceipt>> {
    let reading = async |db: &mut PgConnection| {
        let (_, found) = history::visible(ctx, db, caller, message.0, message.1).await?;
        let place = (message.0, found.seq, found.sender_id);
        Ok(receipts::of_message(db, place, after, limit + 1).await?)
    };
    Ok(Page::cut(ctx.reads.ask(reading).await?, limit, |receipt| receipt.user_id.to_string()))
}

/// Unread counts of all of one's conversations that have any.
pub async fn unread(ctx: &Context, caller: &Caller) -> Result<Vec<Unread>> {
    ctx.reads.ask(async |db| Ok(counts::unread(db, caller.user_id, ctx.clock.now()).await?)).await
}
