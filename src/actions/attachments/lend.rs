//! Lending: a message that is forwarded takes its files along. The bytes are shared, the way to them is not: each copy is
//! a file of its own, of the conversation that it is in.

use super::super::{Context, require_member};
use crate::{
    domain::{
        error::{Error, Result},
        ids::{AttachmentId, ConversationId, MessageId},
        message::Message,
        user::Caller,
    },
    store::attachments,
};

/// Gives the caller copies of a message's files where a copy of the message is to be sent. The same copy finds the same
/// files again.
pub async fn lend(
    ctx: &Context,
    caller: &Caller,
    message: &Message,
    (target, copy): (ConversationId, MessageId),
) -> Result<Vec<AttachmentId>> {
    if message.attachments.is_empty() {
        return Ok(Vec::new());
    }
    let copies: Vec<_> = message
        .attachments
        .iter()
        .map(|file| (file.id, AttachmentId::of_words(&format!("{} {} {target} {copy}", caller.user_id, file.id))))
        .collect();
    let mut tx = ctx.db.begin().await?;
    require_member(&mut tx, target, caller.user_id).await?;
    let uploader = (target, caller.user_id, ctx.clock.now());
    let bytes = attachments::copy(&mut tx, message.conversation_id, &copies, uploader).await?;
    let quota = ctx.settings.storage_quota_bytes;
    if bytes > 0 && !attachments::spend_quota(&mut tx, caller.user_id, bytes, quota).await? {
        return Err(Error::LimitReached { what: "bytes of files", most: quota as usize });
    }
    tx.commit().await?;
    Ok(copies.into_iter().map(|(_, copy)| copy).collect())
}
