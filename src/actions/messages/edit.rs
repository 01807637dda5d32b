//! Editing: the author's new words, with what was said before kept beside them.

use super::{super::Context, history};
use crate::{
    domain::{
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, MessageId},
        message::{Message, Revision},
        policy,
        user::Caller,
    },
    store::{
        changes::{self, Change, ChangeKind},
        conversations, members, messages,
    },
};

/// Edits a message; an edit that changes nothing takes no place in the log.
pub async fn edit(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    id: MessageId,
    revision: Revision,
) -> Result<Message> {
    revision.check()?;
    let mut tx = ctx.db.begin().await?;
    conversations::lock(&mut tx, &[conversation]).await?;
    let (standing, before) = history::visible(&mut tx, caller, conversation, id).await?;
    policy::may_edit(caller.user_id, &before)?;

    let mut message = before.clone();
    message.body = Some(revision.body);
    message.metadata = revision.metadata.or(message.metadata);
    message.mentions = revision.mentions.unwrap_or(message.mentions);
    if (&message.body, &message.metadata, &message.mentions) == (&before.body, &before.metadata, &before.mentions) {
        return Ok(before);
    }
    check_mentions(&mut tx, &message).await?;
    message.edited_at = Some(ctx.clock.now());
    message.changed_seq = standing.head_seq + 1;

    messages::edit(&mut tx, &message, before.body.as_deref()).await?;
    messages::delete_mentions(&mut tx, &message).await?;
    messages::insert_mentions(&mut tx, &[&message]).await?;
    write_change(&mut tx, &message, ChangeKind::MessageUpdated).await?;
    ctx.commit(tx, vec![Event::MessageUpdated(message.clone())]).await?;
    Ok(message)
}

/// Writes the log's entry of a changed message, and moves the head to it.
pub async fn write_change(tx: &mut sqlx::PgConnection, message: &Message, kind: ChangeKind) -> Result<()> {
    let change = Change { seq: message.changed_seq, kind, message_seq: Some(message.seq), user_id: None };
    changes::insert(tx, message.conversation_id, &[change]).await?;
    conversations::advance_quietly(tx, message.conversation_id, message.changed_seq).await?;
    Ok(())
}

async fn check_mentions(tx: &mut sqlx::PgConnection, message: &Message) -> Result<()> {
    let present = members::present(tx, message.conversation_id, &message.mentions).await?;
    if message.mentions.iter().any(|user| !present.contains(user)) {
        return Err(Error::field("mentions", "not_a_member", "Only members of the conversation can be mentioned."));
    }
    Ok(())
}
