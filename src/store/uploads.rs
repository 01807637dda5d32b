//! Files on their way in, and the parts of them that have come.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    ids::{AttachmentId, BlobId, ConversationId, UserId},
    upload::Upload,
};

/// What a person takes up already.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// Uploads that are not complete.
    pub open: i64,
    /// The bytes that they announced.
    pub announced: i64,
    /// Bytes of files that are there.
    pub kept: i64,
}

/// What a person takes up already.
pub async fn tally(db: &mut PgConnection, user: UserId, now: Time) -> sqlx::Result<Tally> {
    sqlx::query_as!(
        Tally,
        r#"
        select count(*) as "open!",
               coalesce(sum(size), 0)::bigint as "announced!",
               coalesce((select bytes from storage_used where user_id = $1), 0) as "kept!"
        from uploads
        where uploader_id = $1 and received < size and expires_at > $2
        "#,
        user.0,
        now,
    )
    .fetch_one(db)
    .await
}

/// Writes an upload that is announced.
pub async fn insert(db: &mut PgConnection, upload: &Upload) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into uploads (uploader_id, id, conversation_id, filename, size, received, metadata, waveform, blob_id,
                              sha256, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        upload.uploader_id.0,
        upload.id.0,
        upload.conversation_id.0,
        upload.filename,
        upload.size,
        upload.received,
        upload.metadata,
        upload.waveform,
        upload.place.map(|place| place.0),
        upload.sha256,
        upload.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One's own upload, as long as it is not late and one is a member of where it goes to.
pub async fn find(
    db: &mut PgConnection,
    uploader: UserId,
    id: AttachmentId,
    now: Time,
) -> sqlx::Result<Option<Upload>> {
    sqlx::query_as!(
        Upload,
        r#"
        select upload.uploader_id as "uploader_id: UserId", upload.id as "id: AttachmentId",
               upload.conversation_id as "conversation_id: ConversationId", filename, size, received, metadata,
               waveform, blob_id as "place: BlobId", sha256, expires_at
        from uploads upload
        join members member
          on member.conversation_id = upload.conversation_id and member.user_id = $1 and member.left_at is null
        where upload.uploader_id = $1 and upload.id = $2 and upload.expires_at > $3
        "#,
        uploader.0,
        id.0,
        now,
    )
    .fetch_optional(db)
    .await
}

/// How many bytes of an upload are in, locked until the transaction ends; nothing where it is gone.
pub async fn lock(db: &mut PgConnection, upload: &Upload) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "select received from uploads where uploader_id = $1 and id = $2 for update",
        upload.uploader_id.0,
        upload.id.0,
    )
    .fetch_optional(db)
    .await
}

/// Adds bytes that have come to an upload as it is known, unless it has moved on meanwhile; whether they were added.
pub async fn add_part(db: &mut PgConnection, upload: &Upload, (blob, bytes): (BlobId, i64)) -> sqlx::Result<bool> {
    let added = sqlx::query!(
        "with grown as (
             update uploads
             set received = received + $4
             where uploader_id = $1 and id = $2 and received = $3
             returning uploader_id, id)
         insert into upload_parts (uploader_id, upload_id, start, blob_id)
         select grown.uploader_id, grown.id, $3, $5
         from grown",
        upload.uploader_id.0,
        upload.id.0,
        upload.received,
        bytes,
        blob.0,
    )
    .execute(db)
    .await?;
    Ok(added.rows_affected() > 0)
}

/// Where the parts of an upload are, in their order.
pub async fn parts(db: &mut PgConnection, upload: &Upload) -> sqlx::Result<Vec<BlobId>> {
    sqlx::query_scalar!(
        r#"
        select blob_id as "blob_id: BlobId"
        from upload_parts
        where uploader_id = $1 and upload_id = $2 and start < $3
        order by start
        "#,
        upload.uploader_id.0,
        upload.id.0,
        upload.received,
    )
    .fetch_all(db)
    .await
}

/// Marks an upload as complete, unless it has moved on meanwhile; whether it was.
pub async fn complete(db: &mut PgConnection, upload: &Upload) -> sqlx::Result<bool> {
    let completed = sqlx::query!(
        "update uploads set received = size where uploader_id = $1 and id = $2 and received = $3",
        upload.uploader_id.0,
        upload.id.0,
        upload.received,
    )
    .execute(db)
    .await?;
    Ok(completed.rows_affected() > 0)
}

/// Forgets the parts of an upload; answers with where they are.
pub async fn remove_parts(db: &mut PgConnection, uploader: UserId, id: AttachmentId) -> sqlx::Result<Vec<BlobId>> {
    sqlx::query_scalar!(
        r#"delete from upload_parts where uploader_id = $1 and upload_id = $2 returning blob_id as "blob_id: BlobId""#,
        uploader.0,
        id.0,
    )
    .fetch_all(db)
    .await
}

/// Forgets an upload whose parts are forgotten.
pub async fn remove(db: &mut PgConnection, uploader: UserId, id: AttachmentId) -> sqlx::Result<()> {
    sqlx::query!("delete from uploads where uploader_id = $1 and id = $2", uploader.0, id.0).execute(db).await?;
    Ok(())
}

/// Somebody who deleted their account and has uploads; locked until the transaction ends.
pub async fn claim_erased(db: &mut PgConnection) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"
        select user_id as "user_id: UserId"
        from erasures erasure
        where exists (select from uploads upload where upload.uploader_id = erasure.user_id)
        limit 1
        for update skip locked
        "#,
    )
    .fetch_optional(db)
    .await
}

/// Locks all uploads of somebody until the transaction ends.
pub async fn lock_all(db: &mut PgConnection, uploader: UserId) -> sqlx::Result<()> {
    sqlx::query!("select from uploads where uploader_id = $1 order by id for update", uploader.0).execute(db).await?;
    Ok(())
}

/// Forgets the parts of all uploads of somebody; answers with where they are.
pub async fn remove_all_parts(db: &mut PgConnection, uploader: UserId) -> sqlx::Result<Vec<BlobId>> {
    sqlx::query_scalar!(
        r#"delete from upload_parts where uploader_id = $1 returning blob_id as "blob_id: BlobId""#,
        uploader.0,
    )
    .fetch_all(db)
    .await
}

/// Forgets all uploads of somebody; answers with where those go that go by themselves.
pub async fn remove_all(db: &mut PgConnection, uploader: UserId) -> sqlx::Result<Vec<BlobId>> {
    let places = sqlx::query_scalar!(
        r#"delete from uploads where uploader_id = $1 returning blob_id as "place: BlobId""#,
        uploader.0,
    );
    Ok(places.fetch_all(db).await?.into_iter().flatten().collect())
}

/// Forgets some uploads that are late, with their parts, whose places are doomed already; answers with how many.
pub async fn remove_late(db: &mut PgConnection, now: Time, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query!(
        "delete from uploads
         where (uploader_id, id) in (
             select uploader_id, id
             from uploads
             where expires_at <= $1
             limit $2
             for update skip locked)",
        now,
        limit,
    )
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
