//! Erasing: the files of somebody who deleted their account go, and they go out of the groups where they still are. What they said
//! stays, without them.

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
    domain::{error::Result, event::Event, ids::ConversationId, message::Message},
    store::{changes::ChangeKind, conversations, erasures, messages},
};

/// For how long something that was begun before the account was deleted may still end.
const BEGUN: Duration = Duration::minutes(1);
/// Messages from which files are taken in one transaction.
const AT_ONCE: i64 = 100;

/// Takes somebody who is gone out of their groups, and removes some of their files; to be called again while it says that there may be more.
pub async fn some(ctx: &Context) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let Some(user) = erasures::claim(&mut tx, ctx.clock.now() - BEGUN).await? else { return Ok(false) };
    members::leave_all(ctx, user).await?;
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
    for message in &mut stripped {
        message.attachments.clear();
    }
    take_places(tx, conversation, &mut stripped).await?;
    messages::strip(tx, conversation, &stripped).await?;
    collect::of_messages(tx, &places, now).await?;
    enter(tx, conversation, ChangeKind::MessageUpdated, &stripped).await?;
    Ok(stripped)
}
