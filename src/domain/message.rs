//! Messages: what is sent, what is kept, and what a retry is compared with.

use chrono::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    attachment::Attachment,
    clock::Time,
    error::{Error, Result},
    ids::{AttachmentId, ConversationId, MessageId, UserId},
    limits,
    link::{self, LinkPreview},
    location::Location,
    policy::redaction::Redaction,
    reaction::Reaction,
    text,
};

/// What a message is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    sqlx::Type,
    strum::IntoStaticStr,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MessageKind {
    /// Words.
    #[default]
    Text,
    /// Pictures.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Words that were spoken.
    VoiceNote,
    /// Files of any type.
    File,
    /// A place.
    Location,
    /// Written by the server when members or settings change; `metadata.event` says what happened.
    System,
}

/// How far *all* others have come with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Committed.
    Sent,
    /// On a device of each of the others.
    Delivered,
    /// Read by each of the others.
    Read,
}

/// What a reply shows of the message it answers.
#[derive(Clone, Debug, Deserialize)]
pub struct ReplyTo {
    /// The answered message.
    pub id: MessageId,
    /// Its place in the log.
    pub seq: i64,
    /// Who wrote it.
    pub sender_id: UserId,
    /// What it is.
    pub kind: MessageKind,
    /// How its body begins; nothing once it was deleted or has expired.
    pub preview: Option<String>,
    /// When it was deleted for everyone, or expired.
    pub deleted_at: Option<Time>,
}

/// Where a forwarded message was copied from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardedFrom {
    /// The message that was copied.
    pub message_id: MessageId,
    /// Its conversation, where all who see the copy may see that too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// Who wrote it.
    pub sender_id: UserId,
    /// When it was written.
    pub created_at: Time,
}

/// A message as it is kept.
#[derive(Clone, Debug)]
pub struct Message {
    /// The client's own id, unique within the conversation.
    pub id: MessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Where it was born in the log.
    pub seq: i64,
    /// Its last change in the log.
    pub changed_seq: i64,
    /// Who wrote it.
    pub sender_id: UserId,
    /// What it is.
    pub kind: MessageKind,
    /// How far all others have come with it.
    pub status: Status,
    /// The words; nothing once deleted.
    pub body: Option<String>,
    /// The files that it carries.
    pub attachments: Vec<Attachment>,
    /// Whatever the application keeps with it.
    pub metadata: Option<Value>,
    /// The place, for `location`.
    pub location: Option<Location>,
    /// What it answers.
    pub reply_to: Option<ReplyTo>,
    /// Who is mentioned.
    pub mentions: Vec<UserId>,
    /// Whether everybody in the conversation is.
    pub mentions_all: bool,
    /// What people think of it, in the order in which each emoji was first chosen.
    pub reactions: Vec<Reaction>,
    /// Where it was copied from.
    pub forwarded_from: Option<ForwardedFrom>,
    /// What the page says of itself that it links to.
    pub link_preview: Option<LinkPreview>,
    /// When it was pinned.
    pub pinned_at: Option<Time>,
    /// Who pinned it.
    pub pinned_by: Option<UserId>,
    /// When it goes by itself.
    pub expires_at: Option<Time>,
    /// When it was last edited.
    pub edited_at: Option<Time>,
    /// When it was deleted for everyone.
    pub deleted_at: Option<Time>,
    /// When it was committed, by the server's clock; `seq` orders, not this.
    pub created_at: Time,
}

/// A message that somebody wants to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The client's own id; a retry carries the same.
    pub id: MessageId,
    /// Where to.
    pub conversation_id: ConversationId,
    /// What it is.
    pub kind: MessageKind,
    /// The words.
    pub body: Option<String>,
    /// Files that its sender uploaded, in this order.
    pub attachment_ids: Vec<AttachmentId>,
    /// Whatever the application keeps with it.
    pub metadata: Option<Value>,
    /// The place, for `location`.
    pub location: Option<Location>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// Who is mentioned, without repetitions.
    pub mentions: Vec<UserId>,
    /// Whether everybody in the conversation is.
    pub mentions_all: bool,
    /// Where it is copied from; all but the id is the original's then.
    pub forwarded_from: Option<ForwardedFrom>,
    /// Seconds after which it goes by itself.
    pub expires_in: Option<i32>,
}

/// One version that an edit replaced.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What it said before.
    pub body: Option<String>,
    /// Who changed it.
    pub editor_id: UserId,
    /// When it was changed.
    pub edited_at: Time,
    /// The log's entry of the change.
    pub changed_seq: i64,
}

/// Which part of the history to read; `seq` itself is not in it, but for `Around`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The newest.
    Newest,
    /// Those right before a place.
    Before(i64),
    /// Those right after a place.
    After(i64),
    /// Those on both sides of a place.
    Around(i64),
}

/// A part of the history, ascending by `seq`.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The messages.
    pub items: Vec<Message>,
    /// Whether there are older ones.
    pub has_more_before: bool,
    /// Whether there are newer ones.
    pub has_more_after: bool,
}

/// For whom a message is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteFor {
    /// Hidden from the caller alone.
    #[default]
    Me,
    /// A tombstone for all.
    Everyone,
}

impl MessageKind {
    /// Whether it is nothing without a file.
    pub fn is_of_files(self) -> bool {
        matches!(self, Self::Image | Self::Video | Self::Audio | Self::VoiceNote | Self::File)
    }
}

impl Message {
    /// Refuses a text that says nothing and brings nothing.
    pub fn require_words(&self) -> Result<()> {
        if self.kind == MessageKind::Text && self.body.is_none() && self.attachments.is_empty() {
            return Err(nothing_said());
        }
        Ok(())
    }

    /// Takes all that was said away, and leaves the place.
    pub fn entomb(&mut self, now: Time) {
        (self.body, self.metadata, self.location, self.link_preview) = (None, None, None, None);
        (self.pinned_at, self.pinned_by) = (None, None);
        self.attachments.clear();
        self.mentions.clear();
        self.mentions_all = false;
        self.reactions.clear();
        self.deleted_at = Some(now);
    }

    /// What a reply to it shows of it.
    pub fn quoted(&self) -> ReplyTo {
        let preview = self.body.as_deref().map(|body| body.chars().take(limits::PREVIEW_CHARACTERS).collect());
        let Self { id, seq, sender_id, kind, deleted_at, .. } = *self;
        ReplyTo { id, seq, sender_id, kind, preview, deleted_at }
    }

    /// The link whose page it may show a preview of.
    pub fn link(&self) -> Option<&str> {
        self.body.as_deref().filter(|_| self.kind == MessageKind::Text).and_then(link::first_in)
    }

    /// The same without what a reply shows of a message that lies at or below somebody's floor.
    #[must_use]
    pub fn veiled(mut self, floor_seq: i64) -> Self {
        if let Some(reply) = self.reply_to.as_mut().filter(|reply| reply.seq <= floor_seq) {
            (reply.preview, reply.deleted_at) = (None, None);
        }
        self
    }

    /// A copy for a conversation. Mentions and replies are not taken along, and where it was first said only there.
    pub fn copied_to(&self, conversation_id: ConversationId, id: MessageId) -> Draft {
        let first = self.forwarded_from.clone().unwrap_or(ForwardedFrom {
            message_id: self.id,
            conversation_id: Some(self.conversation_id),
            sender_id: self.sender_id,
            created_at: self.created_at,
        });
        // Of those who see the copy, all may see the original in its own conversation only.
        let origin = first.conversation_id.filter(|origin| *origin == conversation_id);
        Draft {
            id,
            conversation_id,
            kind: self.kind,
            body: self.body.clone(),
            attachment_ids: Vec::new(),
            metadata: self.metadata.clone(),
            location: self.location.clone(),
            reply_to: None,
            mentions: Vec::new(),
            mentions_all: false,
            forwarded_from: Some(ForwardedFrom { conversation_id: origin, ..first }),
            expires_in: None,
        }
    }
}

impl Draft {
    /// The same without what is taken out of texts.
    #[must_use]
    pub fn redacted(self, redaction: &Redaction) -> Self {
        let metadata = self.metadata.map(|metadata| redaction.json(metadata));
        let location = self.location.map(|location| location.redacted(redaction));
        Self { body: redaction.option(self.body), metadata, location, ..self }
    }

    /// Refuses what no message may be, whoever sends it.
    pub fn check(&self) -> Result<()> {
        match self.kind {
            MessageKind::System => {
                return Err(Error::field("kind", "reserved", "System messages are written by the server."));
            }
            MessageKind::Text if self.body.is_none() && self.attachment_ids.is_empty() => {
                return Err(nothing_said());
            }
            MessageKind::Location if self.location.is_none() => {
                return Err(Error::field("location", "required", "A location message needs a location."));
            }
            kind if kind != MessageKind::Location && self.location.is_some() => {
                return Err(Error::field("location", "unexpected", "Only a location message has a location."));
            }
            kind if kind.is_of_files() && self.attachment_ids.is_empty() => {
                return Err(Error::field("attachment_ids", "required", "A message of this kind needs files."));
            }
            _ => {}
        }
        if self.attachment_ids.len() > limits::ATTACHMENTS {
            let says = format!("At most {} files.", limits::ATTACHMENTS);
            return Err(Error::field("attachment_ids", "too_many", says));
        }
        if let Some(body) = &self.body {
            check_body(body)?;
        }
        if let Some(location) = &self.location {
            location.check()?;
        }
        check_mentions(&self.mentions)?;
        text::check_lifetime(self.expires_in)?;
        self.metadata.as_ref().map_or(Ok(()), text::check_metadata)
    }

    /// When it goes by itself if it is sent now: the shorter of its own time and its conversation's counts.
    pub fn expires_at(&self, conversation: Option<i32>, now: Time) -> Option<Time> {
        self.expires_in.into_iter().chain(conversation).min().map(|seconds| now + Duration::seconds(seconds.into()))
    }

    /// What a retry is compared with: a hash of everything that the sender chose.
    pub fn fingerprint(&self) -> Vec<u8> {
        let mut mentions = self.mentions.clone();
        mentions.sort_unstable();
        let metadata = self.metadata.as_ref().map(text::canonical);
        let (words, mentions) = ((self.kind, &self.body, metadata, &self.location), (self.mentions_all, mentions));
        let chosen = json!([words, self.reply_to, mentions, self.attachment_ids, self.expires_in]);
        // Who forwards chooses the message and not its words, which may be edited before a retry.
        let chosen = self.forwarded_from.as_ref().map_or(chosen, |origin| json!(origin.message_id));
        Sha256::digest(chosen.to_string().as_bytes())[..16].to_vec()
    }
}

fn nothing_said() -> Error {
    Error::field("body", "required", "A text message needs a body or files.")
}

pub(super) fn check_body(body: &str) -> Result<()> {
    if body.is_empty() {
        return Err(Error::field("body", "empty", "Must not be empty."));
    }
    text::check_length("body", body, limits::BODY_CHARACTERS)
}

pub(super) fn check_mentions(mentions: &[UserId]) -> Result<()> {
    if mentions.len() > limits::MENTIONS {
        return Err(Error::field("mentions", "too_many", format!("At most {} mentions.", limits::MENTIONS)));
    }
    Ok(())
}
