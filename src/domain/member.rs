//! Who is in a conversation, and in which role.

use serde::{Deserialize, Serialize};

use super::{
    clock::Time,
    conversation::{ConversationKind, HistoryRule},
    ids::{ConversationId, UserId},
    user::Profile,
};

/// A member's role, least first, so that roles compare by reach.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    /// Talks.
    Member,
    /// Also renames, adds, removes and pins.
    Admin,
    /// Also makes and unmakes owners, and deletes the group.
    Owner,
}

/// One person in one conversation, present or gone.
#[derive(Clone, Debug)]
pub struct Participant {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub joined_at: Time,
    /// Until when.
    pub left_at: Option<Time>,
    /// The log's entry of the last change.
    pub changed_seq: i64,
    /// What is shown of the person.
    pub user: Profile,
}

/// The facts about a caller in a conversation that rules are decided on, read in the transaction that writes.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Where.
    pub conversation_id: ConversationId,
    /// Direct or group.
    pub kind: ConversationKind,
    /// Of the group.
    pub category: Option<String>,
    /// What later members see.
    pub history_for_new_members: HistoryRule,
    /// Whether plain members may pin.
    pub members_may_pin: bool,
    /// The log's head before this change.
    pub head_seq: i64,
    /// The number of the last countable message.
    pub message_no: i64,
    /// How many are in it.
    pub member_count: i32,
    /// The caller's role.
    pub role: Role,
    /// What the caller is in the application, where the communication rules ask.
    pub person_roles: Vec<String>,
    /// Messages up to here are not for the caller.
    pub floor_seq: i64,
}
