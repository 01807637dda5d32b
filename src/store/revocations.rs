//! Sessions that ended, for every node to learn of, whatever becomes of the bus.

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::domain::{
    clock::Time,
    event::Revocation,
    ids::{SessionId, UserId},
    session::RevocationReason,
};

/// Writes down revocations, in the transaction that makes them.
pub async fn insert(db: impl PgExecutor<'_>, revocations: &[Revocation], reason: RevocationReason) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = revocations.iter().map(|_| Uuid::now_v7()).collect();
    let users: Vec<Uuid> = revocations.iter().map(|revocation| revocation.user_id.0).collect();
    let sessions: Vec<Option<Uuid>> =
        revocations.iter().map(|revocation| revocation.session_id.map(|id| id.0)).collect();
    sqlx::query!(
        "insert into revocations (id, user_id, session_id, reason)
         select id, user_id, session_id, $4
         from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as ended (id, user_id, session_id)",
        &ids,
        &users,
        &sessions as &[Option<Uuid>],
        reason as RevocationReason,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What was revoked since a moment of the database's clock, oldest first.
pub async fn since(db: impl PgExecutor<'_>, at: Time) -> sqlx::Result<Vec<(Time, Revocation)>> {
    let rows = sqlx::query!(
        r#"
        select at, user_id as "user_id: UserId", session_id as "session_id: SessionId"
        from revocations
        where at >= $1
        order by at
        "#,
        at,
    )
    .fetch_all(db)
    .await?;
    let revocation = |user_id, session_id| Revocation { user_id, session_id };
    Ok(rows.into_iter().map(|row| (row.at, revocation(row.user_id, row.session_id))).collect())
}

/// Makes what the host application issued for somebody before a moment worthless.
pub async fn void_host_tokens(db: impl PgExecutor<'_>, external_id: &str, issued_before: Time) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into voided_host_tokens (external_id_hash, issued_before)
         values (sha256(convert_to($1, 'UTF8')), $2)
         on conflict (external_id_hash) do update
         set issued_before = excluded.issued_before",
        external_id,
        issued_before,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whether what the host application issued for somebody at this moment is worthless.
pub async fn is_host_token_void(db: impl PgExecutor<'_>, external_id: &str, issued_at: Time) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select from voided_host_tokens
            where external_id_hash = sha256(convert_to($1, 'UTF8')) and issued_before > $2) as "is_void!"
        "#,
        external_id,
        issued_at,
    )
    .fetch_one(db)
    .await
}

/// Forgets what no token of ours outlives any more. How long the host application's live only it knows: who was deleted stays
/// deleted for all of them.
pub async fn forget(db: impl PgExecutor<'_>, before: Time) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from revocations where at < $1", before).execute(db).await?;
    Ok(done.rows_affected())
}
