//! What expires: finding it when its time has come.

use sqlx::{PgConnection, types::Json};

use super::MessageRow;
use crate::domain::{
    attachment::Attachment,
    clock::Time,
    ids::{ConversationId, MessageId, UserId},
    link::LinkPreview,
    location::Location,
    message::{ForwardedFrom, Message, MessageKind, ReplyTo},
    reaction::Reaction,
};

/// A message that has expired and is not a tombstone yet.
#[derive(Clone, Copy, Debug)]
pub struct Overdue {
    /// Where.
    pub conversation_id: ConversationId,
    /// Its place.
    pub seq: i64,
    /// Since when.
    pub expired_at: Time,
}

/// Messages that have expired and are no tombstones yet, the longest overdue first.
pub async fn overdue(db: &mut PgConnection, now: Time, limit: usize) -> sqlx::Result<Vec<Overdue>> {
    sqlx::query_as!(
        Overdue,
        r#"
        select conversation_id as "conversation_id: ConversationId", seq, expires_at as "expired_at!"
        from messages
        where expires_at <= $1 and deleted_at is null
        order by expires_at, conversation_id, seq
        limit $2
        "#,
        now,
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// Those of some messages that have expired and are still no tombstones, already without their words.
pub async fn expired(
    db: &mut PgConnection,
    conversation: ConversationId,
    seqs: &[i64],
    now: Time,
) -> sqlx::Result<Vec<Message>> {
    let rows = select_messages!(
        now,
        "where message.conversation_id = $2 and message.seq = any($3)
           and message.expires_at <= $1 and message.deleted_at is null
         order by message.seq",
        conversation.0,
        seqs
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Message::from).collect())
}

/// When the next message expires, or did and is no tombstone yet.
pub async fn next_expiry(db: &mut PgConnection) -> sqlx::Result<Option<Time>> {
    sqlx::query_scalar!(
        "select expires_at
         from messages
         where expires_at is not null and deleted_at is null
         order by expires_at
         limit 1"
    )
    .fetch_optional(db)
    .await
    .map(Option::flatten)
}
