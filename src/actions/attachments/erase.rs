//! Erasing: the files of somebody who deleted their account go, with what was theirs alone, and they go out of the groups where
//! they still are. What they said stays, without them.

use chrono::Duration;
use sqlx::PgConnection;

use super::{
    super::{
        Context, members,
        messages::change::{enter, take_places},
    },
    collect,
};
use crate::{
    domain::{
        clock::Time,
        error::Result,
        event::Event,
        ids::{ConversationId, UserId},
        message::Message,
    },
    store::{
        changes::ChangeKind,
        conversations,
        erasures::{self, Erasure},
        messages,
    },
};

/// For how long something that was begun before the account was deleted may still end.
const BEGUN: Duration = Duration::minutes(1);
/// Messages from which files are taken in one transaction.
const AT_ONCE: i64 = 100;

/// Turns once to everybody of whom something is left. What fails for one is tried again, and keeps nobody else waiting.
pub async fn all(ctx: &Context) -> Result<()> {
    let begun = ctx.clock.now();
    loop {
        let mut db = ctx.db.acquire().await?;
        let Some(erasure) = erasures::turn_to_next(&mut db, begun - BEGUN, begun).await? else { return Ok(()) };
        drop(db);
        if let Err(error) = one(ctx, erasure, begun).await {
            let user = erasure.user_id;
            tracing::warn!(user.id = %user, %error, "Something is left of somebody who is gone: {error}");
        }
    }
}

/// Removes what is left of somebody, as far as that can be done now.
async fn one(ctx: &Context, Erasure { user_id, erased_at }: Erasure, now: Time) -> Result<()> {
    let is_settled = erased_at + BEGUN <= now;
    let forgotten = forget_private(ctx, user_id).await;
    // In no transaction of ours, which would lie idle meanwhile. Until then the deletion itself sees to it.
    let left = if is_settled { members::leave_all(ctx, user_id).await } else { Ok(()) };
    let removed = remove_files(ctx, user_id).await;
    forgotten.and(left).and(removed)?;
    if is_settled {
        erasures::end(&mut *ctx.db.acquire().await?, user_id).await?;
    }
    Ok(())
}

/// Forgets what was somebody's alone: what was too much for the deletion, and what another device was just saving then.
async fn forget_private(ctx: &Context, user: UserId) -> Result<()> {
    loop {
        let mut tx = ctx.db.begin().await?;
        if !erasures::claim(&mut tx, user).await? || !erasures::forget_private(&mut tx, user).await? {
            return Ok(());
        }
        tx.commit().await?;
    }
}

async fn remove_files(ctx: &Context, user: UserId) -> Result<()> {
    while remove_some_files(ctx, user).await? {}
    Ok(())
}

/// Removes files from some messages of one conversation; false where there are none, or somebody else is at it.
async fn remove_some_files(ctx: &Context, user: UserId) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    if !erasures::claim(&mut tx, user).await? {
        return Ok(false);
    }
    let Some(conversation) = erasures::place_of(&mut tx, user).await? else { return Ok(false) };
    conversations::lock(&mut tx, &[conversation]).await?;
    let seqs = erasures::messages(&mut tx, (user, conversation), AT_ONCE).await?;
    let stripped = strip(ctx, &mut tx, conversation, &seqs).await?;
    let removed = erasures::remove_untaken(&mut tx, user, conversation).await?;
    collect::let_go(&mut tx, &removed, ctx.clock.now()).await?;
    ctx.commit(tx, stripped.into_iter().map(Event::MessageUpdated).collect()).await?;
    Ok(true)
}

/// Takes the files off messages; answers with those of which that is to be told. Their conversation is locked.
async fn strip(
    ctx: &Context,
    tx: &mut PgConnection,
    conversation: ConversationId,
    seqs: &[i64],
) -> Result<Vec<Message>> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let now = ctx.clock.now();
    let places: Vec<_> = seqs.iter().map(|seq| (conversation, *seq)).collect();
    let mut stripped = messages::by_seqs(tx, &places, now).await?;
    // What has expired shows no files any more.
    stripped.retain(|message| message.deleted_at.is_none());
    stripped.sort_by_key(|message| message.seq);
    for message in &mut stripped {
        message.attachments.clear();
    }
    take_places(tx, conversation, &mut stripped).await?;
    messages::strip(tx, conversation, &stripped).await?;
    collect::of_messages(tx, &places, now).await?;
    enter(tx, conversation, ChangeKind::MessageUpdated, &stripped).await?;
    Ok(stripped)
}
