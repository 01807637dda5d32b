//! People.

use sqlx::PgExecutor;

use crate::domain::{
    clock::Time,
    error::{Error, Result},
    ids::{BlobId, SessionId, UserId},
    user::{DELETED_NAME, Profile, ProfileChange, User},
};

/// Somebody new.
#[derive(Clone, Debug)]
pub struct NewUser<'a> {
    /// Who.
    pub id: UserId,
    /// The name to sign in with.
    pub username: &'a str,
    /// The name to show.
    pub display_name: &'a str,
    /// The address to sign in with.
    pub email: Option<&'a str>,
    /// Proves who it is.
    pub password_hash: &'a str,
    /// Now.
    pub created_at: Time,
}

/// Somebody for whom the host application vouches.
#[derive(Clone, Copy, Debug)]
pub struct Vouched<'a> {
    /// The host application's id.
    pub external_id: &'a str,
    /// The name to show; the one that is there stays where it says none.
    pub display_name: Option<&'a str>,
    /// The name to show where there never was one.
    pub first_name: &'a str,
    /// The roles; those that are there stay where it says none.
    pub roles: Option<&'a [String]>,
}

/// What lets somebody in, or keeps them out.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who.
    pub id: UserId,
    /// The name to show.
    pub display_name: String,
    /// The roles.
    pub roles: Vec<String>,
    /// Until when the person is banned.
    pub banned_until: Option<Time>,
}

/// What a password is checked against.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Who.
    pub id: UserId,
    /// Of the password; none where the host application signs people in.
    pub password_hash: Option<String>,
    /// Until when the person is banned.
    pub banned_until: Option<Time>,
}

/// Who comes, and how far their own log goes.
#[derive(Clone, Debug)]
pub struct Arriving {
    /// Who.
    pub user: User,
    /// The head of their own log.
    pub own_seq: i64,
    /// Until when they are banned.
    pub banned_until: Option<Time>,
}

impl Vouched<'_> {
    /// Whether the person is already known just so.
    pub fn says_nothing_new(&self, standing: &Standing) -> bool {
        self.display_name.is_none_or(|name| name == standing.display_name)
            && self.roles.is_none_or(|roles| roles == standing.roles)
    }
}

/// Makes an account.
pub async fn insert(db: impl PgExecutor<'_>, user: NewUser<'_>) -> Result<()> {
    sqlx::query!(
        "insert into users (id, username, display_name, email, password_hash, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        user.id.0,
        user.username,
        user.display_name,
        user.email,
        user.password_hash,
        user.created_at,
    )
    .execute(db)
    .await
    .map_err(taken)?;
    Ok(())
}

/// Makes the person for whom the host application vouches; nobody where they are there already.
pub async fn insert_vouched(
    db: impl PgExecutor<'_>,
    id: UserId,
    vouched: Vouched<'_>,
    now: Time,
) -> sqlx::Result<Option<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"
        insert into users (id, external_id, display_name, roles, created_at)
        values ($1, $2, coalesce($3, $6), coalesce($4::text[], '{}'), $5)
        on conflict (external_id) do nothing
        returning id as "id: UserId", display_name, roles, banned_until
        "#,
        id.0,
        vouched.external_id,
        vouched.display_name,
        vouched.roles,
        now,
        vouched.first_name,
    )
    .fetch_optional(db)
    .await
}

/// Takes over what the host application says of somebody now; nobody where they are gone.
pub async fn take_over(db: impl PgExecutor<'_>, id: UserId, vouched: Vouched<'_>) -> sqlx::Result<Option<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"
        update users
        set display_name = coalesce($2, display_name), roles = coalesce($3, roles)
        where id = $1 and deleted_at is null
        returning id as "id: UserId", display_name, roles, banned_until
        "#,
        id.0,
        vouched.display_name,
        vouched.roles,
    )
    .fetch_optional(db)
    .await
}

/// The person whom the host application calls so.
pub async fn by_external_id(db: impl PgExecutor<'_>, external_id: &str) -> sqlx::Result<Option<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"
        select id as "id: UserId", display_name, roles, banned_until
        from users
        where external_id = $1
        "#,
        external_id,
    )
    .fetch_optional(db)
    .await
}

/// The person, with what only they themselves may see.
pub async fn find(db: impl PgExecutor<'_>, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        select id as "id: UserId", external_id, username, display_name, avatar_id as "avatar: BlobId",
               email, metadata, roles, created_at
        from users
        where id = $1
        "#,
        id.0,
    )
    .fetch_optional(db)
    .await
}

/// Who comes by a proof from a while ago, which need not be of a session; nobody where the person or the session is no more.
pub async fn arriving(
    db: impl PgExecutor<'_>,
    id: UserId,
    session: Option<SessionId>,
) -> sqlx::Result<Option<Arriving>> {
    let row = sqlx::query!(
        r#"
        select id as "id: UserId", external_id, username, display_name, avatar_id as "avatar: BlobId",
               email, metadata, roles, created_at, own_seq, banned_until
        from users person
        where id = $1 and deleted_at is null
          and ($2::uuid is null
               or exists (
                   select from sessions session
                   where session.id = $2 and session.user_id = person.id and session.revoked_at is null))
        "#,
        id.0,
        session.map(|id| id.0),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let user = User {
            id: row.id,
            external_id: row.external_id,
            username: row.username,
            display_name: row.display_name,
            avatar: row.avatar,
            email: row.email,
            metadata: row.metadata,
            roles: row.roles,
            created_at: row.created_at,
        };
        Arriving { user, own_seq: row.own_seq, banned_until: row.banned_until }
    }))
}

/// People as others see them, in no order; who is not there is left out.
pub async fn profiles(db: impl PgExecutor<'_>, ids: &[UserId]) -> sqlx::Result<Vec<Profile>> {
    sqlx::query_as!(
        Profile,
        r#"
        select id as "id: UserId", external_id, username, display_name, avatar_id as "avatar: BlobId",
               metadata, roles, created_at
        from users
        where id = any($1)
        "#,
        ids as &[UserId],
    )
    .fetch_all(db)
    .await
}

/// The same by the host application's ids.
pub async fn profiles_by_external_id(db: impl PgExecutor<'_>, ids: &[String]) -> sqlx::Result<Vec<Profile>> {
    sqlx::query_as!(
        Profile,
        r#"
        select id as "id: UserId", external_id, username, display_name, avatar_id as "avatar: BlobId",
               metadata, roles, created_at
        from users
        where external_id = any($1)
        order by external_id
        "#,
        ids,
    )
    .fetch_all(db)
    .await
}

/// What those of these people are in the application whose account was not deleted.
pub async fn roles(db: impl PgExecutor<'_>, ids: &[UserId]) -> sqlx::Result<Vec<(UserId, Vec<String>)>> {
    let rows = sqlx::query!(
        r#"
        select id as "id: UserId", roles
        from users
        where id = any($1) and deleted_at is null
        "#,
        ids as &[UserId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.roles)).collect())
}

/// The same, none of whom goes or becomes anything else until the transaction ends.
pub async fn hold_roles(db: impl PgExecutor<'_>, ids: &[UserId]) -> sqlx::Result<Vec<(UserId, Vec<String>)>> {
    let rows = sqlx::query!(
        r#"
        select id as "id: UserId", roles
        from users
        where id = any($1) and deleted_at is null
        order by id
        for share
        "#,
        ids as &[UserId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.roles)).collect())
}

/// The account of this username or e-mail address.
pub async fn credentials(db: impl PgExecutor<'_>, login: &str) -> sqlx::Result<Option<Credentials>> {
    // No username has an @, and no address is without.
    sqlx::query_as!(
        Credentials,
        r#"
        select id as "id: UserId", password_hash, banned_until
        from users
        where lower(username) = lower($1) or lower(email) = lower($1)
        "#,
        login,
    )
    .fetch_optional(db)
    .await
}

/// The same by id, unchanged until the transaction ends.
pub async fn hold_credentials(db: impl PgExecutor<'_>, id: UserId) -> sqlx::Result<Option<Credentials>> {
    sqlx::query_as!(
        Credentials,
        r#"
        select id as "id: UserId", password_hash, banned_until
        from users
        where id = $1 and deleted_at is null
        for share
        "#,
        id.0,
    )
    .fetch_optional(db)
    .await
}

/// Replaces a password, if it is still the one that was checked.
pub async fn replace_password(db: impl PgExecutor<'_>, id: UserId, old: &str, new: &str) -> sqlx::Result<bool> {
    let done = sqlx::query!("update users set password_hash = $3 where id = $1 and password_hash = $2", id.0, old, new)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Changes a profile; none where the person is gone.
pub async fn update(db: impl PgExecutor<'_>, id: UserId, change: &ProfileChange) -> Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        update users
        set display_name = coalesce($2, display_name),
            email = case when $3 then $4 else email end,
            metadata = coalesce($5, metadata)
        where id = $1 and deleted_at is null
        returning id as "id: UserId", external_id, username, display_name, avatar_id as "avatar: BlobId",
               email, metadata, roles, created_at
        "#,
        id.0,
        change.display_name,
        change.email.is_some(),
        change.email.as_ref().and_then(Option::as_deref),
        change.metadata,
    )
    .fetch_optional(db)
    .await
    .map_err(taken)
}

/// Clears all that tells who somebody was; false where that was done already.
pub async fn anonymise(db: impl PgExecutor<'_>, id: UserId, now: Time) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update users
         set external_id = null, username = null, email = null, password_hash = null, display_name = $2,
             metadata = '{}', roles = '{}', last_seen_at = null, deleted_at = $3
         where id = $1 and deleted_at is null",
        id.0,
        DELETED_NAME,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Whether somebody may come in: they are there, and not banned now.
pub async fn may_come_in(db: impl PgExecutor<'_>, id: UserId, now: Time) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select
            from users
            where id = $1 and deleted_at is null and (banned_until is null or banned_until <= $2)) as "may!"
        "#,
        id.0,
        now,
    )
    .fetch_one(db)
    .await
}

/// Keeps somebody out until a moment, or lets them in again; false where there is no such person.
pub async fn set_banned_until(db: impl PgExecutor<'_>, id: UserId, until: Option<Time>) -> sqlx::Result<bool> {
    let done = sqlx::query!("update users set banned_until = $2 where id = $1 and deleted_at is null", id.0, until)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Replaces somebody's roles; false where there is no such person.
pub async fn set_roles(db: impl PgExecutor<'_>, id: UserId, roles: &[String]) -> sqlx::Result<bool> {
    let done = sqlx::query!("update users set roles = $2 where id = $1 and deleted_at is null", id.0, roles)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Two names are unique among people, whichever is written first.
fn taken(error: sqlx::Error) -> Error {
    match error.as_database_error().and_then(|database| database.constraint()) {
        Some("users_username_key") => Error::Taken("username"),
        Some("users_email_key") => Error::Taken("email"),
        _ => error.into(),
    }
}
