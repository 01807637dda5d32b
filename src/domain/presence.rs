//! Who is there. Ephemeral: it has a time to live, goes only to those who look, and is first to go under load.

use serde::{Deserialize, Serialize};

use super::{
    clock::Time,
    ids::{ConversationId, UserId},
};

/// How somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// There.
    Online,
    /// There, but not looking.
    Away,
    /// There, but not to be disturbed.
    Busy,
    /// Not there, or choosing to seem so.
    Offline,
}

/// To whom somebody's presence is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Onlookers {
    /// Those who have one of these conversations open.
    pub conversation_ids: Vec<ConversationId>,
    /// But for those between whom and the person stands a block.
    pub hidden_from: Vec<UserId>,
}

/// Somebody's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Whose.
    pub user_id: UserId,
    /// How they are there.
    pub status: PresenceStatus,
    /// When they were last there; now, while they are.
    pub last_seen_at: Option<Time>,
}

/// What somebody does in a conversation, before the eyes of those who have it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// Between whom and them stands a block.
    pub hidden_from: Vec<UserId>,
}
