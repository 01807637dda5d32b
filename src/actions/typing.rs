//! Who is typing: told to those who have the conversation open, never written down, ended by the server if need be.

use sqlx::PgConnection;

use super::{Context, in_time, require_member, rules::require_may_speak};
use crate::{
    domain::{
        error::Result,
        event::Event,
        ids::{ConversationId, SocketId, UserId},
        presence::Glimpse,
        user::Caller,
    },
    store::blocks,
};

/// The caller types on a socket.
pub async fn start(ctx: &Context, caller: &Caller, conversation: ConversationId, socket: SocketId) -> Result<()> {
    let asking = async |db: &mut PgConnection| {
        let standing = require_member(db, conversation, caller.user_id).await?;
        require_may_speak(ctx, db, &standing, caller.user_id, &[]).await
    };
    ctx.reads.ask(asking).await?;
    if ctx.cluster.typing.start(conversation, caller.user_id, socket) {
        tell(ctx, conversation, caller.user_id, Event::TypingStarted).await;
    }
    Ok(())
}

/// The caller types no more.
pub async fn stop(ctx: &Context, caller: &Caller, conversation: ConversationId) -> Result<()> {
    ctx.reads.ask(async |db| require_member(db, conversation, caller.user_id).await).await?;
    finish(ctx, caller.user_id, conversation).await;
    Ok(())
}

/// Somebody's typing ends with what they sent, because they said so, or because they are there no more.
pub async fn finish(ctx: &Context, user: UserId, conversation: ConversationId) {
    if ctx.cluster.typing.stop(conversation, user) {
        tell(ctx, conversation, user, Event::TypingStopped).await;
    }
}

/// The caller looks away on a socket, and so types no more if it was there.
pub async fn look_away(ctx: &Context, caller: &Caller, conversation: ConversationId, socket: SocketId) {
    if ctx.cluster.typing.look_away(conversation, caller.user_id, socket) {
        tell(ctx, conversation, caller.user_id, Event::TypingStopped).await;
    }
}

/// A socket is gone, and nobody types on it.
pub async fn leave(ctx: &Context, socket: SocketId) {
    for (conversation, user) in ctx.cluster.typing.leave(socket) {
        tell(ctx, conversation, user, Event::TypingStopped).await;
    }
}

/// Ends what nobody has said for too long to be going on.
pub async fn sweep(ctx: &Context) {
    for (conversation, user) in ctx.cluster.typing.take_ended() {
        tell(ctx, conversation, user, Event::TypingStopped).await;
    }
}

/// Tells those who look, but for those between whom and the person stands a block.
pub(super) async fn tell(
    ctx: &Context,
    conversation_id: ConversationId,
    user_id: UserId,
    event: impl FnOnce(Glimpse) -> Event,
) {
    match in_time(async { Ok(blocks::around(&ctx.db, user_id).await?) }).await {
        Ok(hidden_from) => ctx.tell(event(Glimpse { conversation_id, user_id, hidden_from })).await,
        Err(error) => tracing::warn!(%error, "What somebody does was not told: {error}"),
    }
}
