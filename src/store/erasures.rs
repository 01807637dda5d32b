//! People who deleted their accounts, and what is left of their files.

use sqlx::PgConnection;

use super::attachments::Removed;
use crate::domain::{
    clock::Time,
    ids::{BlobId, ConversationId, UserId},
};

/// Writes down that the files of somebody are to be removed.
pub async fn begin(db: &mut PgConnection, user: UserId, now: Time) -> sqlx::Result<()> {
    sqlx::query!("insert into erasures (user_id, erased_at) values ($1, $2) on conflict do nothing", user.0, now)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets what concerns one person alone: their settings, what they hid, whom they blocked, and the log, which says where all
/// of it is.
pub async fn forget_private(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "with place as (
             select distinct kind, conversation_id
             from personal_changes
             where user_id = $1 and conversation_id is not null),
         own_preferences as (
             delete from preferences own
             using place
             where place.kind = 'preferences' and own.conversation_id = place.conversation_id and own.user_id = $1),
         own_hidden as (
             delete from hidden_messages own
             using place
             where place.kind = 'hidden' and own.conversation_id = place.conversation_id and own.user_id = $1),
         own_blocks as (delete from blocks where user_id = $1)
         delete from personal_changes
         where user_id = $1",
        user.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Somebody who has files that are to be removed, or who has none and is gone since a moment; locked until the transaction
/// ends.
pub async fn claim(db: &mut PgConnection, since: Time) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"
        select user_id as "user_id: UserId"
        from erasures erasure
        where erased_at <= $1
           or exists (select from attachments attachment where attachment.uploader_id = erasure.user_id)
        order by erased_at
        limit 1
        for update skip locked
        "#,
        since,
    )
    .fetch_optional(db)
    .await
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

/// Nothing is left of somebody's files.
pub async fn end(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "with counted as (delete from storage_used where user_id = $1)
         delete from erasures where user_id = $1",
        user.0,
    )
    .execute(db)
    .await?;
    Ok(())
}
