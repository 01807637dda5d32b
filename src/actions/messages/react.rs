//! Reacting: one person, one emoji, once; summed up in the message itself, so that reading it costs nothing more.

use super::{
    super::{Context, rules::require_reachable},
    change, history,
};
use crate::{
    domain::{
        error::Result,
        event::Event,
        ids::{ConversationId, MessageId, UserId},
        limits::Limit,
        message::Message,
        policy,
        reaction::{self, Emoji, ReactionChange},
        user::Caller,
    },
    store::{
        changes::{Change, ChangeKind},
        reactions::{self, Place},
    },
};

/// Adds the caller's reaction; one that is there already takes no place in the log.
pub async fn add(ctx: &Context, caller: &Caller, place: (ConversationId, MessageId), emoji: &str) -> Result<Message> {
    let emoji = Emoji::parse(emoji)?;
    let (mut tx, standing, mut message) = change::begin(ctx, caller, place).await?;
    policy::is_there(&message)?;
    require_reachable(ctx, &mut tx, &standing, caller.user_id).await?;
    let place = Place { conversation_id: place.0, message_seq: message.seq, emoji: &emoji };
    let seq = standing.head_seq + 1;
    if !reactions::insert(&mut tx, place, caller.user_id, seq).await? {
        return history::with_status(&mut tx, message, standing.floor_seq).await;
    }

    ctx.spend_as(Limit::Reactions, caller.user_id, &standing.person_roles).await?;
    reaction::count_in(&mut message.reactions, &emoji, caller.user_id)?;
    message.changed_seq = seq;
    reactions::sum_up(&mut tx, &message).await?;
    let entry = entry(ChangeKind::ReactionAdded, &message, caller.user_id, &emoji);
    let event = Event::ReactionAdded(ReactionChange::of(&message, caller.user_id, emoji.into()));
    change::close(ctx, tx, message, (entry, event), standing.floor_seq).await
}

/// Takes the caller's reaction back; one that is not there takes no place in the log.
pub async fn remove(
    ctx: &Context,
    caller: &Caller,
    place: (ConversationId, MessageId),
    emoji: &str,
) -> Result<Message> {
    let emoji = Emoji::parse(emoji)?;
    let (mut tx, standing, mut message) = change::begin(ctx, caller, place).await?;
    policy::is_there(&message)?;
    let place = Place { conversation_id: place.0, message_seq: message.seq, emoji: &emoji };
    if !reactions::delete(&mut tx, place, caller.user_id).await? {
        return history::with_status(&mut tx, message, standing.floor_seq).await;
    }

    ctx.spend_as(Limit::Reactions, caller.user_id, &standing.person_roles).await?;
    let first = reactions::first(&mut tx, place).await?;
    reaction::count_out(&mut message.reactions, &emoji, first);
    message.changed_seq = standing.head_seq + 1;
    reactions::sum_up(&mut tx, &message).await?;
    let entry = entry(ChangeKind::ReactionRemoved, &message, caller.user_id, &emoji);
    let event = Event::ReactionRemoved(ReactionChange::of(&message, caller.user_id, emoji.into()));
    change::close(ctx, tx, message, (entry, event), standing.floor_seq).await
}

fn entry(kind: ChangeKind, message: &Message, user: UserId, emoji: &Emoji) -> Change {
    let emoji = Some(emoji.as_str().to_owned());
    Change { user_id: Some(user), emoji, ..Change::of_message(kind, message) }
}
