//! Creating requests that carried an Idempotency-Key, and what each made.

use serde_json::Value;
use sqlx::PgExecutor;

use crate::domain::{clock::Time, ids::UserId};

/// A request that came with this key before.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// What was asked, hashed.
    pub fingerprint: Vec<u8>,
    /// The answer's status; none while it is being carried out.
    pub status: Option<i16>,
    /// Ids of what the answer was of.
    pub receipt: Option<Value>,
}

/// Takes the key for a request, unless it is taken. One from before `expired`, or abandoned before `abandoned`, counts for
/// nothing.
pub async fn claim(
    db: impl PgExecutor<'_>,
    (owner, key): (UserId, &str),
    fingerprint: &[u8],
    now: Time,
    (expired, abandoned): (Time, Time),
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into idempotency_keys (user_id, key, fingerprint, created_at)
         values ($1, $2, $3, $4)
         on conflict (user_id, key) do update
         set fingerprint = excluded.fingerprint, status = null, receipt = null, created_at = excluded.created_at
         where idempotency_keys.created_at < $5
            or idempotency_keys.status is null and idempotency_keys.created_at < $6",
        owner.0,
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
pub async fn find(db: impl PgExecutor<'_>, owner: UserId, key: &str) -> sqlx::Result<Option<Earlier>> {
    sqlx::query_as!(
        Earlier,
        "select fingerprint, status, receipt
         from idempotency_keys
         where user_id = $1 and key = $2",
        owner.0,
        key,
    )
    .fetch_optional(db)
    .await
}

/// Keeps what was made for retries; false where the key, claimed then, is another request's meanwhile.
pub async fn settle(
    db: impl PgExecutor<'_>,
    (owner, key): (UserId, &str),
    claimed_at: Time,
    status: i16,
    receipt: &Value,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update idempotency_keys
         set status = $4, receipt = $5
         where user_id = $1 and key = $2 and created_at = $3 and status is null",
        owner.0,
        key,
        claimed_at,
        status,
        receipt,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Gives the key, claimed then, back after a request that did nothing.
pub async fn release(db: impl PgExecutor<'_>, (owner, key): (UserId, &str), claimed_at: Time) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from idempotency_keys
         where user_id = $1 and key = $2 and created_at = $3 and status is null",
        owner.0,
        key,
        claimed_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets all keys of a person.
pub async fn delete_all(db: impl PgExecutor<'_>, owner: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from idempotency_keys where user_id = $1", owner.0).execute(db).await?;
    Ok(())
}

/// Forgets keys from before a moment.
pub async fn forget(db: impl PgExecutor<'_>, before: Time) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from idempotency_keys where created_at < $1", before).execute(db).await?;
    Ok(done.rows_affected())
}
