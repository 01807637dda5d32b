//! Which message has which file, and which plan keeps one for the message that it becomes.
//!
//! Whoever takes or keeps a file has its conversation locked.

use std::collections::HashMap;

use sqlx::{PgConnection, types::Json};

use crate::domain::{
    attachment::{Attachment, AttachmentKind, Details},
    clock::Time,
    ids::{AttachmentId, ConversationId, MessageId, UserId},
};

/// A file that a message is to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Where it and the message are.
    pub conversation_id: ConversationId,
    /// Who uploaded it and sends the message.
    pub uploader_id: UserId,
    /// The message, or the plan that becomes it.
    pub message_id: MessageId,
    /// The file.
    pub id: AttachmentId,
}

/// Those of these files that their messages may take: neither another message nor another plan has them. They stay so
/// until the transaction ends.
pub async fn untaken(db: &mut PgConnection, wanted: &[Wanted]) -> sqlx::Result<HashMap<Wanted, Attachment>> {
    let rows = sqlx::query!(
        r#"
        select wanted.ord as "ord!", attachment.kind as "kind: AttachmentKind", attachment.filename,
               attachment.mime_type, attachment.size, attachment.details as "details: Json<Details>"
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) with ordinality
             as wanted(conversation_id, uploader_id, message_id, id, ord)
        join attachments attachment
          on attachment.conversation_id = wanted.conversation_id and attachment.id = wanted.id
             and attachment.uploader_id = wanted.uploader_id
        where attachment.message_seq is null
          and (attachment.plan_id is null or attachment.plan_id = wanted.message_id)
        for update of attachment
        "#,
        &wanted.iter().map(|wanted| wanted.conversation_id.0).collect::<Vec<_>>(),
        &wanted.iter().map(|wanted| wanted.uploader_id.0).collect::<Vec<_>>(),
        &wanted.iter().map(|wanted| wanted.message_id.0).collect::<Vec<_>>(),
        &wanted.iter().map(|wanted| wanted.id.0).collect::<Vec<_>>(),
    )
    .fetch_all(db)
    .await?;
    let found = rows.into_iter().map(|row| {
        let (wanted, Json(details)) = (wanted[row.ord as usize - 1], row.details);
        let (id, kind, size) = (wanted.id, row.kind, row.size);
        (wanted, Attachment { id, kind, filename: row.filename, mime_type: row.mime_type, size, details })
    });
    Ok(found.collect())
}

/// Gives files to the messages that take them, whether or not a plan kept them for these.
pub async fn take(db: &mut PgConnection, taken: &[(ConversationId, AttachmentId, i64)]) -> sqlx::Result<()> {
    sqlx::query!(
        "update attachments attachment
         set message_seq = taken.message_seq, plan_id = null
         from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as taken(conversation_id, id, message_seq)
         where attachment.conversation_id = taken.conversation_id and attachment.id = taken.id",
        &taken.iter().map(|(conversation, ..)| conversation.0).collect::<Vec<_>>(),
        &taken.iter().map(|(_, id, _)| id.0).collect::<Vec<_>>(),
        &taken.iter().map(|(.., seq)| *seq).collect::<Vec<_>>(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps files for the message that a plan becomes.
pub async fn keep_for_plan(
    db: &mut PgConnection,
    conversation: ConversationId,
    plan: MessageId,
    files: &[AttachmentId],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update attachments
         set plan_id = $2
         where conversation_id = $1 and id = any($3)",
        conversation.0,
        plan.0,
        files as &[AttachmentId],
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives back to somebody what a plan of theirs kept: for a day, as if it were uploaded now.
pub async fn give_back(
    db: &mut PgConnection,
    uploader: UserId,
    (conversation, plan): (ConversationId, MessageId),
    now: Time,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update attachments
         set plan_id = null, created_at = $4
         where conversation_id = $1 and plan_id = $2 and uploader_id = $3",
        conversation.0,
        plan.0,
        uploader.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
