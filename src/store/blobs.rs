//! Places in the store of files, against what is there and who needs it.

use sqlx::PgConnection;

use crate::domain::{clock::Time, ids::BlobId};

/// A place, and one of the files that somebody needs there, if there is any.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which place.
    pub blob_id: BlobId,
    /// From when on it may be removed, if it may.
    pub doomed_at: Option<Time>,
    /// The name of the file.
    pub name: Option<String>,
    /// Its bytes, where that is known.
    pub size: Option<i64>,
}

/// The places after one, in order, each with all files that somebody needs there.
pub async fn after(db: &mut PgConnection, after: BlobId, limit: i64) -> sqlx::Result<Vec<Place>> {
    sqlx::query_as!(
        Place,
        r#"
        select blob.id as "blob_id: BlobId", blob.doomed_at, file.name as "name?", file.size as "size?"
        from (select id, doomed_at from blobs where id > $1 order by id limit $2) blob
        left join kept_files file on file.blob_id = blob.id
        order by blob.id
        "#,
        after.0,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Those of these places that are written down, or that somebody needs.
pub async fn known(db: &mut PgConnection, blobs: &[BlobId]) -> sqlx::Result<Vec<BlobId>> {
    sqlx::query_scalar!(
        r#"
        select found.id as "id!: BlobId"
        from unnest($1::uuid[]) as found(id)
        where exists (select from blobs blob where blob.id = found.id)
           or exists (select from kept_files file where file.blob_id = found.id)
        "#,
        blobs as &[BlobId],
    )
    .fetch_all(db)
    .await
}

/// Whether somebody needs a file.
pub async fn is_needed(db: &mut PgConnection, blob: BlobId, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from kept_files where blob_id = $1 and name = $2) as "is_needed!""#,
        blob.0,
        name,
    )
    .fetch_one(db)
    .await
}

/// Some places that somebody needs and that are not written down.
pub async fn unwritten(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<BlobId>> {
    sqlx::query_scalar!(
        r#"
        select distinct file.blob_id as "blob_id!: BlobId"
        from kept_files file
        where not exists (select from blobs blob where blob.id = file.blob_id)
        limit $1
        "#,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Writes places down that somebody needs.
pub async fn write(db: &mut PgConnection, blobs: &[BlobId]) -> sqlx::Result<()> {
    sqlx::query!("insert into blobs (id) select unnest($1::uuid[]) on conflict do nothing", blobs as &[BlobId])
        .execute(db)
        .await?;
    Ok(())
}
