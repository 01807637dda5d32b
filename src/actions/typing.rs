//! Who is typing: told to those who have the conversation open, never written down, ended by the server if need be.

use super::{Context, require_member};
use crate::{
    domain::{
        conversation::ConversationKind,
        error::{Reason, Result},
        event::Event,
        ids::ConversationId,
        user::Caller,
    },
    store::{members, personal},
};

/// The caller types.
pub async fn start(ctx: &Context, caller: &Caller, conversation: ConversationId) -> Result<()> {
    let mut db = ctx.db.acquire().await?;
    let standing = require_member(&mut db, conversation, caller.user_id).await?;
    if standing.kind == ConversationKind::Direct
        && let Some(peer) = members::peer(&mut db, conversation, caller.user_id).await?
        && personal::is_blocked_between(&mut db, caller.user_id, peer).await?
    {
        return Err(Reason::NotAllowed.into());
    }
    drop(db);
    if ctx.cluster.typing.start(conversation, caller.user_id) {
        ctx.tell(Event::TypingStarted(conversation, caller.user_id)).await;
    }
    Ok(())
}

/// The caller types no more.
pub async fn stop(ctx: &Context, caller: &Caller, conversation: ConversationId) -> Result<()> {
    require_member(&mut *ctx.db.acquire().await?, conversation, caller.user_id).await?;
    finish(ctx, caller, conversation).await;
    Ok(())
}

/// The caller's typing ends with what they sent, or because they looked away.
pub async fn finish(ctx: &Context, caller: &Caller, conversation: ConversationId) {
    if ctx.cluster.typing.stop(conversation, caller.user_id) {
        ctx.tell(Event::TypingStopped(conversation, caller.user_id)).await;
    }
}

/// The caller is gone, and types nowhere.
pub async fn leave(ctx: &Context, caller: &Caller) {
    for conversation in ctx.cluster.typing.leave(caller.user_id) {
        ctx.tell(Event::TypingStopped(conversation, caller.user_id)).await;
    }
}

/// Ends what nobody has said for too long to be going on.
pub async fn sweep(ctx: &Context) {
    for (conversation, user) in ctx.cluster.typing.take_ended() {
        ctx.tell(Event::TypingStopped(conversation, user)).await;
    }
}
