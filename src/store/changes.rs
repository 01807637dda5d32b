//! The entries of a conversation's log that are not the birth of a message.

use sqlx::PgConnection;

use crate::domain::{
    ids::{ConversationId, UserId},
    message::Message,
};

/// What kind of change an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ChangeKind {
    /// A message was edited, or got or lost what is shown with it.
    MessageUpdated,
    /// A message was deleted for everyone.
    MessageDeleted,
    /// A message was pinned.
    MessagePinned,
    /// A message was unpinned.
    MessageUnpinned,
    /// Somebody reacted to a message.
    ReactionAdded,
    /// Somebody took a reaction back.
    ReactionRemoved,
    /// Somebody joined.
    ParticipantAdded,
    /// Somebody's role changed.
    ParticipantUpdated,
    /// Somebody left or was removed.
    ParticipantRemoved,
    /// The settings changed.
    ConversationUpdated,
    /// The conversation was deleted for everyone.
    ConversationDeleted,
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its place.
    pub seq: i64,
    /// What it is.
    pub kind: ChangeKind,
    /// The message that it is about.
    pub message_seq: Option<i64>,
    /// The person that it is about.
    pub user_id: Option<UserId>,
    /// With which emoji.
    pub emoji: Option<String>,
}

impl Change {
    /// An entry about the conversation as a whole.
    pub fn of_conversation(kind: ChangeKind, seq: i64) -> Self {
        Self { seq, kind, message_seq: None, user_id: None, emoji: None }
    }

    /// An entry about a message as a whole, at the place of its last change.
    pub fn of_message(kind: ChangeKind, message: &Message) -> Self {
        Self { seq: message.changed_seq, kind, message_seq: Some(message.seq), user_id: None, emoji: None }
    }
}

/// Writes entries.
pub async fn insert(db: &mut PgConnection, conversation: ConversationId, changes: &[Change]) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into changes (conversation_id, seq, kind, message_seq, user_id, emoji)
         select $1, new.*
         from unnest($2::bigint[], $3::text[], $4::bigint[], $5::uuid[], $6::text[]) as new",
        conversation.0,
        &changes.iter().map(|change| change.seq).collect::<Vec<_>>(),
        &changes.iter().map(|change| change.kind).collect::<Vec<_>>() as &[ChangeKind],
        &changes.iter().map(|change| change.message_seq).collect::<Vec<_>>() as &[Option<i64>],
        &changes.iter().map(|change| change.user_id).collect::<Vec<_>>() as &[Option<UserId>],
        &changes.iter().map(|change| change.emoji.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The entries after one place and up to another, in the log's order.
pub async fn between(
    db: &mut PgConnection,
    conversation: ConversationId,
    after: i64,
    up_to: i64,
) -> sqlx::Result<Vec<Change>> {
    sqlx::query_as!(
        Change,
        r#"
        select seq, kind as "kind: ChangeKind", message_seq, user_id as "user_id: UserId", emoji
        from changes
        where conversation_id = $1 and seq > $2 and seq <= $3
        order by seq
        "#,
        conversation.0,
        after,
        up_to,
    )
    .fetch_all(db)
    .await
}

/// Who left after a place of the log, and has not come back.
pub async fn gone_since(db: &mut PgConnection, conversation: ConversationId, after: i64) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        select distinct member.user_id as "user_id: UserId"
        from changes change
        join members member on member.conversation_id = change.conversation_id and member.user_id = change.user_id
        where change.conversation_id = $1 and change.seq > $2 and change.kind = 'participant_removed'
          and member.left_at is not null
        "#,
        conversation.0,
        after,
    )
    .fetch_all(db)
    .await
}

/// The places after one and up to another where messages were born.
pub async fn births(
    db: &mut PgConnection,
    conversation: ConversationId,
    after: i64,
    up_to: i64,
) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        "select seq
         from messages
         where conversation_id = $1 and seq > $2 and seq <= $3
         order by seq",
        conversation.0,
        after,
        up_to,
    )
    .fetch_all(db)
    .await
}

/// Where, after a place of the log, the conversation was deleted, and who was in it until then; nothing where it was not.
pub async fn deletion_since(
    db: &mut PgConnection,
    conversation: ConversationId,
    after: i64,
) -> sqlx::Result<Option<(i64, Vec<UserId>)>> {
    let row = sqlx::query!(
        r#"
        select change.seq,
               array(select user_id
                     from members
                     where conversation_id = $1 and left_at = conversation.deleted_at) as "users!: Vec<UserId>"
        from conversations conversation
        join changes change on change.conversation_id = conversation.id
        where conversation.id = $1 and conversation.deleted_at is not null
          and change.seq > $2 and change.kind = 'conversation_deleted'
        "#,
        conversation.0,
        after,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.seq, row.users)))
}
