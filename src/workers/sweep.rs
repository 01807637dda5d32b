//! Ends what nobody ended, and forgets what nobody needs.

use chrono::Duration;

use crate::{
    actions::{Context, attachments::collect, presence as people, typing, uploads},
    domain::error::Result,
    store::{idempotency, revocations, sessions},
};

/// For how long the keys of creating requests are kept.
const KEYS_KEPT: Duration = Duration::hours(24);
/// For how long a session that ended stays on record.
const SESSIONS_KEPT: Duration = Duration::days(30);
/// For how long a revocation is kept beyond the life of an access token.
const REVOCATIONS_KEPT: Duration = Duration::hours(24);

/// Typing that went on too long, and people whose grace is over.
pub async fn presence(ctx: &Context) -> Result<()> {
    typing::sweep(ctx).await;
    people::sweep(ctx).await
}

/// Uploads that are late or of people who are gone, files of groups that nobody is in, those that no message took, and bytes
/// that nobody needs.
pub async fn files(ctx: &Context) -> Result<()> {
    while uploads::forget_late(ctx).await? {}
    while uploads::end_erased(ctx).await? {}
    while collect::forsaken(ctx).await? {}
    while collect::forgotten(ctx).await? {}
    while collect::doomed(ctx).await? {}
    Ok(())
}

/// Old keys, sessions, revocations and idle limits.
pub async fn forget(ctx: &Context) -> Result<()> {
    let now = ctx.clock.now();
    let tokens_live = Duration::seconds(ctx.settings.access_token_seconds as i64);
    ctx.cluster.limits.forget_idle();
    ctx.cluster.revoked.forget(now - tokens_live - REVOCATIONS_KEPT);
    idempotency::forget(&ctx.db, now - KEYS_KEPT).await?;
    sessions::forget(&ctx.db, now - SESSIONS_KEPT).await?;
    revocations::forget(&ctx.db, now - tokens_live - REVOCATIONS_KEPT).await?;
    Ok(())
}
