//! Files that people uploaded: what they are, who may see them, and which bytes nobody needs any more.

use sqlx::{PgConnection, types::Json};

use crate::domain::{
    attachment::{Attachment, AttachmentKind, Details, StoredAttachment},
    clock::Time,
    ids::{AttachmentId, BlobId, ConversationId, UserId},
};

/// Selects files; the rest of the statement follows the table's name.
macro_rules! select_attachments {
    ($rest:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            r#"
            select attachment.conversation_id as "conversation_id!: ConversationId",
                   attachment.id as "id!: AttachmentId",
                   attachment.uploader_id as "uploader_id!: UserId",
                   attachment.kind as "kind!: AttachmentKind",
                   attachment.filename as "filename!",
                   attachment.mime_type as "mime_type!",
                   attachment.size as "size!",
                   attachment.details as "details!: Json<Details>",
                   attachment.sha256 as "sha256!",
                   attachment.blob_id as "blob_id!: BlobId",
                   attachment.message_seq,
                   attachment.created_at as "created_at!"
            from attachments attachment
            "# + $rest
            $(, $argument)*
        )
    };
}

struct Row {
    conversation_id: ConversationId,
    id: AttachmentId,
    uploader_id: UserId,
    kind: AttachmentKind,
    filename: String,
    mime_type: String,
    size: i64,
    details: Json<Details>,
    sha256: Vec<u8>,
    blob_id: BlobId,
    message_seq: Option<i64>,
    created_at: Time,
}

impl From<Row> for StoredAttachment {
    fn from(row: Row) -> Self {
        let Json(details) = row.details;
        Self {
            attachment: Attachment {
                id: row.id,
                kind: row.kind,
                filename: row.filename,
                mime_type: row.mime_type,
                size: row.size,
                details,
            },
            conversation_id: row.conversation_id,
            uploader_id: row.uploader_id,
            sha256: row.sha256,
            blob: row.blob_id,
            message_seq: row.message_seq,
            created_at: row.created_at,
        }
    }
}

/// Claims a place in the store of files before anything is written there; it is removed again after `doomed_at` unless
/// something refers to it by then.
pub async fn claim_blob(db: &mut PgConnection, blob: BlobId, doomed_at: Time) -> sqlx::Result<()> {
    sqlx::query!("insert into blobs (id, doomed_at) values ($1, $2)", blob.0, doomed_at).execute(db).await?;
    Ok(())
}

/// Keeps a place that something refers to now; false where it is gone.
pub async fn keep_blob(db: &mut PgConnection, blob: BlobId) -> sqlx::Result<bool> {
    let kept = sqlx::query!("update blobs set doomed_at = null where id = $1", blob.0).execute(db).await?;
    Ok(kept.rows_affected() > 0)
}

/// Writes a file that was uploaded.
pub async fn insert(db: &mut PgConnection, stored: &StoredAttachment) -> sqlx::Result<()> {
    let attachment = &stored.attachment;
    sqlx::query!(
        "insert into attachments (conversation_id, id, uploader_id, kind, filename, mime_type, size, details, sha256,
                                  blob_id, message_seq, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        stored.conversation_id.0,
        attachment.id.0,
        stored.uploader_id.0,
        attachment.kind as AttachmentKind,
        attachment.filename,
        attachment.mime_type,
        attachment.size,
        Json(&attachment.details) as Json<&Details>,
        stored.sha256,
        stored.blob.0,
        stored.message_seq,
        stored.created_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Copies files to another conversation under new ids, unless they are there already; answers with the bytes copied. The
/// originals are not removed before the transaction ends.
pub async fn copy(
    db: &mut PgConnection,
    from: ConversationId,
    copies: &[(AttachmentId, AttachmentId)],
    (to, uploader, now): (ConversationId, UserId, Time),
) -> sqlx::Result<i64> {
    let copied = sqlx::query_scalar!(
        "insert into attachments (conversation_id, id, uploader_id, kind, filename, mime_type, size, details, sha256,
                                  blob_id, created_at)
         select $1, copy.id, $2, source.kind, source.filename, source.mime_type, source.size, source.details,
                source.sha256, source.blob_id, $3
         from unnest($5::uuid[], $6::uuid[]) as copy(source_id, id)
         join attachments source on source.conversation_id = $4 and source.id = copy.source_id
         for key share of source
         on conflict do nothing
         returning size",
        to.0,
        uploader.0,
        now,
        from.0,
        &copies.iter().map(|(source, _)| source.0).collect::<Vec<_>>(),
        &copies.iter().map(|(_, copy)| copy.0).collect::<Vec<_>>(),
    )
    .fetch_all(db)
    .await?;
    Ok(copied.into_iter().sum())
}

/// A file by its id in its conversation, whoever uploaded it.
pub async fn by_id(
    db: &mut PgConnection,
    conversation: ConversationId,
    id: AttachmentId,
) -> sqlx::Result<Option<StoredAttachment>> {
    let row = select_attachments!("where attachment.conversation_id = $1 and attachment.id = $2", conversation.0, id.0);
    Ok(row.fetch_optional(db).await?.map(StoredAttachment::from))
}

/// A file with the same bytes in the same conversation; it is not removed before the transaction ends.
pub async fn twin(
    db: &mut PgConnection,
    conversation: ConversationId,
    sha256: &[u8],
) -> sqlx::Result<Option<StoredAttachment>> {
    let row = select_attachments!(
        "where attachment.conversation_id = $1 and attachment.sha256 = $2
         limit 1
         for key share",
        conversation.0,
        sha256
    );
    Ok(row.fetch_optional(db).await?.map(StoredAttachment::from))
}

/// Those of these files that a person may see now: in a message that they may see, or their own and in none. Where others chose
/// the same id for files of theirs, one's own come first, and then those that were there before.
pub async fn visible(
    db: &mut PgConnection,
    user: UserId,
    ids: &[AttachmentId],
    now: Time,
) -> sqlx::Result<Vec<StoredAttachment>> {
    let rows = select_attachments!(
        "join members member
           on member.conversation_id = attachment.conversation_id and member.user_id = $1 and member.left_at is null
         left join messages message
           on message.conversation_id = attachment.conversation_id and message.seq = attachment.message_seq
         where attachment.id = any($2)
           and (attachment.message_seq is null and attachment.uploader_id = $1
                or message.seq > member.floor_seq
                   and message.deleted_at is null
                   and (message.expires_at is null or message.expires_at > $3)
                   and not exists (select from hidden_messages hidden
                                   where hidden.conversation_id = message.conversation_id and hidden.user_id = $1
                                     and hidden.message_seq = message.seq))
         order by attachment.uploader_id <> $1, attachment.created_at, attachment.conversation_id",
        user.0,
        ids as &[AttachmentId],
        now
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(StoredAttachment::from).collect())
}

/// A file that was removed, and what is to be put right after it.
#[derive(Clone, Copy, Debug)]
pub struct Removed {
    /// Whose quota it was counted against.
    pub uploader_id: UserId,
    /// How much of it.
    pub size: i64,
    /// The place that one fewer refers to.
    pub blob_id: BlobId,
}

/// Removes the files of messages.
pub async fn remove_of_messages(
    db: &mut PgConnection,
    messages: &[(ConversationId, i64)],
) -> sqlx::Result<Vec<Removed>> {
    sqlx::query_as!(
        Removed,
        r#"
        delete from attachments attachment
        using unnest($1::uuid[], $2::bigint[]) as gone(conversation_id, message_seq)
        where attachment.conversation_id = gone.conversation_id and attachment.message_seq = gone.message_seq
        returning attachment.uploader_id as "uploader_id: UserId", attachment.size, attachment.blob_id as "blob_id: BlobId"
        "#,
        &messages.iter().map(|(conversation, _)| conversation.0).collect::<Vec<_>>(),
        &messages.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(),
    )
    .fetch_all(db)
    .await
}

/// Removes some of these files that neither a message nor a plan has.
pub async fn remove_untaken(
    db: &mut PgConnection,
    conversation: ConversationId,
    ids: &[AttachmentId],
) -> sqlx::Result<Vec<Removed>> {
    sqlx::query_as!(
        Removed,
        r#"
        delete from attachments
        where conversation_id = $1 and id = any($2) and message_seq is null and plan_id is null
        returning uploader_id as "uploader_id: UserId", size, blob_id as "blob_id: BlobId"
        "#,
        conversation.0,
        ids as &[AttachmentId],
    )
    .fetch_all(db)
    .await
}

/// Removes some of the files that nothing took since a moment.
pub async fn remove_forgotten(db: &mut PgConnection, before: Time, limit: i64) -> sqlx::Result<Vec<Removed>> {
    sqlx::query_as!(
        Removed,
        r#"
        delete from attachments
        where (conversation_id, id) in (
            select conversation_id, id
            from attachments
            where message_seq is null and plan_id is null and created_at < $1
            limit $2
            for update skip locked)
        returning uploader_id as "uploader_id: UserId", size, blob_id as "blob_id: BlobId"
        "#,
        before,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Dooms those of these places that nothing refers to any more. Whoever else lets go of one waits: of two who let go at once,
/// neither could see that nobody is left.
pub async fn doom(db: &mut PgConnection, blobs: &[BlobId], now: Time) -> sqlx::Result<()> {
    sqlx::query!(
        "select id
         from blobs
         where id = any($1)
         order by id
         for update",
        blobs as &[BlobId],
    )
    .fetch_all(&mut *db)
    .await?;
    sqlx::query!(
        "update blobs blob
         set doomed_at = $2
         where id = any($1)
           and not exists (select from kept_files file where file.blob_id = blob.id)",
        blobs as &[BlobId],
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Some places whose time has come and that nothing refers to, locked until the transaction ends.
pub async fn doomed(db: &mut PgConnection, now: Time, limit: i64) -> sqlx::Result<Vec<BlobId>> {
    sqlx::query_scalar!(
        r#"
        select id as "id: BlobId"
        from blobs blob
        where doomed_at <= $1
          and not exists (select from kept_files file where file.blob_id = blob.id)
        order by doomed_at
        limit $2
        for update skip locked
        "#,
        now,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Forgets places that are empty.
pub async fn forget_blobs(db: &mut PgConnection, blobs: &[BlobId]) -> sqlx::Result<()> {
    sqlx::query!("delete from blobs where id = any($1)", blobs as &[BlobId]).execute(db).await?;
    Ok(())
}

/// Counts bytes against a person's quota; false, and nothing is counted, where it has no room for them.
pub async fn spend_quota(db: &mut PgConnection, user: UserId, bytes: i64, quota: i64) -> sqlx::Result<bool> {
    let spent = sqlx::query!(
        "insert into storage_used as used (user_id, bytes)
         select $1, $2::bigint
         where $2::bigint <= $3
         on conflict (user_id) do update set bytes = used.bytes + $2
         where used.bytes + $2 <= $3",
        user.0,
        bytes,
        quota,
    )
    .execute(db)
    .await?;
    Ok(spent.rows_affected() > 0)
}

/// Gives bytes back to people's quotas, always in the same order of people.
pub async fn refund_quota(db: &mut PgConnection, removed: &[Removed]) -> sqlx::Result<()> {
    sqlx::query!(
        "with locked as (
             select user_id
             from storage_used
             where user_id = any($1)
             order by user_id
             for update)
         update storage_used used
         set bytes = used.bytes - (select sum(gone.bytes)
                                   from unnest($1::uuid[], $2::bigint[]) as gone(user_id, bytes)
                                   where gone.user_id = used.user_id)
         from locked
         where used.user_id = locked.user_id",
        &removed.iter().map(|removed| removed.uploader_id.0).collect::<Vec<_>>(),
        &removed.iter().map(|removed| removed.size).collect::<Vec<_>>(),
    )
    .execute(db)
    .await?;
    Ok(())
}
