//! Read state, as clients send and see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json;
use crate::domain::{
    error::{Error, Result},
    ids::{ConversationId, MessageId, UserId},
    receipt::{Advance, Reached, Receipt, ReceiptCount, ReceiptCounts, ReceiptKind, Unread},
};

/// Where one member stands in a conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptView {
    /// Who.
    pub user_id: UserId,
    /// Everything up to here reached a device.
    pub delivered_seq: i64,
    /// When that cursor last moved.
    #[serde(serialize_with = "json::time_or_null")]
    pub delivered_at: Option<DateTime<Utc>>,
    /// Everything up to here was read.
    pub read_seq: i64,
    /// When that cursor last moved.
    #[serde(serialize_with = "json::time_or_null")]
    pub read_at: Option<DateTime<Utc>>,
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        Self {
            user_id: receipt.user_id,
            delivered_seq: receipt.delivered_seq,
            delivered_at: receipt.delivered_at,
            read_seq: receipt.read_seq,
            read_at: receipt.read_at,
        }
    }
}

/// One's own place after marking: the cursor that was moved, and both as they are now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OwnReceipt)]
pub struct OwnReceiptView {
    /// Where.
    pub conversation_id: ConversationId,
    /// The cursor that was asked for, as it is now.
    pub seq: i64,
    /// When that cursor last moved.
    #[serde(serialize_with = "json::time_or_null")]
    pub at: Option<DateTime<Utc>>,
    /// Both cursors.
    #[serde(flatten)]
    pub receipt: ReceiptView,
}

impl OwnReceiptView {
    /// One's own receipt after an advance of one of the cursors.
    pub fn of(conversation_id: ConversationId, kind: ReceiptKind, receipt: Receipt) -> Self {
        let (seq, at) = match kind {
            ReceiptKind::Delivered => (receipt.delivered_seq, receipt.delivered_at),
            ReceiptKind::Read => (receipt.read_seq, receipt.read_at),
        };
        Self { conversation_id, seq, at, receipt: receipt.into() }
    }
}

/// How far one has read; everything where nothing is said.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"seq": 42}))]
pub struct MarkRead {
    /// Everything up to here; beyond the head means the head.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub seq: Option<i64>,
    /// Everything up to the latest of these; at most 100.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub message_ids: Option<Vec<MessageId>>,
}

/// How far messages have reached a device.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"seq": 42}))]
pub struct MarkDelivered {
    /// Everything up to here; beyond the head means the head.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub seq: Option<i64>,
    /// Everything up to the latest of these; at most 100.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub message_ids: Option<Vec<MessageId>>,
}

impl TryFrom<MarkRead> for Reached {
    type Error = Error;

    fn try_from(mark: MarkRead) -> Result<Self> {
        reached(mark.seq, mark.message_ids).map(|reached| reached.unwrap_or(Self::Head))
    }
}

impl TryFrom<MarkDelivered> for Reached {
    type Error = Error;

    fn try_from(mark: MarkDelivered) -> Result<Self> {
        reached(mark.seq, mark.message_ids)?.ok_or_else(|| Error::field("seq", "required", "Say up to where."))
    }
}

fn reached(seq: Option<i64>, message_ids: Option<Vec<MessageId>>) -> Result<Option<Reached>> {
    match (seq, message_ids) {
        (Some(_), Some(_)) => Err(Error::field("message_ids", "unexpected", "Give either seq or message_ids.")),
        (Some(seq), None) if seq < 0 => Err(Error::field("seq", "out_of_range", "Must not be negative.")),
        (Some(seq), None) => Ok(Some(Reached::Seq(seq))),
        (None, Some(ids)) if ids.is_empty() || ids.len() > 100 => {
            Err(Error::field("message_ids", "out_of_range", "Between 1 and 100 messages."))
        }
        (None, Some(ids)) => Ok(Some(Reached::Messages(ids))),
        (None, None) => Ok(None),
    }
}

/// One advance of a cursor, as others are told.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Advance)]
pub struct AdvanceView {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// To where: never back.
    pub seq: i64,
    /// When.
    #[serde(serialize_with = "json::time")]
    pub at: DateTime<Utc>,
}

impl From<&Advance> for AdvanceView {
    fn from(advance: &Advance) -> Self {
        Self { conversation_id: advance.conversation_id, user_id: advance.user_id, seq: advance.seq, at: advance.at }
    }
}

/// How far the members of a large conversation have come with its newest messages, in numbers.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReceiptCounts)]
pub struct ReceiptCountsView {
    /// Where.
    pub conversation_id: ConversationId,
    /// How many members there are, the senders included.
    pub participant_count: i32,
    /// The newest messages, up to 20, ascending by `seq`.
    pub counts: Vec<ReceiptCountView>,
}

/// How many of the others have come how far with one message; absolute.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReceiptCount)]
pub struct ReceiptCountView {
    /// The message's place.
    pub seq: i64,
    /// How many it reached.
    pub delivered: i64,
    /// How many have read it.
    pub read: i64,
}

impl From<&ReceiptCounts> for ReceiptCountsView {
    fn from(counts: &ReceiptCounts) -> Self {
        let count =
            |count: &ReceiptCount| ReceiptCountView { seq: count.seq, delivered: count.delivered, read: count.read };
        Self {
            conversation_id: counts.conversation_id,
            participant_count: counts.participant_count,
            counts: counts.counts.iter().map(count).collect(),
        }
    }
}

/// Unread messages of one conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Unread)]
pub struct UnreadView {
    /// Where.
    pub conversation_id: ConversationId,
    /// Messages of others above your read cursor.
    pub unread: i64,
    /// How many of those mention you.
    pub mentions: i64,
}

/// Unread messages of all your conversations.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UnreadTotal)]
pub struct UnreadTotalView {
    /// All of them together.
    pub total: i64,
    /// How many of those mention you.
    pub mentions: i64,
    /// Those conversations that have any.
    pub items: Vec<UnreadView>,
}

impl From<Vec<Unread>> for UnreadTotalView {
    fn from(counts: Vec<Unread>) -> Self {
        let items: Vec<_> = counts
            .into_iter()
            .map(|count| UnreadView {
                conversation_id: count.conversation_id,
                unread: count.unread,
                mentions: count.mentions,
            })
            .collect();
        Self {
            total: items.iter().map(|item| item.unread).sum(),
            mentions: items.iter().map(|item| item.mentions).sum(),
            items,
        }
    }
}
