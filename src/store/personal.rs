//! What concerns one person alone: preferences, hidden messages, blocks, and the log of their changes.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    ids::{ConversationId, MessageId, UserId},
    preferences::{ConversationPreferences, Notify, Preferences},
};

/// What kind of own matter changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PersonalKind {
    /// The settings of a conversation.
    Preferences,
    /// A message was hidden.
    Hidden,
    /// The blocks.
    Block,
}

/// Takes the next place in a person's own log, under their row's lock, and writes what changed.
pub async fn log(
    db: &mut PgConnection,
    user: UserId,
    kind: PersonalKind,
    conversation: Option<ConversationId>,
    message: Option<MessageId>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with head as (
             update users
             set own_seq = own_seq + 1
             where id = $1
             returning own_seq)
         insert into personal_changes (user_id, seq, kind, conversation_id, message_id)
         select $1, own_seq, $2, $3, $4
         from head",
        user.0,
        kind as PersonalKind,
        conversation.map(|id| id.0),
        message.map(|id| id.0),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The head of a person's own log.
pub async fn head(db: &mut PgConnection, user: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select own_seq from users where id = $1", user.0).fetch_one(db).await
}

/// One's settings of a conversation, locked until the transaction ends where there is a row.
pub async fn preferences(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
) -> sqlx::Result<Option<Preferences>> {
    sqlx::query_as!(
        Preferences,
        r#"
        select preference.pinned_at as "pinned_at?", preference.archived_at as "archived_at?",
               preference.muted_until as "muted_until?",
               coalesce(preference.notify, 'all') as "notify!: Notify", preference.draft as "draft?",
               member.cleared_seq
        from members member
        left join preferences preference
          on preference.conversation_id = member.conversation_id and preference.user_id = member.user_id
        where member.conversation_id = $1 and member.user_id = $2 and member.left_at is null
        for no key update of member
        "#,
        conversation.0,
        user.0,
    )
    .fetch_optional(db)
    .await
}

/// Writes one's settings of a conversation.
pub async fn save_preferences(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    preferences: &Preferences,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into preferences (conversation_id, user_id, pinned_at, archived_at, muted_until, notify, draft)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (conversation_id, user_id) do update
         set pinned_at = excluded.pinned_at, archived_at = excluded.archived_at, muted_until = excluded.muted_until,
             notify = excluded.notify, draft = excluded.draft",
        conversation.0,
        user.0,
        preferences.pinned_at,
        preferences.archived_at,
        preferences.muted_until,
        preferences.notify as Notify,
        preferences.draft,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One's settings of all present conversations that changed after a place in one's own log.
pub async fn preferences_after(
    db: &mut PgConnection,
    user: UserId,
    after: i64,
) -> sqlx::Result<Vec<ConversationPreferences>> {
    let rows = sqlx::query!(
        r#"
        select member.conversation_id as "conversation_id: ConversationId",
               preference.pinned_at as "pinned_at?: Time", preference.archived_at as "archived_at?: Time",
               preference.muted_until as "muted_until?: Time",
               coalesce(preference.notify, 'all') as "notify!: Notify", preference.draft as "draft?",
               member.cleared_seq
        from members member
        left join preferences preference
          on preference.conversation_id = member.conversation_id and preference.user_id = member.user_id
        where member.user_id = $1 and member.left_at is null
          and member.conversation_id in (
              select conversation_id
              from personal_changes
              where user_id = $1 and seq > $2 and kind = 'preferences')
        "#,
        user.0,
        after,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ConversationPreferences {
            conversation_id: row.conversation_id,
            preferences: Preferences {
                pinned_at: row.pinned_at,
                archived_at: row.archived_at,
                muted_until: row.muted_until,
                notify: row.notify,
                draft: row.draft,
                cleared_seq: row.cleared_seq,
            },
        })
        .collect())
}

/// Messages that one hid after a place in one's own log, in present conversations.
pub async fn hidden_after(
    db: &mut PgConnection,
    user: UserId,
    after: i64,
) -> sqlx::Result<Vec<(ConversationId, MessageId)>> {
    let rows = sqlx::query!(
        r#"
        select hidden.conversation_id as "conversation_id!: ConversationId", hidden.message_id as "message_id!: MessageId"
        from personal_changes hidden
        join members member on member.conversation_id = hidden.conversation_id and member.user_id = hidden.user_id
        where hidden.user_id = $1 and hidden.seq > $2 and hidden.kind = 'hidden' and member.left_at is null
        order by hidden.seq
        "#,
        user.0,
        after,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id, row.message_id)).collect())
}

/// Everybody whom a person blocks.
pub async fn blocks(db: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        select blocked_id as "blocked_id: UserId"
        from blocks
        where user_id = $1
        order by blocked_id
        "#,
        user.0,
    )
    .fetch_all(db)
    .await
}

/// Whether one of the two blocks the other.
pub async fn is_blocked_between(db: &mut PgConnection, one: UserId, other: UserId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select from blocks
            where (user_id, blocked_id) in (($1, $2), ($2, $1))) as "is_blocked!"
        "#,
        one.0,
        other.0,
    )
    .fetch_one(db)
    .await
}
