//! Messages, as clients send and see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    attachments::AttachmentView,
    json,
    reactions::{self, ReactionView},
};
use crate::domain::{
    error::{Error, Result},
    ids::{AttachmentId, ConversationId, MessageId, UserId},
    limits,
    link::LinkPreview,
    location::Location,
    message::{Draft, Edit, ForwardedFrom, HistoryPage, Message, MessageKind, ReplyTo, Status},
    receipt::MessageReceipt,
    revision::Revision,
};

/// A message. Nothing in it depends on who looks, so one rendering serves all.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    /// The client's own id, unique within the conversation.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Where it was born in the conversation's log.
    #[schema(example = 42)]
    pub seq: i64,
    /// Its last change in the log; equal to `seq` while unchanged.
    #[schema(example = 42)]
    pub changed_seq: i64,
    /// Who wrote it.
    pub sender_id: UserId,
    /// What it is.
    pub kind: MessageKind,
    /// How far all others have come with it; `sent` in events.
    pub status: Status,
    /// The words; null once deleted.
    #[schema(example = "See you at eight.")]
    pub body: Option<String>,
    /// Files; empty once deleted.
    pub attachments: Vec<AttachmentView>,
    /// The place, for `location`.
    pub location: Option<Location>,
    /// Whatever the application keeps with it; at most 4 KiB.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// What it answers.
    pub reply_to: Option<ReplyToView>,
    /// Where it was forwarded from.
    pub forwarded_from: Option<ForwardedFromView>,
    /// Who is mentioned.
    pub mentions: Vec<UserId>,
    /// Whether everybody in the conversation is.
    pub mentions_all: bool,
    /// Reactions, in the order in which each emoji was first chosen; empty once deleted.
    pub reactions: Vec<ReactionView>,
    /// What the page says of itself that the body links to first. Absent where there is none; where links are previewed, it
    /// comes a moment after the message, with a `message:updated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_preview: Option<LinkPreviewView>,
    /// When it was pinned.
    #[serde(serialize_with = "json::time_or_null")]
    pub pinned_at: Option<DateTime<Utc>>,
    /// Who pinned it.
    pub pinned_by: Option<UserId>,
    /// When the body last changed.
    #[serde(serialize_with = "json::time_or_null")]
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was deleted for everyone; its words are gone.
    #[serde(serialize_with = "json::time_or_null")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// When it goes by itself: from that moment on nobody reads it, and within 5 s it is deleted for everyone.
    #[serde(serialize_with = "json::time_or_null")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was committed; `seq` orders, not this.
    #[serde(serialize_with = "json::time")]
    pub created_at: DateTime<Utc>,
}

/// What a reply shows of the message it answers.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReplyTo)]
pub struct ReplyToView {
    /// The answered message.
    pub id: MessageId,
    /// Its place in the log.
    pub seq: i64,
    /// Who wrote it.
    pub sender_id: UserId,
    /// What it is.
    pub kind: MessageKind,
    /// How its body begins; null once it was deleted, of which the message that answers it has no event of its own.
    pub preview: Option<String>,
    /// When it was deleted for everyone.
    #[serde(serialize_with = "json::time_or_null")]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What a page says of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkPreview)]
pub struct LinkPreviewView {
    /// The link, as it stands in the body.
    #[schema(example = "https://www.example.com/")]
    pub url: String,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A picture of it, wherever that is: whoever loads it shows their address there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The site that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_name: Option<String>,
}

/// Where a forwarded message was copied from.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ForwardedFrom)]
pub struct ForwardedFromView {
    /// The message that was copied.
    pub message_id: MessageId,
    /// Its conversation, where all who see the copy may see that too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// Who wrote it.
    pub sender_id: UserId,
    /// When it was written.
    #[serde(serialize_with = "json::time")]
    pub created_at: DateTime<Utc>,
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            conversation_id: message.conversation_id,
            seq: message.seq,
            changed_seq: message.changed_seq,
            sender_id: message.sender_id,
            kind: message.kind,
            status: message.status,
            body: message.body,
            attachments: message.attachments.into_iter().map(AttachmentView::from).collect(),
            location: message.location,
            metadata: message.metadata,
            reply_to: message.reply_to.map(ReplyToView::from),
            forwarded_from: message.forwarded_from.map(ForwardedFromView::from),
            mentions: message.mentions,
            mentions_all: message.mentions_all,
            reactions: reactions::views(message.reactions),
            link_preview: message.link_preview.map(LinkPreviewView::from),
            pinned_at: message.pinned_at,
            pinned_by: message.pinned_by,
            edited_at: message.edited_at,
            deleted_at: message.deleted_at,
            expires_at: message.expires_at,
            created_at: message.created_at,
        }
    }
}

impl From<LinkPreview> for LinkPreviewView {
    fn from(preview: LinkPreview) -> Self {
        let LinkPreview { url, title, description, image_url, site_name } = preview;
        Self { url, title, description, image_url, site_name }
    }
}

impl From<ForwardedFrom> for ForwardedFromView {
    fn from(origin: ForwardedFrom) -> Self {
        Self {
            message_id: origin.message_id,
            conversation_id: origin.conversation_id,
            sender_id: origin.sender_id,
            created_at: origin.created_at,
        }
    }
}

impl From<ReplyTo> for ReplyToView {
    fn from(reply: ReplyTo) -> Self {
        let ReplyTo { id, seq, sender_id, kind, preview, deleted_at } = reply;
        Self { id, seq, sender_id, kind, preview, deleted_at }
    }
}

/// A message to send.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "body": "Hello!"}))]
pub struct SendMessage {
    /// Your own UUID; send the same again to retry without doubling. Made by the server where absent.
    #[serde(default)]
    pub id: Option<MessageId>,
    /// `text` where absent.
    #[serde(default, deserialize_with = "json::or_default")]
    #[schema(nullable)]
    pub kind: MessageKind,
    /// The words: 1 to 16,000 characters of any Unicode but U+0000.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 16000)]
    pub body: Option<String>,
    /// Files that you uploaded to this conversation and that no message has yet; at most 10.
    #[serde(default, deserialize_with = "json::or_default")]
    #[schema(nullable, max_items = 10)]
    pub attachment_ids: Vec<AttachmentId>,
    /// Whatever you keep with it; at most 4 KiB of JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// The place, for `location`.
    #[serde(default, deserialize_with = "json::object")]
    pub location: Option<Location>,
    /// The message that this one answers.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// Members to mention; at most 50. The body is not parsed for them.
    #[serde(default, deserialize_with = "json::or_default")]
    #[schema(nullable, max_items = 50)]
    pub mentions: Vec<UserId>,
    /// Mention everybody in the conversation; in a group, its owner and admins may.
    #[serde(default, deserialize_with = "json::or_default")]
    #[schema(nullable)]
    pub mentions_all: bool,
    /// When to send it, instead of now: within a year. It is decided again then whether you may. Not with files.
    #[serde(default, deserialize_with = "json::moment")]
    pub scheduled_for: Option<DateTime<Utc>>,
    /// Seconds after which it goes by itself; where its conversation has such a setting too, the shorter counts.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub expires_in: Option<i32>,
}

impl SendMessage {
    /// The draft that this asks for.
    pub fn into_draft(self, conversation_id: ConversationId) -> Result<Draft> {
        Ok(Draft {
            id: self.id.unwrap_or_else(MessageId::new_v7),
            conversation_id,
            kind: self.kind,
            body: self.body,
            attachment_ids: json::distinct("attachment_ids", limits::ATTACHMENTS, self.attachment_ids)?,
            metadata: self.metadata,
            location: self.location,
            reply_to: self.reply_to,
            mentions: json::distinct("mentions", limits::MENTIONS, self.mentions)?,
            mentions_all: self.mentions_all,
            forwarded_from: None,
            expires_in: self.expires_in,
        })
    }
}

/// An edit.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"body": "Hello, all!"}))]
pub struct EditMessage {
    /// The new words: 1 to 16,000 characters; they stay as they are where absent, and null clears those beside files or a place.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 16000)]
    pub body: Option<Option<String>>,
    /// Who is mentioned now; the mentions stay as they are where absent.
    #[serde(default, deserialize_with = "json::patch_default")]
    #[schema(max_items = 50)]
    pub mentions: Option<Vec<UserId>>,
    /// Whether everybody is mentioned now; stays as it is where absent.
    #[serde(default, deserialize_with = "json::patch_default")]
    pub mentions_all: Option<bool>,
    /// New metadata; stays as it is where absent, and null clears it.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Option<Value>>,
}

impl TryFrom<EditMessage> for Revision {
    type Error = Error;

    fn try_from(edit: EditMessage) -> Result<Self> {
        let EditMessage { body, mentions, mentions_all, metadata } = edit;
        if body.is_none() && mentions.is_none() && mentions_all.is_none() && metadata.is_none() {
            return Err(Error::field("body", "required", "Must be given, or something else that changes."));
        }
        let mentions = mentions.map(|users| json::distinct("mentions", limits::MENTIONS, users)).transpose()?;
        Ok(Self { body, mentions, mentions_all, metadata })
    }
}

/// A part of the history, ascending by `seq`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = History)]
pub struct HistoryView {
    /// The messages.
    pub items: Vec<MessageView>,
    /// Always null; page on with `before` or `after` and a `seq`.
    pub next_cursor: Option<String>,
    /// Whether there are older ones.
    pub has_more_before: bool,
    /// Whether there are newer ones.
    pub has_more_after: bool,
}

impl From<HistoryPage> for HistoryView {
    fn from(page: HistoryPage) -> Self {
        Self {
            items: page.items.into_iter().map(MessageView::from).collect(),
            next_cursor: None,
            has_more_before: page.has_more_before,
            has_more_after: page.has_more_after,
        }
    }
}

/// One version of a message that an edit replaced.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Edit)]
pub struct EditView {
    /// What it said before.
    pub body: Option<String>,
    /// Who changed it.
    pub editor_id: UserId,
    /// When it was changed.
    #[serde(serialize_with = "json::time")]
    pub edited_at: DateTime<Utc>,
}

impl From<Edit> for EditView {
    fn from(edit: Edit) -> Self {
        Self { body: edit.body, editor_id: edit.editor_id, edited_at: edit.edited_at }
    }
}

/// When one message reached one member.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = MessageReceipt)]
pub struct MessageReceiptView {
    /// Who.
    pub user_id: UserId,
    /// When it reached a device.
    #[serde(serialize_with = "json::time_or_null")]
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it was read.
    #[serde(serialize_with = "json::time_or_null")]
    pub read_at: Option<DateTime<Utc>>,
}

impl From<MessageReceipt> for MessageReceiptView {
    fn from(receipt: MessageReceipt) -> Self {
        Self { user_id: receipt.user_id, delivered_at: receipt.delivered_at, read_at: receipt.read_at }
    }
}
