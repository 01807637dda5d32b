//! Signed-in devices: who bears a token, and how sessions begin, go on and end.

use std::time::Duration;

use chrono::TimeDelta;
use sqlx::{PgConnection, Postgres, Transaction};

use super::Context;
use crate::{
    auth::{
        proofs::Proof,
        refresh::{RefreshToken, Verdict},
        token::{Holder, HostPerson},
    },
    cluster::limits::Share,
    domain::{
        clock::Time,
        error::{AuthFailure, Error, Reason, Result},
        event::Revocation,
        ids::{SessionId, UserId},
        limits::{self, Limit},
        moderation::{Actor, AuditAction, AuditEntry},
        page::Page,
        session::{RevocationReason, Session},
        text,
        user::{Caller, User},
    },
    store::{
        moderation::audit,
        revocations,
        sessions::{self as rows, NewSession},
        users::{self, Standing, Vouched},
    },
};

/// A session ends if its refresh token is not used for so long.
const PROLONGED_BY: TimeDelta = TimeDelta::days(60);
/// Tickets for one person in a minute, whatever the settings say: each is kept until it is late.
const TICKETS_PER_MINUTE: u32 = 120;
/// `last_used_at` is exact to this, so that a busy client does not write all the time.
const TOUCHED_EVERY: TimeDelta = TimeDelta::seconds(60);

/// What somebody who signs in is given.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// The session.
    pub session_id: SessionId,
    /// Opens everything, for a while.
    pub access_token: String,
    /// For how long.
    pub expires_in: Duration,
    /// Buys the next access token, once.
    pub refresh_token: String,
}

/// Who bears this token. Costs no database but for the first time in a minute.
pub async fn authenticate(ctx: &Context, token: &str) -> Result<Caller> {
    let now = ctx.clock.now();
    if let Some(Proof { caller, issued_at }) = ctx.tokens.recall(token, now)
        // A revocation only sends us back to the database, which alone knows.
        && !ctx.cluster.revoked.contains(caller.user_id, caller.session_id, issued_at)
    {
        return Ok(caller);
    }
    let verified = ctx.tokens.verify(token, now).await?;
    let (user_id, session_id, roles) = match verified.holder {
        Holder::Session(user, session) => (user, Some(session), bearer_roles(ctx, user, session, now).await?),
        Holder::Host(person) => {
            let standing = admit(ctx, &person, verified.issued_at, now).await?;
            (standing.id, None, standing.roles)
        }
    };
    let caller = Caller { user_id, session_id, expires_at: verified.expires_at, roles };
    ctx.tokens.remember(token, Proof { caller: caller.clone(), issued_at: verified.issued_at }, now);
    Ok(caller)
}

/// Follows a refresh token with the next one. The same one may come again until the next one is used.
pub async fn refresh(ctx: &Context, token: &str) -> Result<SignedIn> {
    let token = RefreshToken::from_text(token)?;
    let now = ctx.clock.now();
    let mut tx = ctx.db.begin().await?;
    let session = rows::lock(&mut *tx, token.session_id).await?.ok_or(AuthFailure::InvalidRefreshToken)?;
    let verdict = token.judge(&session.refresh)?;
    if verdict == Verdict::Unknown {
        return Err(AuthFailure::InvalidRefreshToken.into());
    }
    if session.revoked_at.is_some() || session.expires_at <= now {
        return Err(AuthFailure::SessionRevoked.into());
    }
    let next = match verdict {
        Verdict::Rotate(next, state) => {
            rows::rotate(&mut *tx, token.session_id, &state, now, now + PROLONGED_BY).await?;
            next
        }
        Verdict::Repeat(next) => next,
        Verdict::Spent | Verdict::Unknown => {
            rows::revoke(&mut *tx, token.session_id, session.user_id, now).await?;
            let ended = Revocation { user_id: session.user_id, session_id: Some(token.session_id) };
            end(ctx, tx, vec![ended], RevocationReason::Reuse).await?;
            return Err(AuthFailure::SessionRevoked.into());
        }
    };
    let user = users::find(&mut *tx, session.user_id).await?.ok_or(AuthFailure::SessionRevoked)?;
    ctx.commit(tx, Vec::new()).await?;
    signed_in(ctx, user, &next, now)
}

/// Ends the caller's session. The host application's tokens have none, and end by themselves.
pub async fn logout(ctx: &Context, caller: &Caller) -> Result<()> {
    let Some(session) = caller.session_id else { return Ok(()) };
    end_one(ctx, caller.user_id, session, RevocationReason::Logout).await?;
    Ok(())
}

/// The caller's sessions, newest first.
pub async fn list(ctx: &Context, caller: &Caller, cursor: Option<&str>, limit: usize) -> Result<Page<Session>> {
    let before = cursor.map(str::parse).transpose().map_err(|_| Error::Malformed("The cursor is not one of ours."))?;
    let sessions = rows::list(&ctx.db, caller.user_id, ctx.clock.now(), before, limit + 1).await?;
    Ok(Page::cut(sessions, limit, |session| session.id.to_string()))
}

/// Ends one of the caller's sessions.
pub async fn revoke(ctx: &Context, caller: &Caller, session: SessionId) -> Result<()> {
    let has_ended = end_one(ctx, caller.user_id, session, RevocationReason::Revoked).await?;
    if has_ended { Ok(()) } else { Err(Error::NotFound("session")) }
}

/// A ticket that opens one socket, and the seconds in which it must be used.
pub async fn ticket(ctx: &Context, caller: &Caller) -> Result<(String, u64)> {
    let share = Share { key: format!("tickets:{}", caller.user_id), quota: TICKETS_PER_MINUTE };
    ctx.cluster.limits.spend(Limit::Logins, share).await?;
    ctx.cluster.tickets.issue(caller).await
}

/// A token for trying things out, with a session of its own, so that it can be ended like any other.
pub async fn development_token(ctx: &Context, actor: Actor, user: UserId, lifetime: Duration) -> Result<String> {
    let now = ctx.clock.now();
    let mut tx = ctx.db.begin().await?;
    let user = users::find(&mut *tx, user).await?.ok_or(Error::NotFound("user"))?;
    let ends = now + PROLONGED_BY.max(TimeDelta::from_std(lifetime).unwrap_or(TimeDelta::MAX));
    let first = begin_row(&mut tx, user.id, Some("development token"), (now, ends)).await?;
    let entry = AuditEntry::new(actor, AuditAction::TokenMade, now);
    audit(&mut *tx, &AuditEntry { user_id: Some(user.id), ..entry }).await?;
    ctx.commit(tx, Vec::new()).await?;
    ctx.tokens.issue(user.id, first.session_id, now, lifetime)
}

/// Begins a session in the transaction that lets its owner in, and commits it.
pub(super) async fn begin(
    ctx: &Context,
    mut tx: Transaction<'static, Postgres>,
    user: UserId,
    device: Option<&str>,
) -> Result<SignedIn> {
    let now = ctx.clock.now();
    let user = users::find(&mut *tx, user).await?.ok_or(Error::NotFound("user"))?;
    let first = begin_row(&mut tx, user.id, device, (now, now + PROLONGED_BY)).await?;
    ctx.commit(tx, Vec::new()).await?;
    signed_in(ctx, user, &first, now)
}

/// Writes down which sessions the transaction ended, commits it, and tells every node.
pub(super) async fn end(
    ctx: &Context,
    mut tx: Transaction<'static, Postgres>,
    ended: Vec<Revocation>,
    reason: RevocationReason,
) -> Result<()> {
    revocations::insert(&mut *tx, &ended, reason).await?;
    ctx.commit(tx, Vec::new()).await?;
    // Should we not come so far, the nodes find the rows a moment later.
    for revocation in ended {
        ctx.cluster.revoke(revocation).await;
    }
    Ok(())
}

/// Keeps out who is banned.
pub(super) fn refuse_banned(banned_until: Option<Time>, now: Time) -> Result<()> {
    if banned_until.is_some_and(|until| now < until) { Err(Reason::Banned.into()) } else { Ok(()) }
}

async fn bearer_roles(ctx: &Context, user: UserId, session: SessionId, now: Time) -> Result<Vec<String>> {
    let bearer = rows::bearer(&ctx.db, session, user).await?.ok_or(AuthFailure::SessionRevoked)?;
    refuse_banned(bearer.banned_until, now)?;
    if bearer.revoked_at.is_some() {
        return Err(AuthFailure::SessionRevoked.into());
    }
    if bearer.last_used_at + TOUCHED_EVERY <= now {
        rows::touch(&ctx.db, session, now).await?;
    }
    Ok(bearer.roles)
}

/// Makes the person for whom the host application vouches on first sight, and takes over what it says of them.
async fn admit(ctx: &Context, person: &HostPerson, issued_at: Time, now: Time) -> Result<Standing> {
    let redaction = ctx.rulebook.rules().redaction;
    let display_name = redaction.option(person.display_name.clone());
    let vouched = Vouched {
        external_id: &person.external_id,
        display_name: display_name.as_deref(),
        first_name: &text::preview(&redaction.text(&person.external_id), limits::NAME_CHARACTERS),
        roles: person.roles.as_deref(),
    };
    let standing = loop {
        // Who came or went meanwhile is looked for anew.
        if let Some(standing) = welcome(ctx, vouched, issued_at, now).await? {
            break standing;
        }
    };
    refuse_banned(standing.banned_until, now)?;
    Ok(standing)
}

/// Finds or makes the person for whom the host application vouches; nobody where they came or went meanwhile.
async fn welcome(ctx: &Context, vouched: Vouched<'_>, issued_at: Time, now: Time) -> Result<Option<Standing>> {
    let welcomed = match users::by_external_id(&ctx.db, vouched.external_id).await? {
        Some(known) if vouched.says_nothing_new(&known) => Some(known),
        Some(known) => users::take_over(&ctx.db, known.id, vouched).await?,
        None if revocations::is_host_token_void(&ctx.db, vouched.external_id, issued_at).await? => {
            return Err(AuthFailure::SessionRevoked.into());
        }
        None => users::insert_vouched(&ctx.db, UserId::new_v7(), vouched, now).await?,
    };
    Ok(welcomed)
}

async fn begin_row(
    tx: &mut PgConnection,
    user: UserId,
    device: Option<&str>,
    (now, ends): (Time, Time),
) -> Result<RefreshToken> {
    let first = RefreshToken::begin(SessionId::new_v7())?;
    let session = NewSession {
        id: first.session_id,
        user_id: user,
        device,
        refresh: &first.first_state(),
        created_at: now,
        expires_at: ends,
    };
    rows::insert(tx, session).await?;
    Ok(first)
}

async fn end_one(ctx: &Context, user: UserId, session: SessionId, reason: RevocationReason) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let has_ended = rows::revoke(&mut *tx, session, user, ctx.clock.now()).await?;
    if has_ended {
        end(ctx, tx, vec![Revocation { user_id: user, session_id: Some(session) }], reason).await?;
    }
    Ok(has_ended)
}

fn signed_in(ctx: &Context, user: User, refresh: &RefreshToken, now: Time) -> Result<SignedIn> {
    let (session_id, expires_in) = (refresh.session_id, ctx.tokens.lifetime());
    let access_token = ctx.tokens.issue(user.id, session_id, now, expires_in)?;
    Ok(SignedIn { user, session_id, access_token, expires_in, refresh_token: refresh.to_text() })
}
