//! Groups that nobody is in any more, deleted or left by all, and their files.

use sqlx::PgConnection;

use super::attachments::Removed;
use crate::domain::ids::{BlobId, ConversationId, UserId};

/// One that may have files, locked until the transaction ends.
pub async fn claim(db: &mut PgConnection) -> sqlx::Result<Option<ConversationId>> {
    sqlx::query_scalar!(
        r#"
        select id as "id: ConversationId"
        from conversations
        where member_count = 0 and may_have_files
        limit 1
        for no key update skip locked
        "#,
    )
    .fetch_optional(db)
    .await
}

/// Removes some of its files.
pub async fn remove_files(db: &mut PgConnection, group: ConversationId, limit: i64) -> sqlx::Result<Vec<Removed>> {
    sqlx::query_as!(
        Removed,
        r#"
        delete from attachments
        where conversation_id = $1
          and id in (select id from attachments where conversation_id = $1 limit $2)
        returning uploader_id as "uploader_id: UserId", size, blob_id as "blob_id: BlobId"
        "#,
        group.0,
        limit,
    )
    .fetch_all(db)
    .await
}

/// No file is left of it.
pub async fn end(db: &mut PgConnection, group: ConversationId) -> sqlx::Result<()> {
    sqlx::query!("update conversations set may_have_files = false where id = $1", group.0).execute(db).await?;
    Ok(())
}
