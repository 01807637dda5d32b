//! Who does not want to hear from whom.

use serde_json::Value;
use sqlx::PgExecutor;

use crate::domain::{
    clock::Time,
    ids::{BlobId, UserId},
    user::Block,
};

struct BlockRow {
    id: UserId,
    external_id: Option<String>,
    username: Option<String>,
    display_name: String,
    avatar: Option<BlobId>,
    metadata: Value,
    roles: Vec<String>,
    created_at: Time,
    blocked_at: Time,
}

/// Blocks somebody; false where it was so already.
pub async fn insert(db: impl PgExecutor<'_>, user: UserId, blocked: UserId, now: Time) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into blocks (user_id, blocked_id, created_at)
         values ($1, $2, $3)
         on conflict (user_id, blocked_id) do nothing",
        user.0,
        blocked.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Blocks somebody no more; false where it was so already.
pub async fn delete(db: impl PgExecutor<'_>, user: UserId, blocked: UserId) -> sqlx::Result<bool> {
    let done = sqlx::query!("delete from blocks where user_id = $1 and blocked_id = $2", user.0, blocked.0)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Whether somebody and one of these people block each other, whichever of the two it is.
pub async fn is_between(db: impl PgExecutor<'_>, user: UserId, others: &[UserId]) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select from unnest($2::uuid[]) as other(id)
            join blocks block on (block.user_id, block.blocked_id) in (($1, other.id), (other.id, $1))) as "is_between!"
        "#,
        user.0,
        others as &[UserId],
    )
    .fetch_one(db)
    .await
}

/// Between whom and somebody a block stands, whosever it is.
pub async fn around(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        select blocked_id as "id!: UserId"
        from blocks
        where user_id = $1
        union
        select user_id
        from blocks
        where blocked_id = $1
        "#,
        user.0,
    )
    .fetch_all(db)
    .await
}

/// One of a person's blocks.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, blocked: UserId) -> sqlx::Result<Option<Block>> {
    let row = sqlx::query_as!(
        BlockRow,
        r#"
        select person.id as "id: UserId", person.external_id, person.username, person.display_name,
               person.avatar_id as "avatar: BlobId", person.metadata,
               person.roles, person.created_at, block.created_at as blocked_at
        from blocks block
        join users person on person.id = block.blocked_id
        where block.user_id = $1 and block.blocked_id = $2
        "#,
        user.0,
        blocked.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Block::from))
}

/// Whom a person blocks, newest first, from after the place `before`.
pub async fn list(
    db: impl PgExecutor<'_>,
    user: UserId,
    before: Option<(Time, UserId)>,
    limit: usize,
) -> sqlx::Result<Vec<Block>> {
    let (before_at, before_id) = before.unzip();
    let rows = sqlx::query_as!(
        BlockRow,
        r#"
        select person.id as "id: UserId", person.external_id, person.username, person.display_name,
               person.avatar_id as "avatar: BlobId", person.metadata,
               person.roles, person.created_at, block.created_at as blocked_at
        from blocks block
        join users person on person.id = block.blocked_id
        where block.user_id = $1
          and ($2::timestamptz is null or (block.created_at, block.blocked_id) < ($2, $3::uuid))
        order by block.created_at desc, block.blocked_id desc
        limit $4
        "#,
        user.0,
        before_at,
        before_id.map(|id| id.0),
        limit as i64,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Block::from).collect())
}

impl From<BlockRow> for Block {
    fn from(row: BlockRow) -> Self {
        let profile = profile!(row.id, row);
        Self { profile, created_at: row.blocked_at }
    }
}
