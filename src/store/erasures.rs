//! People who deleted their accounts, and what is left of their files and of what was theirs alone.

use sqlx::PgConnection;

use super::attachments::Removed;
use crate::domain::{
    clock::Time,
    ids::{BlobId, ConversationId, UserId},
};

/// Somebody who deleted their account, and of whom something may be left.
#[derive(Clone, Copy, Debug)]
pub struct Erasure {
    /// Who.
    pub user_id: UserId,
    /// When they did.
    pub erased_at: Time,
}

/// Writes down that what is left of somebody is to be removed.
pub async fn begin(db: &mut PgConnection, user: UserId, now: Time) -> sqlx::Result<()> {
    sqlx::query!("insert into erasures (user_id, erased_at) values ($1, $2) on conflict do nothing", user.0, now)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets some of what concerns one person alone, what is newest first: their settings, what they hid, whom they blocked, and
/// the log, which says where all of it is. To be called again while it says that there may be more.
pub async fn forget_private(db: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    // How many is written out, so that the planner knows it too.
    let done = sqlx::query!(
        "with portion as materialized (
             select seq, kind, conversation_id, message_id, blocked_id
             from personal_changes
             where user_id = $1
             order by seq desc
             limit 1000),
         own_preferences as (
             delete from preferences own
             using portion
             where portion.kind = 'preferences' and own.conversation_id = portion.conversation_id and own.user_id = $1),
         own_hidden as (
             delete from hidden_messages own
             using portion
             join messages message
               on message.conversation_id = portion.conversation_id and message.id = portion.message_id
             where portion.kind = 'hidden' and own.conversation_id = message.conversation_id and own.user_id = $1
               and own.message_seq = message.seq),
         own_blocks as (
             delete from blocks own
             using portion
             where portion.kind = 'block' and own.user_id = $1 and own.blocked_id = portion.blocked_id)
         delete from personal_changes own
         using portion
         where own.user_id = $1 and own.seq = portion.seq",
        user.0,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Somebody of whom something is left, or who is gone since before `settled`, and to whom nobody has turned since `begun`:
/// whoever has waited longest.
pub async fn turn_to_next(db: &mut PgConnection, settled: Time, begun: Time) -> sqlx::Result<Option<Erasure>> {
    sqlx::query_as!(
        Erasure,
        r#"
        update erasures
        set tried_at = $2
        where user_id = (
            select user_id
            from erasures erasure
            where (tried_at is null or tried_at < $2)
              and (erased_at <= $1
                   or exists (select from attachments attachment where attachment.uploader_id = erasure.user_id)
                   or exists (select from personal_changes own where own.user_id = erasure.user_id))
            order by tried_at nulls first, erased_at
            limit 1
            for update skip locked)
        returning user_id as "user_id: UserId", erased_at
        "#,
        settled,
        begun,
    )
    .fetch_optional(db)
    .await
}

/// Locks somebody's erasure until the transaction ends; false where it has ended, or somebody else is at it.
pub async fn claim(db: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    let claimed = sqlx::query!("select user_id from erasures where user_id = $1 for update skip locked", user.0)
        .fetch_optional(db)
        .await?;
    Ok(claimed.is_some())
}

/// A conversation to which somebody uploaded a file that is still there.
pub async fn place_of(db: &mut PgConnection, user: UserId) -> sqlx::Result<Option<ConversationId>> {
    sqlx::query_scalar!(
        r#"select conversation_id as "id: ConversationId" from attachments where uploader_id = $1 limit 1"#,
        user.0,
    )
    .fetch_optional(db)
    .await
}

/// Some messages of a conversation that have files of somebody.
pub async fn messages(
    db: &mut PgConnection,
    (user, conversation): (UserId, ConversationId),
    limit: i64,
) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        r#"
        select distinct message_seq as "seq!"
        from attachments
        where uploader_id = $1 and conversation_id = $2 and message_seq is not null
        order by message_seq
        limit $3
        "#,
        user.0,
        conversation.0,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Removes the files of somebody that no message took.
pub async fn remove_untaken(
    db: &mut PgConnection,
    user: UserId,
    conversation: ConversationId,
) -> sqlx::Result<Vec<Removed>> {
    sqlx::query_as!(
        Removed,
        r#"
        delete from attachments
        where uploader_id = $1 and conversation_id = $2 and message_seq is null
        returning uploader_id as "uploader_id: UserId", size, blob_id as "blob_id: BlobId"
        "#,
        user.0,
        conversation.0,
    )
    .fetch_all(db)
    .await
}

/// Ends somebody's erasure, unless something is left.
pub async fn end(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "with ended as (
             delete from erasures
             where user_id = $1
               and not exists (select from attachments where uploader_id = $1)
               and not exists (select from personal_changes where user_id = $1)
             returning user_id)
         delete from storage_used
         using ended
         where storage_used.user_id = ended.user_id",
        user.0,
    )
    .execute(db)
    .await?;
    Ok(())
}
