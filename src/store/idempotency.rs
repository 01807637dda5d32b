//! What was answered to creating requests that carried an Idempotency-Key.

use sqlx::PgExecutor;

use crate::domain::{clock::Time, ids::UserId};

/// A request that came with this key before.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// What was asked, hashed.
    pub fingerprint: Vec<u8>,
    /// The answer's status; none while it is being carried out.
    pub status: Option<i16>,
    /// The answer's body.
    pub answer: Option<String>,
}

/// Takes the key for a request, unless it is taken. One from before `expired`, or abandoned without an answer before
/// `abandoned`, counts for nothing.
pub async fn claim(
    db: impl PgExecutor<'_>,
    (user, key): (UserId, &str),
    fingerprint: &[u8],
    now: Time,
    (expired, abandoned): (Time, Time),
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into idempotency_keys (user_id, key, fingerprint, created_at)
         values ($1, $2, $3, $4)
         on conflict (user_id, key) do update
         set fingerprint = excluded.fingerprint, status = null, answer = null, created_at = excluded.created_at
         where idempotency_keys.created_at < $5
            or idempotency_keys.status is null and idempotency_keys.created_at < $6",
        user.0,
        key,
        fingerprint,
        now,
        expired,
        abandoned,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The request that has the key.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, key: &str) -> sqlx::Result<Option<Earlier>> {
    sqlx::query_as!(
        Earlier,
        "select fingerprint, status, answer
         from idempotency_keys
         where user_id = $1 and key = $2",
        user.0,
        key,
    )
    .fetch_optional(db)
    .await
}

/// Keeps the answer for retries.
pub async fn complete(
    db: impl PgExecutor<'_>,
    (user, key): (UserId, &str),
    status: i16,
    answer: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update idempotency_keys
         set status = $3, answer = $4
         where user_id = $1 and key = $2",
        user.0,
        key,
        status,
        answer,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives the key back after a request that did nothing.
pub async fn release(db: impl PgExecutor<'_>, user: UserId, key: &str) -> sqlx::Result<()> {
    sqlx::query!("delete from idempotency_keys where user_id = $1 and key = $2 and status is null", user.0, key)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets all answers to a person.
pub async fn delete_all(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from idempotency_keys where user_id = $1", user.0).execute(db).await?;
    Ok(())
}

/// Forgets answers from before a moment.
pub async fn forget(db: impl PgExecutor<'_>, before: Time) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from idempotency_keys where created_at < $1", before).execute(db).await?;
    Ok(done.rows_affected())
}
