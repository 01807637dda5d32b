//! Conversations: making, locking and changing them, and reading them as one member sees them.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    conversation::{Conversation, ConversationKind, HistoryRule},
    ids::{BlobId, ConversationId, UserId},
};

/// The shared part of a conversation out of any row that has its columns, without its participants.
macro_rules! conversation {
    ($id:expr, $row:ident) => {
        crate::domain::conversation::Conversation {
            id: $id,
            kind: $row.kind,
            category: $row.category,
            name: $row.name,
            description: $row.description,
            avatar: $row.avatar,
            history_for_new_members: $row.history_for_new_members,
            members_may_pin: $row.members_may_pin,
            expires_in: $row.expires_in,
            created_by: $row.created_by,
            created_at: $row.created_at,
            updated_at: $row.updated_at,
            head_seq: $row.head_seq,
            participant_count: $row.member_count,
            participants: Vec::new(),
        }
    };
}

mod own;

pub use own::*;

/// Writes a new conversation; its members follow.
pub async fn insert(db: &mut PgConnection, conversation: &Conversation) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into conversations (id, kind, category, name, description, history_for_new_members, members_may_pin,
                                    expires_in, created_by, created_at, updated_at, active_at, member_count)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $11)",
        conversation.id.0,
        conversation.kind as ConversationKind,
        conversation.category,
        conversation.name,
        conversation.description,
        conversation.history_for_new_members as HistoryRule,
        conversation.members_may_pin,
        conversation.expires_in,
        conversation.created_by.0,
        conversation.created_at,
        conversation.participant_count,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Claims the pair for this conversation, or says which conversation has it already. Waits for whoever is claiming it now.
pub async fn claim_pair(
    db: &mut PgConnection,
    pair: (UserId, UserId),
    id: ConversationId,
) -> sqlx::Result<Option<ConversationId>> {
    let (low, high) = if pair.0 < pair.1 { pair } else { (pair.1, pair.0) };
    let claimed = sqlx::query!(
        "insert into direct_pairs (low_user_id, high_user_id, conversation_id)
         values ($1, $2, $3)
         on conflict do nothing",
        low.0,
        high.0,
        id.0,
    )
    .execute(&mut *db)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    find_pair(db, pair).await
}

/// The direct conversation of two people.
pub async fn find_pair(db: &mut PgConnection, pair: (UserId, UserId)) -> sqlx::Result<Option<ConversationId>> {
    let (low, high) = if pair.0 < pair.1 { pair } else { (pair.1, pair.0) };
    sqlx::query_scalar!(
        r#"
        select conversation_id as "id: ConversationId"
        from direct_pairs
        where low_user_id = $1 and high_user_id = $2
        "#,
        low.0,
        high.0,
    )
    .fetch_optional(db)
    .await
}

/// Locks conversations, always in the same order, until the transaction ends. What is read afterwards is up to date.
pub async fn lock(db: &mut PgConnection, ids: &[ConversationId]) -> sqlx::Result<()> {
    sqlx::query!(
        "select id
         from conversations
         where id = any($1)
         order by id
         for no key update",
        ids as &[ConversationId],
    )
    .fetch_all(db)
    .await?;
    Ok(())
}

/// Locks a conversation unless somebody else has it now; says whether it is locked.
pub async fn lock_free(db: &mut PgConnection, id: ConversationId) -> sqlx::Result<bool> {
    let locked = sqlx::query!(
        "select id
         from conversations
         where id = $1
         for no key update skip locked",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(locked.is_some())
}

/// Moves the log's head after a change of members or settings.
pub async fn advance(db: &mut PgConnection, id: ConversationId, head_seq: i64, now: Time) -> sqlx::Result<()> {
    sqlx::query!(
        "update conversations
         set head_seq = $2, updated_at = $3, active_at = $3,
             member_count = (select count(*) from members where conversation_id = $1 and left_at is null)
         where id = $1",
        id.0,
        head_seq,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Moves the log's head after a change of a message, which is no new activity.
pub async fn advance_quietly(db: &mut PgConnection, id: ConversationId, head_seq: i64) -> sqlx::Result<()> {
    sqlx::query!("update conversations set head_seq = $2 where id = $1", id.0, head_seq).execute(db).await?;
    Ok(())
}

/// Writes a conversation's settings.
pub async fn update_settings(db: &mut PgConnection, conversation: &Conversation) -> sqlx::Result<()> {
    sqlx::query!(
        "update conversations
         set name = $2, description = $3, category = $4, history_for_new_members = $5, members_may_pin = $6,
             expires_in = $7, avatar_id = $8
         where id = $1",
        conversation.id.0,
        conversation.name,
        conversation.description,
        conversation.category,
        conversation.history_for_new_members as HistoryRule,
        conversation.members_may_pin,
        conversation.expires_in,
        conversation.avatar as Option<BlobId>,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Closes a group for good, at the last place of its log: nobody is in it any more.
pub async fn delete(db: &mut PgConnection, id: ConversationId, seq: i64, now: Time) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        with closed as (
            update conversations
            set deleted_at = $2, head_seq = $3, member_count = 0, avatar_id = null
            where id = $1)
        update members
        set left_at = $2
        where conversation_id = $1 and left_at is null
        returning user_id as "user_id: UserId"
        "#,
        id.0,
        now,
        seq,
    )
    .fetch_all(db)
    .await
}

/// The shared part of a conversation, without its participants.
pub async fn shared(db: &mut PgConnection, id: ConversationId) -> sqlx::Result<Option<Conversation>> {
    let row = sqlx::query!(
        r#"
        select kind as "kind: ConversationKind", category, name, description, avatar_id as "avatar: BlobId",
               history_for_new_members as "history_for_new_members: HistoryRule",
               members_may_pin, expires_in, created_by as "created_by: UserId", created_at, updated_at, head_seq, member_count
        from conversations
        where id = $1 and deleted_at is null
        "#,
        id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| conversation!(id, row)))
}

/// The heads of many logs.
pub async fn heads(db: &mut PgConnection, ids: &[ConversationId]) -> sqlx::Result<Vec<(ConversationId, i64)>> {
    let rows = sqlx::query!(
        r#"select id as "id: ConversationId", head_seq from conversations where id = any($1)"#,
        ids as &[ConversationId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.head_seq)).collect())
}
