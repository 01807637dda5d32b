//! Messages to be sent later, as clients plan and see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{json, messages::MessageView};
use crate::domain::{
    error::{Error, Result},
    ids::{AttachmentId, ConversationId, MessageId, UserId},
    limits,
    location::Location,
    message::{Draft, MessageKind},
    scheduled::{Plan, PlanChange, PlanError, PlanState},
};

/// A message to be sent at a time.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ScheduledMessage)]
pub struct PlanView {
    /// The id that the message will have.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// What is to be sent.
    pub draft: DraftView,
    /// When.
    #[serde(serialize_with = "json::time")]
    pub scheduled_for: DateTime<Utc>,
    /// What has become of it.
    pub state: PlanState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<PlanError>,
}

/// What is to be sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Draft)]
pub struct DraftView {
    /// What it is.
    pub kind: MessageKind,
    /// The words.
    pub body: Option<String>,
    /// Files; they are kept for the message until it is sent, and yours again if it is not.
    pub attachment_ids: Vec<AttachmentId>,
    /// Whatever you keep with it.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// The place, for `location`.
    pub location: Option<Location>,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// Who is mentioned.
    pub mentions: Vec<UserId>,
    /// Whether everybody in the conversation is.
    pub mentions_all: bool,
    /// Seconds after which it goes by itself, once it is sent.
    pub expires_in: Option<i32>,
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let Plan { draft, scheduled_for, state, error, .. } = plan;
        Self { id: draft.id, conversation_id: draft.conversation_id, draft: draft.into(), scheduled_for, state, error }
    }
}

impl From<Draft> for DraftView {
    fn from(draft: Draft) -> Self {
        Self {
            kind: draft.kind,
            body: draft.body,
            attachment_ids: draft.attachment_ids,
            metadata: draft.metadata,
            location: draft.location,
            reply_to: draft.reply_to,
            mentions: draft.mentions,
            mentions_all: draft.mentions_all,
            expires_in: draft.expires_in,
        }
    }
}

/// What became of a message that somebody sent: it is there, or planned.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum SentView {
    /// It is committed.
    Message(Box<MessageView>),
    /// It is sent later.
    Plan(Box<PlanView>),
}

/// A change of what is to be sent, or when; null clears, absent leaves.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"body": "See you at nine.", "scheduled_for": "2031-01-01T09:00:00Z"}))]
pub struct ChangePlan {
    /// When: from now on, and within a year. It can't be cleared.
    #[serde(default, deserialize_with = "json::patch_moment")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub scheduled_for: Option<Option<DateTime<Utc>>>,
    /// What it is.
    #[serde(default, deserialize_with = "json::patch_default")]
    pub kind: Option<MessageKind>,
    /// The words.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 16000)]
    pub body: Option<Option<String>>,
    /// Files that you uploaded to the conversation, and that nothing has taken yet; those that are no longer named are
    /// given back.
    #[serde(default, deserialize_with = "json::patch_default")]
    #[schema(max_items = 10)]
    pub attachment_ids: Option<Vec<AttachmentId>>,
    /// Whatever you keep with it.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Option<Value>>,
    /// The place, for `location`.
    #[serde(default, deserialize_with = "json::patch_object")]
    #[schema(value_type = Option<Location>)]
    pub location: Option<Option<Location>>,
    /// The message that it answers.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<MessageId>)]
    pub reply_to: Option<Option<MessageId>>,
    /// Members to mention.
    #[serde(default, deserialize_with = "json::patch_default")]
    #[schema(max_items = 50)]
    pub mentions: Option<Vec<UserId>>,
    /// Mention everybody in the conversation.
    #[serde(default, deserialize_with = "json::patch_default")]
    pub mentions_all: Option<bool>,
    /// Seconds after which it goes by itself, once it is sent.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 31_536_000)]
    pub expires_in: Option<Option<i32>>,
}

impl TryFrom<ChangePlan> for PlanChange {
    type Error = Error;

    fn try_from(change: ChangePlan) -> Result<Self> {
        let files = |ids| json::distinct("attachment_ids", limits::ATTACHMENTS, ids);
        let people = |users| json::distinct("mentions", limits::MENTIONS, users);
        if change.scheduled_for == Some(None) {
            return Err(Error::field("scheduled_for", "required", "A plan has a time; delete it to send nothing."));
        }
        Ok(Self {
            scheduled_for: change.scheduled_for.flatten(),
            kind: change.kind,
            body: change.body,
            attachment_ids: change.attachment_ids.map(files).transpose()?,
            metadata: change.metadata,
            location: change.location,
            reply_to: change.reply_to,
            mentions: change.mentions.map(people).transpose()?,
            mentions_all: change.mentions_all,
            expires_in: change.expires_in,
        })
    }
}
