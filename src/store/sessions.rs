//! Signed-in devices and their refresh tokens.

use sqlx::PgExecutor;

use crate::domain::{
    clock::Time,
    ids::{SessionId, UserId},
    session::{RefreshState, Session},
};

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// What the device says of itself.
    pub device: Option<&'a str>,
    /// Its first refresh token.
    pub refresh: &'a RefreshState,
    /// Now.
    pub created_at: Time,
    /// When it ends if it is not prolonged.
    pub expires_at: Time,
}

/// A session while its refresh token is judged.
#[derive(Clone, Debug)]
pub struct LockedSession {
    /// Whose.
    pub user_id: UserId,
    /// What its refresh tokens must fit.
    pub refresh: RefreshState,
    /// When it ends if it is not prolonged.
    pub expires_at: Time,
    /// When it was ended.
    pub revoked_at: Option<Time>,
}

/// What an access token's session says of its bearer.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The person's roles.
    pub roles: Vec<String>,
    /// Until when the person is banned.
    pub banned_until: Option<Time>,
    /// When the session was ended.
    pub revoked_at: Option<Time>,
    /// When it was last heard of.
    pub last_used_at: Time,
}

/// Begins a session.
pub async fn insert(db: impl PgExecutor<'_>, session: NewSession<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into sessions (id, user_id, device, mark_hash, refresh_hash, created_at, last_used_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $6, $7)",
        session.id.0,
        session.user_id.0,
        session.device,
        session.refresh.mark_hash,
        session.refresh.refresh_hash,
        session.created_at,
        session.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The session, locked until the transaction ends.
pub async fn lock(db: impl PgExecutor<'_>, id: SessionId) -> sqlx::Result<Option<LockedSession>> {
    let row = sqlx::query!(
        r#"
        select user_id as "user_id: UserId", mark_hash, refresh_hash, previous_refresh_hash, sealed_refresh,
               expires_at, revoked_at
        from sessions
        where id = $1
        for no key update
        "#,
        id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| LockedSession {
        user_id: row.user_id,
        refresh: RefreshState {
            mark_hash: row.mark_hash,
            refresh_hash: row.refresh_hash,
            previous_refresh_hash: row.previous_refresh_hash,
            sealed_refresh: row.sealed_refresh,
        },
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    }))
}

/// Follows the refresh token with the next one, and prolongs the session.
pub async fn rotate(
    db: impl PgExecutor<'_>,
    id: SessionId,
    refresh: &RefreshState,
    now: Time,
    expires_at: Time,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update sessions
         set refresh_hash = $2, previous_refresh_hash = $3, sealed_refresh = $4, last_used_at = $5, expires_at = $6
         where id = $1",
        id.0,
        refresh.refresh_hash,
        refresh.previous_refresh_hash,
        refresh.sealed_refresh,
        now,
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The bearer of an access token for this person's session.
pub async fn bearer(db: impl PgExecutor<'_>, id: SessionId, user: UserId) -> sqlx::Result<Option<Bearer>> {
    sqlx::query_as!(
        Bearer,
        "select person.roles, person.banned_until, session.revoked_at, session.last_used_at
         from sessions session
         join users person on person.id = session.user_id
         where session.id = $1 and session.user_id = $2 and person.deleted_at is null",
        id.0,
        user.0,
    )
    .fetch_optional(db)
    .await
}

/// Notes that the session was heard of.
pub async fn touch(db: impl PgExecutor<'_>, id: SessionId, now: Time) -> sqlx::Result<()> {
    sqlx::query!("update sessions set last_used_at = $2 where id = $1 and last_used_at < $2", id.0, now)
        .execute(db)
        .await?;
    Ok(())
}

/// A person's sessions that go on, newest first, begun before the session `before`.
pub async fn list(
    db: impl PgExecutor<'_>,
    user: UserId,
    now: Time,
    before: Option<SessionId>,
    limit: usize,
) -> sqlx::Result<Vec<Session>> {
    sqlx::query_as!(
        Session,
        r#"
        select id as "id: SessionId", device, created_at, last_used_at
        from sessions
        where user_id = $1 and revoked_at is null and expires_at > $2 and ($3::uuid is null or id < $3)
        order by id desc
        limit $4
        "#,
        user.0,
        now,
        before.map(|id| id.0),
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// Ends one of a person's sessions; false where there is none that goes on.
pub async fn revoke(db: impl PgExecutor<'_>, id: SessionId, user: UserId, now: Time) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update sessions
         set revoked_at = $3
         where id = $1 and user_id = $2 and revoked_at is null",
        id.0,
        user.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends all of a person's sessions but one, and says which those were.
pub async fn revoke_others(
    db: impl PgExecutor<'_>,
    user: UserId,
    except: Option<SessionId>,
    now: Time,
) -> sqlx::Result<Vec<SessionId>> {
    sqlx::query_scalar!(
        r#"
        update sessions
        set revoked_at = $3
        where user_id = $1 and revoked_at is null and id is distinct from $2
        returning id as "id: SessionId"
        "#,
        user.0,
        except.map(|id| id.0),
        now,
    )
    .fetch_all(db)
    .await
}

/// Deletes all of a person's sessions, with what their devices said of themselves.
pub async fn delete_all(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from sessions where user_id = $1", user.0).execute(db).await?;
    Ok(())
}

/// Forgets sessions that ended, or were not prolonged, before a moment.
pub async fn forget(db: impl PgExecutor<'_>, before: Time) -> sqlx::Result<u64> {
    let done =
        sqlx::query!("delete from sessions where revoked_at < $1 or expires_at < $1", before).execute(db).await?;
    Ok(done.rows_affected())
}
