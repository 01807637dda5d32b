//! The pictures of people and groups: which one each has now.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::{BlobId, UserId};

/// Gives a person another picture, or none; answers with the one before. Nothing where there is no such person.
pub async fn replace(
    db: &mut PgConnection,
    user: UserId,
    avatar: Option<BlobId>,
) -> sqlx::Result<Option<Option<BlobId>>> {
    sqlx::query_scalar!(
        r#"
        with before as (
            select id, avatar_id
            from users
            where id = $1 and deleted_at is null
            for no key update)
        update users
        set avatar_id = $2
        from before
        where users.id = before.id
        returning before.avatar_id as "avatar: BlobId"
        "#,
        user.0,
        avatar as Option<BlobId>,
    )
    .fetch_optional(db)
    .await
}

/// Whether this is the picture that a person or a group has now.
pub async fn is_current(db: &mut PgConnection, owner: Uuid, avatar: BlobId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists (select from users where id = $1 and avatar_id = $2)
            or exists (select from conversations where id = $1 and avatar_id = $2) as "is_current!"
        "#,
        owner,
        avatar.0,
    )
    .fetch_one(db)
    .await
}
