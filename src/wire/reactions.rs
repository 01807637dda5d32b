//! Reactions, as clients send and see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{
    ids::{MessageId, UserId},
    message::Message,
    reaction::{Reaction, ReactionChange},
};

/// One emoji under a message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Reaction)]
pub struct ReactionView {
    /// Which, in its fully qualified form.
    #[schema(example = "👍")]
    pub emoji: String,
    /// How many people chose it.
    pub count: i64,
    /// The first of them, up to 10.
    #[schema(max_items = 10)]
    pub user_ids: Vec<UserId>,
}

impl From<Reaction> for ReactionView {
    fn from(reaction: Reaction) -> Self {
        Self { emoji: reaction.emoji, count: reaction.count, user_ids: reaction.user_ids }
    }
}

/// An emoji to react with, or no more.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct React {
    /// Exactly one emoji.
    #[schema(example = "👍")]
    pub emoji: String,
}

/// All reactions to a message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Reactions)]
pub struct ReactionsView {
    /// Which message.
    pub message_id: MessageId,
    /// In the order in which each emoji was first chosen.
    pub reactions: Vec<ReactionView>,
}

impl From<Message> for ReactionsView {
    fn from(message: Message) -> Self {
        Self { message_id: message.id, reactions: views(message.reactions) }
    }
}

/// A reaction that came or went.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReactionChange)]
pub struct ReactionChangeView {
    /// To which message; its `changed_seq` is now the event's `seq`.
    pub message_id: MessageId,
    /// Whose.
    pub user_id: UserId,
    /// Which emoji.
    #[schema(example = "👍")]
    pub emoji: String,
    /// All reactions to the message as they are now.
    pub reactions: Vec<ReactionView>,
}

impl From<ReactionChange> for ReactionChangeView {
    fn from(change: ReactionChange) -> Self {
        let ReactionChange { message_id, user_id, emoji, reactions, .. } = change;
        Self { message_id, user_id, emoji, reactions: views(reactions) }
    }
}

/// Reactions as clients see them.
pub fn views(reactions: Vec<Reaction>) -> Vec<ReactionView> {
    reactions.into_iter().map(ReactionView::from).collect()
}
