//! Requests that must not be carried out twice: a key is claimed, and settled in the transaction that carries them out, so that
//! whoever asks again finds what was made, whatever became of the answer.

use std::time::Duration as Span;

use anyhow::Context as _;
use chrono::Duration;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::time::{Instant, sleep};

use super::Context;
use crate::{
    domain::{
        clock::Time,
        error::{Conflict, Error, Result},
        ids::UserId,
        limits::Limit,
        user::Caller,
    },
    store::idempotency,
};

/// For how long a key is kept.
const KEPT_HOURS: i64 = 24;
/// After how long a request without an answer counts as abandoned: its node must have died.
const ABANDONED_SECONDS: i64 = 20;
/// For how long who asks again waits for what is under way, and how often they look.
const PATIENCE: Span = Span::from_secs(5);
const LOOK_EVERY: Span = Span::from_millis(25);

/// A request's turn to be carried out, under a key or without one.
#[derive(Clone, Debug)]
pub struct Turn {
    claimed: Option<Claimed>,
}

#[derive(Clone, Debug)]
struct Claimed {
    owner: UserId,
    key: String,
    at: Time,
}

/// What came of claiming a key.
#[derive(Debug)]
pub enum Claim {
    /// Nobody did this before.
    Ours(Turn),
    /// It was done before; whether it made something new then, and the ids of that.
    Settled(bool, Value),
}

impl Turn {
    /// The turn of a request without a key.
    pub fn without_key() -> Self {
        Self { claimed: None }
    }

    /// Keeps under the key what is made, in the transaction that makes it. Only ids: what is there is shown to whoever asks again
    /// as it is then, and what is gone is not.
    pub async fn settle(&self, tx: &mut PgConnection, is_new: bool, made: &impl Serialize) -> Result<()> {
        let Some(Claimed { owner, key, at }) = &self.claimed else { return Ok(()) };
        let receipt = serde_json::to_value(made).context("write a receipt").map_err(Error::Internal)?;
        if idempotency::settle(tx, (*owner, key), *at, if is_new { 201 } else { 200 }, &receipt).await? {
            return Ok(());
        }
        // It took so long that a retry thought it dead and does it now.
        Err(Conflict::IdempotencyInProgress.into())
    }

    /// The same after what is done in transactions of its own, each of which finds what was done before.
    pub async fn settle_after(&self, ctx: &Context, made: &impl Serialize) -> Result<()> {
        if self.claimed.is_none() {
            return Ok(());
        }
        self.settle(&mut *ctx.db.acquire().await?, true, made).await
    }

    /// The same for what was there already. It counts as a change, for it leaves a row although nothing else does.
    pub async fn settle_found(
        &self,
        ctx: &Context,
        caller: &Caller,
        mut tx: Transaction<'static, Postgres>,
        found: &impl Serialize,
    ) -> Result<()> {
        if self.claimed.is_none() {
            return Ok(());
        }
        ctx.spend(Limit::Changes, caller).await?;
        self.settle(&mut tx, false, found).await?;
        ctx.commit(tx, Vec::new()).await
    }

    /// Gives the key back after a request that did nothing. Where it was settled after all, it stays.
    pub async fn release(&self, ctx: &Context) -> Result<()> {
        let Some(Claimed { owner, key, at }) = &self.claimed else { return Ok(()) };
        Ok(idempotency::release(&ctx.db, (*owner, key), *at).await?)
    }
}

/// Claims a key for a request; the same key for another request is a conflict. While the same request is under way its
/// end is waited for, and where it did nothing, the key is ours.
pub async fn claim(ctx: &Context, place: (UserId, &str), asked: &[u8]) -> Result<Claim> {
    let since = Instant::now();
    loop {
        match claim_now(ctx, place, asked).await? {
            Some(claim) => return Ok(claim),
            None if since.elapsed() > PATIENCE => return Err(Conflict::IdempotencyInProgress.into()),
            None => sleep(LOOK_EVERY).await,
        }
    }
}

async fn claim_now(ctx: &Context, (owner, key): (UserId, &str), asked: &[u8]) -> Result<Option<Claim>> {
    let fingerprint = Sha256::digest(asked);
    let at = ctx.clock.now();
    let bounds = (at - Duration::hours(KEPT_HOURS), at - Duration::seconds(ABANDONED_SECONDS));
    let mut db = ctx.db.acquire().await?;
    if idempotency::claim(&mut *db, (owner, key), &fingerprint, at, bounds).await? {
        return Ok(Some(Claim::Ours(Turn { claimed: Some(Claimed { owner, key: key.to_owned(), at }) })));
    }
    match idempotency::find(&mut *db, owner, key).await? {
        Some(earlier) if earlier.fingerprint != fingerprint.as_slice() => Err(Conflict::IdempotencyMismatch.into()),
        Some(idempotency::Earlier { status: Some(status), receipt: Some(receipt), .. }) => {
            Ok(Some(Claim::Settled(status == 201, receipt)))
        }
        _ => Ok(None),
    }
}
