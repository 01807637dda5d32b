//! Messages: appending many at once, changing them, and reading them back.

use serde_json::Value;
use sqlx::types::Json;

use crate::domain::{
    attachment::Attachment,
    clock::Time,
    ids::{ConversationId, MessageId, UserId},
    link::LinkPreview,
    location::Location,
    message::{ForwardedFrom, Message, MessageKind, ReplyTo, Status},
    reaction::Reaction,
};

/// Selects messages as they are at a time, with what their reply shows; the rest of the statement follows, and its arguments
/// begin at `$2`. What is `in` something stands in the middle of a statement.
macro_rules! select_messages {
    ($now:expr, $rest:tt $(, $argument:expr)*) => {
        select_messages!(in "", $now, $rest, "" $(, $argument)*)
    };
    (in $begin:tt, $now:expr, $rest:tt, $end:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            MessageRow,
            $begin + r#"
            select message.id as "id!: MessageId",
                   message.conversation_id as "conversation_id!: ConversationId",
                   message.seq as "seq!",
                   message.changed_seq as "changed_seq!",
                   message.sender_id as "sender_id!: UserId",
                   message.kind as "kind!: MessageKind",
                   message.body,
                   message.attachments as "attachments: Json<Vec<Attachment>>",
                   message.metadata,
                   message.location as "location: Json<Location>",
                   message.mentions as "mentions!: Vec<UserId>",
                   message.mentions_all as "mentions_all!",
                   message.reactions as "reactions: Json<Vec<Reaction>>",
                   message.forwarded_from as "forwarded_from: Json<ForwardedFrom>",
                   message.link_preview as "link_preview: Json<LinkPreview>",
                   message.pinned_at,
                   message.pinned_by as "pinned_by: UserId",
                   message.expires_at,
                   coalesce(message.expires_at <= $1, false) as "has_expired!",
                   message.edited_at,
                   message.deleted_at,
                   message.created_at as "created_at!",
                   -- Most answer nothing: a join would look for each.
                   case when message.reply_to_seq is not null then
                       (select json_build_object(
                                   'id', reply.id, 'seq', reply.seq, 'sender_id', reply.sender_id, 'kind', reply.kind,
                                   'preview', case when reply.expires_at <= $1 then null else left(reply.body, 140) end,
                                   'deleted_at', coalesce(reply.deleted_at,
                                                          case when reply.expires_at <= $1 then reply.expires_at end))
                        from messages reply
                        where reply.conversation_id = message.conversation_id and reply.seq = message.reply_to_seq)
                   end as "reply_to: Json<ReplyTo>"
            from messages message
            "# + $rest + $end,
            $now
            $(, $argument)*
        )
    };
}

mod expiry;
mod page;
mod read;
mod write;

pub use expiry::*;
pub use page::*;
pub use read::*;
pub use write::*;

/// Who reads a conversation, and when.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// Messages up to here are not for them.
    pub floor_seq: i64,
    /// What has expired by now is read as a tombstone.
    pub now: Time,
}

/// A message with all that is written of it at birth.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// As it will be read.
    pub message: Message,
    /// The number of the last countable message at or below it.
    pub no: i64,
    /// What a retry is compared with.
    pub fingerprint: Vec<u8>,
    /// Whether its sender's own cursor passes something of others with it.
    pub is_passing: bool,
}

#[derive(Debug)]
struct MessageRow {
    id: MessageId,
    conversation_id: ConversationId,
    seq: i64,
    changed_seq: i64,
    sender_id: UserId,
    kind: MessageKind,
    body: Option<String>,
    attachments: Option<Json<Vec<Attachment>>>,
    metadata: Option<Value>,
    location: Option<Json<Location>>,
    mentions: Vec<UserId>,
    mentions_all: bool,
    reactions: Option<Json<Vec<Reaction>>>,
    forwarded_from: Option<Json<ForwardedFrom>>,
    link_preview: Option<Json<LinkPreview>>,
    pinned_at: Option<Time>,
    pinned_by: Option<UserId>,
    expires_at: Option<Time>,
    has_expired: bool,
    edited_at: Option<Time>,
    deleted_at: Option<Time>,
    created_at: Time,
    reply_to: Option<Json<ReplyTo>>,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        let mut message = Self {
            id: row.id,
            conversation_id: row.conversation_id,
            seq: row.seq,
            changed_seq: row.changed_seq,
            sender_id: row.sender_id,
            kind: row.kind,
            status: Status::Sent,
            body: row.body,
            attachments: row.attachments.map(|Json(attachments)| attachments).unwrap_or_default(),
            metadata: row.metadata,
            location: row.location.map(|Json(location)| location),
            reply_to: row.reply_to.map(|Json(reply)| reply),
            mentions: row.mentions,
            mentions_all: row.mentions_all,
            reactions: row.reactions.map(|Json(reactions)| reactions).unwrap_or_default(),
            forwarded_from: row.forwarded_from.map(|Json(origin)| origin),
            link_preview: row.link_preview.map(|Json(preview)| preview),
            pinned_at: row.pinned_at,
            pinned_by: row.pinned_by,
            expires_at: row.expires_at,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
            created_at: row.created_at,
        };
        // Nobody reads what has expired, even before it is a tombstone in the log.
        if let (true, None, Some(expired_at)) = (row.has_expired, message.deleted_at, message.expires_at) {
            message.entomb(expired_at);
        }
        message
    }
}
