//! What somebody may ask the rules without doing it, and what they are told.

use serde::{Deserialize, Serialize};

use super::rules::Verdict;
use crate::domain::attachment::AttachmentKind;
use crate::domain::{
    conversation::ConversationKind,
    ids::{ConversationId, MessageId, UserId},
};

/// May I …?
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
#[schema(example = json!({"action": "open_conversation", "kind": "group", "category": "batch", "participant_ids": []}))]
pub enum Question {
    /// Open a conversation with these people.
    OpenConversation {
        /// Direct or group.
        kind: ConversationKind,
        /// The others.
        participant_ids: Vec<UserId>,
        /// Of the group.
        category: Option<String>,
    },
    /// Add these people to a group.
    AddParticipants {
        /// Which.
        conversation_id: ConversationId,
        /// Whom.
        user_ids: Vec<UserId>,
    },
    /// Say something, with these kinds of attachments.
    SendMessage {
        /// Where.
        conversation_id: ConversationId,
        /// What is attached.
        #[serde(default)]
        attachments: Vec<AttachmentKind>,
    },
    /// Edit a message of mine.
    EditMessage {
        /// Where.
        conversation_id: ConversationId,
        /// Which.
        message_id: MessageId,
    },
    /// Delete a message for everyone.
    DeleteMessage {
        /// Where.
        conversation_id: ConversationId,
        /// Which.
        message_id: MessageId,
    },
}

/// What the rules say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Ruling {
    /// Whether it may be done.
    pub allowed: bool,
    /// The rule that decided, by its place in the policy file.
    #[schema(example = "groups.batch.made_by")]
    pub rule: String,
    /// A sentence for people.
    pub why: String,
}

impl From<Verdict<'_>> for Ruling {
    fn from(verdict: Verdict<'_>) -> Self {
        match verdict {
            Ok(rule) => Self { allowed: true, rule: rule.to_owned(), why: format!("`{rule}` allows it.") },
            Err(denial) => Self { allowed: false, rule: denial.rule, why: denial.why },
        }
    }
}
