//! Secrets that all nodes share.

use sqlx::PgExecutor;

/// The secret of this name; the candidate becomes it where there is none yet, for whoever comes first.
pub async fn get_or_create(db: impl PgExecutor<'_>, name: &str, candidate: &[u8]) -> sqlx::Result<Vec<u8>> {
    sqlx::query_scalar!(
        "insert into secrets (name, value)
         values ($1, $2)
         on conflict (name) do update
         set value = secrets.value
         returning value",
        name,
        candidate,
    )
    .fetch_one(db)
    .await
}
