//! Presence, as clients send and see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json;
use crate::domain::{
    ids::{ConversationId, UserId},
    presence::{Presence, PresenceStatus},
};

/// Somebody's presence.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Presence)]
pub struct PresenceView {
    /// Whose.
    pub user_id: UserId,
    /// How they are there.
    pub status: PresenceStatus,
    /// When they were last there.
    #[serde(serialize_with = "json::time_or_null")]
    pub last_seen_at: Option<DateTime<Utc>>,
}

impl From<Presence> for PresenceView {
    fn from(presence: Presence) -> Self {
        Self { user_id: presence.user_id, status: presence.status, last_seen_at: presence.last_seen_at }
    }
}

/// How one wants to seem.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SetPresence {
    /// Holds for all of one's sockets.
    pub status: PresenceStatus,
}

/// Who of a conversation is there.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Present)]
pub struct PresentView {
    /// Where.
    pub conversation_id: ConversationId,
    /// Its members who are there, up to 100.
    pub present: Vec<PresenceView>,
}
