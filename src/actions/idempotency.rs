//! Requests that must not be carried out twice: a key is claimed, and the answer kept for whoever asks again.

use std::time::Duration as Span;

use chrono::Duration;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::Context;
use crate::{
    domain::{
        error::{Conflict, Result},
        user::Caller,
    },
    store::idempotency,
};

/// For how long an answer is kept.
const KEPT_HOURS: i64 = 24;
/// After how long a request without an answer counts as abandoned: longer than any may take, so its node must have died.
const ABANDONED_SECONDS: i64 = 20;
/// For how long who asks again waits for what is under way, and how often they look.
const PATIENCE: Span = Span::from_secs(5);
const LOOK_EVERY: Span = Span::from_millis(25);

/// A key that is ours to carry out.
#[derive(Debug)]
pub struct Claimed {
    caller: Caller,
    key: String,
}

/// What came of claiming a key.
#[derive(Debug)]
pub enum Claim {
    /// Nobody did this before.
    Ours(Claimed),
    /// It was done before; whether it made something new then, and what was answered.
    Answered(bool, String),
}

/// Claims a key for a request; the same key for another request is a conflict. While the same request is under way its
/// answer is waited for, and where it did nothing, the key is ours.
pub async fn claim(ctx: &Context, caller: &Caller, key: &str, asked: &[u8]) -> Result<Claim> {
    let since = Instant::now();
    loop {
        match claim_now(ctx, caller, key, asked).await? {
            Some(claim) => return Ok(claim),
            None if since.elapsed() > PATIENCE => return Err(Conflict::IdempotencyInProgress.into()),
            None => sleep(LOOK_EVERY).await,
        }
    }
}

async fn claim_now(ctx: &Context, caller: &Caller, key: &str, asked: &[u8]) -> Result<Option<Claim>> {
    let fingerprint = Sha256::digest(asked);
    let now = ctx.clock.now();
    let bounds = (now - Duration::hours(KEPT_HOURS), now - Duration::seconds(ABANDONED_SECONDS));
    let mut db = ctx.db.acquire().await?;
    if idempotency::claim(&mut *db, (caller.user_id, key), &fingerprint, now, bounds).await? {
        return Ok(Some(Claim::Ours(Claimed { caller: caller.clone(), key: key.to_owned() })));
    }
    match idempotency::find(&mut *db, caller.user_id, key).await? {
        Some(earlier) if earlier.fingerprint != fingerprint.as_slice() => Err(Conflict::IdempotencyMismatch.into()),
        Some(idempotency::Earlier { status: Some(status), answer: Some(answer), .. }) => {
            Ok(Some(Claim::Answered(status == 201, answer)))
        }
        _ => Ok(None),
    }
}

/// Keeps the answer of a request that was carried out.
pub async fn keep(ctx: &Context, claimed: &Claimed, is_new: bool, answer: &str) -> Result<()> {
    let place = (claimed.caller.user_id, claimed.key.as_str());
    Ok(idempotency::complete(&ctx.db, place, if is_new { 201 } else { 200 }, answer).await?)
}

/// Gives the key back after a request that did nothing.
pub async fn release(ctx: &Context, claimed: &Claimed) -> Result<()> {
    Ok(idempotency::release(&ctx.db, claimed.caller.user_id, &claimed.key).await?)
}
