//! "What did I miss?", as clients ask it and are told.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    conversations::{ConversationPreferencesView, OwnConversationView, ParticipantView},
    json,
    messages::MessageView,
    receipts::ReceiptView,
    scheduled::PlanView,
};
use crate::domain::{
    error::{Error, Result},
    ids::{ConversationId, MessageId, UserId},
    sync::{self, OwnMatters, SyncAnswer, SyncRequest, SyncedConversation},
};

/// Where a client stands.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"cursors": {"5f0c6a3e-9d0f-4f53-8f58-2c7f3d5b9a10": 42}, "own_cursor": "7.1764000000000000"}))]
pub struct Sync {
    /// The log's place that you have reached, per conversation; 0 means from the start.
    #[serde(default, deserialize_with = "json::or_default")]
    #[schema(value_type = Option<HashMap<ConversationId, u64>>)]
    pub cursors: HashMap<ConversationId, i64>,
    /// The `own_cursor` of the last answer; without it, `own` is the whole state.
    #[serde(default)]
    pub own_cursor: Option<String>,
    /// Messages at most: 1 to 500, 100 where absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 500)]
    pub limit: Option<usize>,
}

impl TryFrom<Sync> for SyncRequest {
    type Error = Error;

    fn try_from(sync: Sync) -> Result<Self> {
        let limit = sync.limit.unwrap_or(sync::DEFAULT_LIMIT);
        if !(1..=sync::MAX_LIMIT).contains(&limit) {
            return Err(Error::field("limit", "out_of_range", format!("Between 1 and {}.", sync::MAX_LIMIT)));
        }
        if sync.cursors.values().any(|seq| *seq < 0) {
            return Err(Error::field("cursors", "out_of_range", "A cursor must not be negative."));
        }
        let own_cursor = sync.own_cursor.map(|text| text.parse()).transpose()?;
        Ok(Self { cursors: sync.cursors, own_cursor, limit })
    }
}

/// What was missed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SyncAnswer)]
pub struct SyncView {
    /// Conversations in which something was missed.
    pub conversations: Vec<SyncedConversationView>,
    /// Named conversations of which you are not a member, existing or not: forget them before you read on. One that you
    /// were removed from and added to again comes anew.
    pub removed: Vec<ConversationId>,
    /// What concerns you alone.
    pub own: OwnMattersView,
    /// Where each listed conversation now stands: merge it into yours.
    pub cursors: HashMap<ConversationId, i64>,
    /// Where your own matters now stand; opaque.
    pub own_cursor: String,
    /// The number of the last entry of your own log that this tells: what `own_seq` of events goes on from.
    pub own_seq: i64,
    /// Whether to merge and call again.
    pub has_more: bool,
}

/// What was missed in one conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SyncedConversation)]
pub struct SyncedConversationView {
    /// The conversation as it is now.
    pub conversation: OwnConversationView,
    /// Messages changed since, ascending by `changed_seq`.
    pub messages: Vec<MessageView>,
    /// Participants changed since, leavers with `left_at`.
    pub participants: Vec<ParticipantView>,
    /// All cursors, up to 100 members.
    pub receipts: Vec<ReceiptView>,
}

/// What concerns you alone.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OwnMatters)]
pub struct OwnMattersView {
    /// Preferences changed since.
    pub preferences: Vec<ConversationPreferencesView>,
    /// Messages that you deleted for yourself since.
    pub hidden: Vec<HiddenMessageView>,
    /// Everybody whom you block now.
    pub blocks: Vec<UserId>,
    /// Messages to be sent later that changed since; without `own_cursor`, those that are pending.
    pub scheduled: Vec<PlanView>,
}

/// A message that was deleted for oneself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HiddenMessage)]
pub struct HiddenMessageView {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which.
    pub message_id: MessageId,
}

impl From<SyncAnswer> for SyncView {
    fn from(answer: SyncAnswer) -> Self {
        Self {
            conversations: answer.conversations.into_iter().map(SyncedConversationView::from).collect(),
            removed: answer.removed,
            own: answer.own.into(),
            cursors: answer.cursors,
            own_seq: answer.own_cursor.seq,
            own_cursor: answer.own_cursor.to_string(),
            has_more: answer.has_more,
        }
    }
}

impl From<SyncedConversation> for SyncedConversationView {
    fn from(synced: SyncedConversation) -> Self {
        Self {
            conversation: synced.conversation.into(),
            messages: synced.messages.into_iter().map(MessageView::from).collect(),
            participants: synced.participants.into_iter().map(ParticipantView::from).collect(),
            receipts: synced.receipts.into_iter().map(ReceiptView::from).collect(),
        }
    }
}

impl From<OwnMatters> for OwnMattersView {
    fn from(own: OwnMatters) -> Self {
        Self {
            preferences: own.preferences.into_iter().map(ConversationPreferencesView::from).collect(),
            hidden: own
                .hidden
                .into_iter()
                .map(|(conversation_id, message_id)| HiddenMessageView { conversation_id, message_id })
                .collect(),
            blocks: own.blocks,
            scheduled: own.scheduled.into_iter().map(PlanView::from).collect(),
        }
    }
}
