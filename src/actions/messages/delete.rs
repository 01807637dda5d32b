//! Deleting: for everyone, which leaves a tombstone, or for oneself, which nobody else learns of.

use sqlx::{Postgres, Transaction};

use super::{
    super::{Context, attachments::collect},
    change, history,
};
use crate::{
    domain::{
        error::Result,
        event::Event,
        ids::{ConversationId, MessageId},
        message::{DeleteFor, Message},
        own::OwnMatter,
        policy,
        user::Caller,
    },
    store::{
        changes::{Change, ChangeKind},
        conversations, messages,
        personal::{self, Entry},
        receipts,
    },
};

/// Deletes a message; answers with it as it is afterwards.
pub async fn delete(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    id: MessageId,
    whose: DeleteFor,
) -> Result<Message> {
    match whose {
        DeleteFor::Everyone => for_everyone(ctx, caller, conversation, id).await,
        DeleteFor::Me => for_me(ctx, caller, conversation, id).await,
    }
}

async fn for_everyone(ctx: &Context, caller: &Caller, conversation: ConversationId, id: MessageId) -> Result<Message> {
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[conversation]).await?;
    let (standing, message) = history::seen_or_said(ctx, &mut tx, caller, conversation, id).await?;
    policy::may_delete_for_everyone(caller.user_id, &standing, &message)?;
    if message.deleted_at.is_some() {
        return history::with_status(&mut tx, message, standing.floor_seq).await;
    }
    if !policy::moderates(&standing) {
        ctx.rulebook.rules().may_delete_since(message.created_at, ctx.clock.now())?;
    }
    bury(ctx, tx, message, (standing.head_seq, standing.floor_seq)).await
}

/// Makes a message a tombstone, whoever it is that may, and has this floor; the conversation is locked, and its log ends at
/// `head_seq`.
pub async fn bury(
    ctx: &Context,
    mut tx: Transaction<'static, Postgres>,
    mut message: Message,
    (head_seq, floor_seq): (i64, i64),
) -> Result<Message> {
    message.entomb(ctx.clock.now());
    message.changed_seq = head_seq + 1;
    messages::entomb(&mut tx, message.conversation_id, std::slice::from_ref(&message)).await?;
    collect::of_messages(&mut tx, &[(message.conversation_id, message.seq)], ctx.clock.now()).await?;
    let told = (Change::of_message(ChangeKind::MessageDeleted, &message), Event::MessageDeleted(message.clone()));
    change::close(ctx, tx, message, told, floor_seq).await
}

async fn for_me(ctx: &Context, caller: &Caller, conversation: ConversationId, id: MessageId) -> Result<Message> {
    let mut tx = ctx.db.begin().await?;
    let (standing, message) = history::above_floor(ctx, &mut tx, caller, conversation, id).await?;
    let message = message.veiled(standing.floor_seq);
    if !receipts::hide(&mut tx, conversation, caller.user_id, message.seq).await? {
        return Ok(message);
    }
    let place = personal::log(&mut tx, caller.user_id, Entry::hidden(conversation, id)).await?;
    ctx.commit(tx, vec![Event::Own(place.of(OwnMatter::Hidden(conversation, id)))]).await?;
    Ok(message)
}
