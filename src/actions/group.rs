//! A change of a group's members or settings in the making: entries of the log, closed by one system message.

use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    domain::{
        clock::Time,
        error::Result,
        ids::{MessageId, UserId},
        member::Standing,
        message::{Message, MessageKind, Status},
    },
    store::{
        changes::{self, Change, ChangeKind},
        conversations,
        messages::{self, NewMessage},
    },
};

/// Entries that are taken under the conversation's lock, not yet written.
#[derive(Debug)]
pub struct GroupChange<'a> {
    standing: &'a Standing,
    actor: UserId,
    now: Time,
    entries: Vec<Change>,
}

impl<'a> GroupChange<'a> {
    /// Begins a change by somebody; the conversation must be locked.
    pub fn new(standing: &'a Standing, actor: UserId, now: Time) -> Self {
        Self { standing, actor, now, entries: Vec::new() }
    }

    /// Takes the log's next place for an entry.
    pub fn entry(&mut self, kind: ChangeKind, user_id: Option<UserId>) -> i64 {
        let seq = self.standing.head_seq + self.entries.len() as i64 + 1;
        self.entries.push(Change { seq, kind, message_seq: None, user_id, emoji: None });
        seq
    }

    /// The head of the log once the change is closed: its entries, and the system message after them.
    pub fn head_seq(&self) -> i64 {
        self.standing.head_seq + self.entries.len() as i64 + 1
    }

    /// Writes the entries and the system message that tells of them, and moves the head. `what` is the message's
    /// metadata: `event` names what happened.
    pub async fn close(self, tx: &mut PgConnection, says: &str, what: Value) -> Result<Message> {
        let head_seq = self.head_seq();
        let message = Message {
            id: MessageId::new_v7(),
            conversation_id: self.standing.conversation_id,
            seq: head_seq,
            changed_seq: head_seq,
            sender_id: self.actor,
            kind: MessageKind::System,
            status: Status::Sent,
            body: Some(says.to_owned()),
            attachments: Vec::new(),
            metadata: Some(what),
            location: None,
            reply_to: None,
            mentions: Vec::new(),
            mentions_all: false,
            reactions: Vec::new(),
            forwarded_from: None,
            link_preview: None,
            pinned_at: None,
            pinned_by: None,
            expires_at: None,
            edited_at: None,
            deleted_at: None,
            created_at: self.now,
        };
        changes::insert(tx, message.conversation_id, &self.entries).await?;
        let new = NewMessage { message, no: self.standing.message_no, fingerprint: Vec::new(), is_passing: false };
        messages::insert(tx, &new).await?;
        conversations::advance(tx, new.message.conversation_id, head_seq, self.now).await?;
        Ok(new.message)
    }
}
