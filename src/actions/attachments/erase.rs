//! Erasing: the files of somebody who deleted their account go. What they said stays, without them.

use chrono::Duration;
use sqlx::PgConnection;

use super::{super::Context, collect};
use crate::{
    domain::{error::Result, event::Event, ids::ConversationId, message::Message},
    store::{
        changes::{self, Change, ChangeKind},
        conversations, erasures, messages,
    },
};

/// For how long something that was begun before the account was deleted may still end.
const BEGUN: Duration = Duration::minutes(1);
/// Messages from which files are taken in one transaction.
const AT_ONCE: i64 = 100;

/// Removes some files of somebody who is gone; to be called again while it says that there may be more.
pub async fn some(ctx: &Context) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let Some(user) = erasures::claim(&mut tx, ctx.clock.now() - BEGUN).await? else { return Ok(false) };
    let Some(conversation) = erasures::place_of(&mut tx, user).await? else {
        erasures::end(&mut tx, user).await?;
        tx.commit().await?;
        return Ok(true);
    };
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
    let heads = conversations::heads(tx, &[conversation]).await?;
    let mut head_seq = heads.first().map_or(0, |(_, head_seq)| *head_seq);
    for message in &mut stripped {
        head_seq += 1;
        message.changed_seq = head_seq;
        message.attachments.clear();
    }
    messages::strip(tx, conversation, &stripped).await?;
    collect::of_messages(tx, &places, now).await?;
    let entry = |message| Change::of_message(ChangeKind::MessageUpdated, message);
    changes::insert(tx, conversation, &stripped.iter().map(entry).collect::<Vec<_>>()).await?;
    conversations::advance_quietly(tx, conversation, head_seq).await?;
    Ok(stripped)
}
