//! Removing: what an uploader takes back or forgets, what goes with its message, and the bytes that nobody needs.

use chrono::Duration;
use sqlx::PgConnection;

use super::super::Context;
use crate::{
    domain::{
        clock::Time,
        error::{Conflict, Error, Result},
        ids::{AttachmentId, ConversationId},
        user::Caller,
    },
    store::{
        attachments::{self, Removed},
        forsaken,
    },
};

/// How long a file waits for a message.
const UNTAKEN_KEPT: Duration = Duration::days(1);
/// Files removed in one transaction.
const AT_ONCE: i64 = 100;

/// Takes back a file of one's own that no message took.
pub async fn take_back(ctx: &Context, caller: &Caller, id: AttachmentId) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let mut own = attachments::visible(&mut tx, caller.user_id, &[id], ctx.clock.now()).await?;
    own.retain(|found| found.uploader_id == caller.user_id);
    // Where one chose the same id twice, the one that no message has is meant.
    own.sort_by_key(|found| found.message_seq.is_some());
    let own = own.first().ok_or(Error::NotFound("attachment"))?;
    let removed = attachments::remove_untaken(&mut tx, own.conversation_id, &[id]).await?;
    if removed.is_empty() {
        return Err(Conflict::AttachmentTaken.into());
    }
    let_go(&mut tx, &removed, ctx.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// Takes back those of these files that no message took in the end.
pub async fn give_back(ctx: &Context, conversation: ConversationId, ids: &[AttachmentId]) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let removed = attachments::remove_untaken(&mut tx, conversation, ids).await?;
    let_go(&mut tx, &removed, ctx.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// Removes the files of messages that are gone.
pub async fn of_messages(tx: &mut PgConnection, messages: &[(ConversationId, i64)], now: Time) -> Result<()> {
    let removed = attachments::remove_of_messages(tx, messages).await?;
    let_go(tx, &removed, now).await
}

/// Removes files that waited too long for a message; to be called again while it says that there may be more.
pub async fn forgotten(ctx: &Context) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let now = ctx.clock.now();
    let removed = attachments::remove_forgotten(&mut tx, now - UNTAKEN_KEPT, AT_ONCE).await?;
    let_go(&mut tx, &removed, now).await?;
    tx.commit().await?;
    Ok(removed.len() as i64 == AT_ONCE)
}

/// Removes files of groups that nobody is in any more; to be called again while it says that there may be more.
pub async fn forsaken(ctx: &Context) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let Some(group) = forsaken::claim(&mut tx).await? else { return Ok(false) };
    let removed = forsaken::remove_files(&mut tx, group, AT_ONCE).await?;
    let_go(&mut tx, &removed, ctx.clock.now()).await?;
    if (removed.len() as i64) < AT_ONCE {
        forsaken::end(&mut tx, group).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Removes bytes that nobody needs from the vault; to be called again while it says that there may be more.
pub async fn doomed(ctx: &Context) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let doomed = attachments::doomed(&mut tx, ctx.clock.now(), AT_ONCE).await?;
    for blob in &doomed {
        ctx.media.vault.remove(*blob).await?;
    }
    // Only now: should this process die before, the next one finds them still written down.
    attachments::forget_blobs(&mut tx, &doomed).await?;
    tx.commit().await?;
    Ok(doomed.len() as i64 == AT_ONCE)
}

/// Puts right what follows from the removal of files.
pub(super) async fn let_go(tx: &mut PgConnection, removed: &[Removed], now: Time) -> Result<()> {
    if removed.is_empty() {
        return Ok(());
    }
    let mut blobs: Vec<_> = removed.iter().map(|removed| removed.blob_id).collect();
    blobs.sort_unstable();
    attachments::doom(tx, &blobs, now).await?;
    attachments::refund_quota(tx, removed).await?;
    Ok(())
}
