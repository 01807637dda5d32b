//! When people were last seen.

use sqlx::PgExecutor;

use crate::domain::{clock::Time, ids::UserId};

/// When these people were last seen.
pub async fn last_seen(db: impl PgExecutor<'_>, ids: &[UserId]) -> sqlx::Result<Vec<(UserId, Option<Time>)>> {
    let rows =
        sqlx::query!(r#"select id as "id: UserId", last_seen_at from users where id = any($1)"#, ids as &[UserId],)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.last_seen_at)).collect())
}

/// Keeps when people were last seen, off every path that somebody waits for.
pub async fn keep_last_seen(db: impl PgExecutor<'_>, seen: &[(UserId, Time)]) -> sqlx::Result<()> {
    let (ids, times): (Vec<_>, Vec<_>) = seen.iter().map(|(user, at)| (user.0, *at)).unzip();
    sqlx::query!(
        "update users
         set last_seen_at = greatest(last_seen_at, seen.at)
         from unnest($1::uuid[], $2::timestamptz[]) as seen(id, at)
         where users.id = seen.id",
        &ids,
        &times,
    )
    .execute(db)
    .await?;
    Ok(())
}
