//! Accounts: how people come, prove who they are, and go.

use std::{net::IpAddr, time::Duration};

use chrono::TimeDelta;
use serde_json::json;
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Context, avatars,
    idempotency::Turn,
    members,
    sessions::{self, SignedIn},
};
use crate::{
    cluster::limits::Share,
    domain::{
        clock::Time,
        error::{AuthFailure, Conflict, Error, Result},
        event::Revocation,
        ids::UserId,
        limits::{self, Limit},
        moderation::{Actor, AuditAction, AuditEntry},
        session::{CLOCK_SKEW, RevocationReason},
        text,
        user::{self, Caller, User},
    },
    store::{
        erasures, idempotency,
        moderation::audit,
        revocations, scheduled, sessions as session_rows,
        users::{self as rows, Credentials, NewUser},
    },
};

/// A ban without an end lasts this long: longer than anybody.
const FOREVER: TimeDelta = TimeDelta::days(365_000);
/// How long the deletion of an account may take before it is answered although its owner is still in groups.
const LEAVING_AWAITED: Duration = Duration::from_secs(3);
/// How long its owner leaves groups then; as long as no worker does it.
const LEAVING: Duration = Duration::from_mins(1);

/// What somebody new says of themselves.
#[derive(Clone)]
pub struct Registration {
    /// The name to sign in with.
    pub username: String,
    /// To prove who it is next time.
    pub password: String,
    /// The name to show; the username where there is none.
    pub display_name: Option<String>,
    /// Another name to sign in with, which nobody else sees.
    pub email: Option<String>,
}

/// From where somebody signs in.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The client's address.
    pub address: IpAddr,
    /// What the device says of itself.
    pub device: Option<String>,
}

impl Registration {
    fn check(&self) -> Result<()> {
        user::check_username(&self.username)?;
        user::check_password("password", &self.password)?;
        if let Some(name) = &self.display_name {
            text::check_name("display_name", name, limits::NAME_CHARACTERS)?;
        }
        self.email.as_deref().map_or(Ok(()), user::check_email)
    }
}

/// Counts one more account, before anything is written down of it.
pub async fn admit(ctx: &Context, visit: &Visit) -> Result<()> {
    spend(ctx, Limit::Registrations, address_key(visit.address)).await
}

/// Makes an account and signs its owner in.
pub async fn register(ctx: &Context, registration: Registration, visit: &Visit, turn: &Turn) -> Result<SignedIn> {
    let (mut tx, user) = insert(ctx, registration).await?;
    turn.settle(&mut tx, true, &user).await?;
    sessions::begin(ctx, tx, user, visit.device.as_deref()).await
}

/// Signs in whoever an earlier request registered and was perhaps not answered; with another password it is another request.
pub async fn register_again(ctx: &Context, user: UserId, password: String, visit: &Visit) -> Result<SignedIn> {
    spend(ctx, Limit::Logins, address_key(visit.address)).await?;
    spend(ctx, Limit::Logins, account_key(&user.to_string())).await?;
    let account = rows::hold_credentials(&ctx.db, user).await?.ok_or(Error::NotFound("user"))?;
    let fits = ctx.passwords.verify(password, account.password_hash.clone()).await?;
    let Some(checked) = Some(account).filter(|_| fits) else { return Err(Conflict::IdempotencyMismatch.into()) };
    let_in(ctx, &checked, visit).await
}

/// Makes an account for somebody else, with these roles.
pub async fn create(ctx: &Context, actor: Actor, registration: Registration, roles: &[String]) -> Result<User> {
    let (mut tx, id) = insert(ctx, registration).await?;
    rows::set_roles(&mut *tx, id, roles).await?;
    let entry = AuditEntry::new(actor, AuditAction::UserCreated, ctx.clock.now());
    audit(&mut *tx, &AuditEntry { user_id: Some(id), details: json!({"roles": roles}), ..entry }).await?;
    let user = rows::find(&mut *tx, id).await?.ok_or(Error::NotFound("user"))?;
    ctx.commit(tx, Vec::new()).await?;
    Ok(user)
}

/// Signs somebody in by username or e-mail address.
pub async fn login(ctx: &Context, login: &str, password: String, visit: &Visit) -> Result<SignedIn> {
    spend(ctx, Limit::Logins, address_key(visit.address)).await?;
    let account = rows::credentials(&ctx.db, login).await?;
    // An account counts under one key for all its names, and a made-up one counts alike.
    let key = account.as_ref().map_or_else(|| text::preview(&login.to_lowercase(), 64), |known| known.id.to_string());
    spend(ctx, Limit::Logins, account_key(&key)).await?;
    let hash = account.as_ref().and_then(|known| known.password_hash.clone());
    let fits = ctx.passwords.verify(password, hash).await?;
    let Some(checked) = account.filter(|_| fits) else { return Err(AuthFailure::BadCredentials.into()) };
    let_in(ctx, &checked, visit).await
}

/// Signs in whose password was checked, unless they changed it meanwhile or are banned.
async fn let_in(ctx: &Context, checked: &Credentials, visit: &Visit) -> Result<SignedIn> {
    let mut tx = ctx.db.begin().await?;
    let held = rows::hold_credentials(&mut *tx, checked.id).await?.ok_or(AuthFailure::BadCredentials)?;
    if held.password_hash != checked.password_hash {
        return Err(AuthFailure::BadCredentials.into());
    }
    sessions::refuse_banned(held.banned_until, ctx.clock.now())?;
    sessions::begin(ctx, tx, held.id, visit.device.as_deref()).await
}

/// Replaces the caller's password, and ends their other sessions.
pub async fn change_password(ctx: &Context, caller: &Caller, current: String, new: String) -> Result<()> {
    user::check_password("new_password", &new)?;
    // Counted apart from logins, or strangers who try to sign in would keep the owner from it.
    spend(ctx, Limit::Logins, format!("owner:{}", caller.user_id)).await?;
    let account = rows::hold_credentials(&ctx.db, caller.user_id).await?.ok_or(AuthFailure::SessionRevoked)?;
    let Some(old_hash) = account.password_hash else { return Err(Conflict::NoPassword.into()) };
    if !ctx.passwords.verify(current, Some(old_hash.clone())).await? {
        return Err(wrong_password());
    }
    let new_hash = ctx.passwords.hash(new).await?;
    let mut tx = ctx.db.begin().await?;
    if !rows::replace_password(&mut *tx, caller.user_id, &old_hash, &new_hash).await? {
        return Err(wrong_password());
    }
    let ended = session_rows::revoke_others(&mut *tx, caller.user_id, caller.session_id, ctx.clock.now()).await?;
    let ended = ended.into_iter().map(|id| Revocation { user_id: caller.user_id, session_id: Some(id) }).collect();
    sessions::end(ctx, tx, ended, RevocationReason::Password).await
}

/// Deletes the caller's account. What they said stays, under a name that tells nothing; their files go, a moment later.
pub async fn delete(ctx: &Context, caller: &Caller) -> Result<()> {
    let answered_at = Instant::now() + LEAVING_AWAITED;
    let mut tx = ctx.db.begin().await?;
    let ended = erase(ctx, &mut tx, caller.user_id).await?;
    sessions::end(ctx, tx, vec![ended], RevocationReason::Deleted).await?;
    leave_groups(ctx, caller.user_id, answered_at).await;
    Ok(())
}

/// Keeps somebody out, until a moment or for good, and ends their sessions.
pub async fn ban(
    ctx: &Context,
    actor: Actor,
    user_id: UserId,
    until: Option<Time>,
    reason: Option<String>,
) -> Result<()> {
    let now = ctx.clock.now();
    let mut tx = ctx.db.begin().await?;
    if !rows::set_banned_until(&mut *tx, user_id, Some(until.unwrap_or(now + FOREVER))).await? {
        return Err(Error::NotFound("user"));
    }
    session_rows::revoke_others(&mut *tx, user_id, None, now).await?;
    let entry = AuditEntry::new(actor, AuditAction::UserBanned, now);
    audit(&mut *tx, &AuditEntry { user_id: Some(user_id), reason, details: json!({"until": until}), ..entry }).await?;
    sessions::end(ctx, tx, vec![Revocation { user_id, session_id: None }], RevocationReason::Banned).await
}

/// Lets somebody in again.
pub async fn unban(ctx: &Context, actor: Actor, user: UserId, reason: Option<String>) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    if !rows::set_banned_until(&mut *tx, user, None).await? {
        return Err(Error::NotFound("user"));
    }
    let entry = AuditEntry::new(actor, AuditAction::UserUnbanned, ctx.clock.now());
    audit(&mut *tx, &AuditEntry { user_id: Some(user), reason, ..entry }).await?;
    ctx.commit(tx, Vec::new()).await
}

/// Replaces somebody's roles. The communication rules go by them at once, and what else there is within a minute.
pub async fn set_roles(
    ctx: &Context,
    actor: Actor,
    user: UserId,
    roles: &[String],
    reason: Option<String>,
) -> Result<()> {
    user::check_roles(roles)?;
    let mut tx = ctx.db.begin().await?;
    if !rows::set_roles(&mut *tx, user, roles).await? {
        return Err(Error::NotFound("user"));
    }
    let entry = AuditEntry::new(actor, AuditAction::RolesChanged, ctx.clock.now());
    audit(&mut *tx, &AuditEntry { user_id: Some(user), reason, details: json!({"roles": roles}), ..entry }).await?;
    ctx.commit(tx, Vec::new()).await
}

/// The account of this id, the host application's id, username or e-mail address; none of several, since who is meant is not known.
pub async fn find(ctx: &Context, name: &str) -> Result<UserId> {
    let mut found = Vec::new();
    if let Ok(id) = name.parse() {
        found.extend(rows::find(&ctx.db, id).await?.map(|user| user.id));
    }
    found.extend(rows::by_external_id(&ctx.db, name).await?.map(|person| person.id));
    found.extend(rows::credentials(&ctx.db, name).await?.map(|account| account.id));
    found.dedup();
    match found.as_slice() {
        [] => Err(Error::NotFound("user")),
        [user] => Ok(*user),
        _ => Err(Error::field("user", "ambiguous", "Several people are called so; name one by their id.")),
    }
}

/// Removes who somebody is and what is theirs alone, in a transaction that is yet to be committed.
async fn erase(ctx: &Context, tx: &mut PgConnection, user_id: UserId) -> Result<Revocation> {
    let now = ctx.clock.now();
    let user = rows::find(&mut *tx, user_id).await?.ok_or(Error::NotFound("user"))?;
    // Before the person's own row is locked: whoever sends what is due has the plans first, and whoever brings conversations back
    // from the archive the settings.
    scheduled::delete_all(&mut *tx, user_id).await?;
    // Once: who has much would wait too long for all of it, and a worker goes on until nothing is left.
    erasures::forget_private(&mut *tx, user_id).await?;
    avatars::remove(&mut *tx, user_id, now).await?;
    if !rows::anonymise(&mut *tx, user_id, now).await? {
        return Err(Error::NotFound("user"));
    }
    // A client that still has the host application's token must not bring the person back by its next request.
    if let Some(external_id) = &user.external_id {
        revocations::void_host_tokens(&mut *tx, external_id, now + CLOCK_SKEW).await?;
    }
    erasures::begin(&mut *tx, user_id, now).await?;
    session_rows::delete_all(&mut *tx, user_id).await?;
    idempotency::delete_all(&mut *tx, user_id).await?;
    Ok(Revocation { user_id, session_id: None })
}

/// Takes somebody who is gone, and whom nobody brings anywhere any more, out of their groups. It goes on when that is not waited
/// for any longer: the account is deleted, and whoever is told to try again would be refused.
async fn leave_groups(ctx: &Context, gone: UserId, answered_at: Instant) {
    let ctx = ctx.clone();
    let leaving = tokio::spawn(async move {
        // Should they not come out everywhere, a worker leaves for them.
        if let Ok(Err(error)) = timeout(LEAVING, members::leave_all(&ctx, gone)).await {
            tracing::warn!(%error, "Somebody who is gone is still in a group: {error}");
        }
    });
    timeout_at(answered_at, leaving).await.ok();
}

/// Writes a new account into a transaction that is yet to be committed.
async fn insert(ctx: &Context, registration: Registration) -> Result<(Transaction<'static, Postgres>, UserId)> {
    registration.check()?;
    let redaction = ctx.rulebook.rules().redaction;
    let Registration { username, password, display_name, email } = registration;
    if redaction.touches(&username) {
        return Err(Error::field("username", "invalid_username", "A username must not be a phone number."));
    }
    let display_name = redaction.option(display_name);
    let password_hash = ctx.passwords.hash(password).await?;
    let new = NewUser {
        id: UserId::new_v7(),
        username: &username,
        display_name: display_name.as_deref().unwrap_or(&username),
        email: email.as_deref(),
        password_hash: &password_hash,
        created_at: ctx.clock.now(),
    };
    let id = new.id;
    let mut tx = ctx.db.begin().await?;
    rows::insert(&mut *tx, new).await?;
    Ok((tx, id))
}

/// Not a 401, at which clients would throw their good token away.
fn wrong_password() -> Error {
    Error::field("current_password", "wrong_password", "This is not the current password.")
}

async fn spend(ctx: &Context, limit: Limit, key: String) -> Result<()> {
    ctx.cluster.limits.spend(limit, Share { key, quota: ctx.settings.quota(limit) }).await
}

fn account_key(account: &str) -> String {
    format!("account:{account}")
}

/// A household has a whole /64 of IPv6 to change addresses in.
fn address_key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("address:{address}"),
        IpAddr::V6(address) => format!("address:{:x?}", &address.segments()[..4]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_household_share_a_key_and_strangers_do_not() {
        let key = |text: &str| address_key(text.parse().unwrap());

        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
