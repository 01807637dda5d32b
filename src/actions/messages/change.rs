//! A change of a message in the making: begun under its conversation's lock, closed by an entry in the log.

use sqlx::{PgConnection, Postgres, Transaction};

use super::{super::Context, history};
use crate::{
    domain::{
        error::Result,
        event::Event,
        ids::{ConversationId, MessageId},
        member::Standing,
        message::Message,
        user::Caller,
    },
    store::{
        changes::{self, Change, ChangeKind},
        conversations,
    },
};

/// Begins a change of a message that the caller may see: the message as it is for all, and the caller's standing, neither of which
/// changes any more until it ends.
pub async fn begin(
    ctx: &Context,
    caller: &Caller,
    (conversation, id): (ConversationId, MessageId),
) -> Result<(Transaction<'static, Postgres>, Standing, Message)> {
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[conversation]).await?;
    let (standing, message) = history::whole(ctx, &mut tx, caller, conversation, id).await?;
    Ok((tx, standing, message))
}

/// Closes a change whose message is written: takes its place in the log, commits and tells. Answers with the message as somebody
/// with this floor sees it.
pub async fn close(
    ctx: &Context,
    mut tx: Transaction<'static, Postgres>,
    message: Message,
    (change, event): (Change, Event),
    floor_seq: i64,
) -> Result<Message> {
    let (conversation, seq) = (message.conversation_id, change.seq);
    changes::insert(&mut tx, conversation, &[change]).await?;
    conversations::advance_quietly(&mut tx, conversation, seq).await?;
    let message = history::with_status(&mut tx, message, floor_seq).await?;
    ctx.commit(tx, vec![event]).await?;
    Ok(message)
}

/// Gives messages that change by nobody's hand the next places in the log, in their order. Their conversation is locked.
pub async fn take_places(tx: &mut PgConnection, conversation: ConversationId, messages: &mut [Message]) -> Result<()> {
    let heads = conversations::heads(tx, &[conversation]).await?;
    let head_seq = heads.first().map_or(0, |(_, head_seq)| *head_seq);
    for (message, seq) in messages.iter_mut().zip(head_seq + 1..) {
        message.changed_seq = seq;
    }
    Ok(())
}

/// Enters them into the log, once they are written.
pub async fn enter(
    tx: &mut PgConnection,
    conversation: ConversationId,
    kind: ChangeKind,
    messages: &[Message],
) -> Result<()> {
    let Some(last) = messages.last() else { return Ok(()) };
    let entries: Vec<_> = messages.iter().map(|message| Change::of_message(kind, message)).collect();
    changes::insert(tx, conversation, &entries).await?;
    Ok(conversations::advance_quietly(tx, conversation, last.changed_seq).await?)
}
