//! Read state: two cursors per member that only move forward, and what follows from them.

use serde::{Deserialize, Serialize};

use super::{
    clock::Time,
    ids::{ConversationId, UserId},
};

/// Which of the two cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ReceiptKind {
    /// It reached a device.
    Delivered,
    /// It was read, which implies that it was delivered.
    Read,
}

/// Where one member stands in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who.
    pub user_id: UserId,
    /// Everything up to here reached a device.
    pub delivered_seq: i64,
    /// When that cursor last moved.
    pub delivered_at: Option<Time>,
    /// Everything up to here was read.
    pub read_seq: i64,
    /// When that cursor last moved.
    pub read_at: Option<Time>,
}

/// When one message reached one member.
#[derive(Clone, Debug)]
pub struct MessageReceipt {
    /// Who.
    pub user_id: UserId,
    /// When it reached a device.
    pub delivered_at: Option<Time>,
    /// When it was read.
    pub read_at: Option<Time>,
}

/// One advance of a cursor, as others are told.
#[derive(Clone, Debug)]
pub struct Advance {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// Which cursor.
    pub kind: ReceiptKind,
    /// To where.
    pub seq: i64,
    /// When.
    pub at: Time,
    /// How far the log went then.
    pub head_seq: i64,
}

/// What an advance says, for those who see to it that no cursor is told to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub kind: ReceiptKind,
    /// Where it stands.
    pub seq: i64,
    /// How far the log went then: whoever left up to there must hear nothing of it.
    pub head_seq: i64,
}

impl Advance {
    /// The cursor, where it stands now.
    pub fn cursor(&self) -> Cursor {
        Cursor { user_id: self.user_id, kind: self.kind, seq: self.seq, head_seq: self.head_seq }
    }

    /// Whether it changes what is unread.
    pub fn is_of_unread(&self) -> bool {
        self.kind == ReceiptKind::Read
    }
}

/// How far the members of a large conversation have come with its newest messages, in numbers.
#[derive(Clone, Debug)]
pub struct ReceiptCounts {
    /// Where.
    pub conversation_id: ConversationId,
    /// How many members there are.
    pub participant_count: i32,
    /// The counts, by ascending place of the message.
    pub counts: Vec<ReceiptCount>,
}

/// How many of the others have come how far with one message.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptCount {
    /// The message's place.
    pub seq: i64,
    /// Whom it reached.
    pub delivered: i64,
    /// Who has read it.
    pub read: i64,
}

/// How far somebody says to have come.
#[derive(Clone, Debug)]
pub enum Reached {
    /// Everything.
    Head,
    /// Everything up to a place; beyond the head means the head.
    Seq(i64),
    /// Everything up to the latest of these messages.
    Messages(Vec<super::ids::MessageId>),
}

/// Unread messages of one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Where.
    pub conversation_id: ConversationId,
    /// Messages of others above the read cursor.
    pub unread: i64,
    /// How many of those mention me.
    pub mentions: i64,
}
