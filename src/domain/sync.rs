//! "What did I miss?", asked with one cursor per conversation and answered the same after seconds or days.

use std::collections::HashMap;

use super::{
    clock::{Time, from_micros},
    conversation::OwnConversation,
    error::Error,
    ids::{ConversationId, MessageId, UserId},
    member::Participant,
    message::Message,
    preferences::ConversationPreferences,
    receipt::Receipt,
    scheduled::Plan,
};

/// Messages of an answer when the client does not say.
pub const DEFAULT_LIMIT: usize = 100;
/// Messages of an answer at most.
pub const MAX_LIMIT: usize = 500;
/// Newest messages of a conversation that the request does not name.
pub const NEWEST: usize = 50;
/// Participants of a conversation that are told at once.
pub const PARTICIPANTS: usize = 500;
/// Conversations of an answer at most.
pub const CONVERSATIONS: usize = 100;
/// Participants of an answer, after which no further conversation is told.
pub const PEOPLE: usize = 5_000;

/// What a client knows already.
#[derive(Clone, Debug, Default)]
pub struct SyncRequest {
    /// The log's place that the client has reached, per conversation.
    pub cursors: HashMap<ConversationId, i64>,
    /// The same for the client's own matters; without it the whole state is told.
    pub own_cursor: Option<OwnCursor>,
    /// Messages at most.
    pub limit: usize,
}

/// A place in one's own log, and the moment from which moved receipts are told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnCursor {
    /// The head of the personal log.
    pub seq: i64,
    /// Cursor moves before this moment, in microseconds of the database's clock, are known.
    pub receipts_us: i64,
}

/// What the client missed in one conversation.
#[derive(Clone, Debug)]
pub struct SyncedConversation {
    /// The conversation as it is now.
    pub conversation: OwnConversation,
    /// Messages changed since, ascending by `changed_seq`.
    pub messages: Vec<Message>,
    /// Participants changed since, leavers included.
    pub participants: Vec<Participant>,
    /// All cursors, up to 100 members.
    pub receipts: Vec<Receipt>,
}

/// The client's own matters that changed.
#[derive(Clone, Debug, Default)]
pub struct OwnMatters {
    /// Changed preferences.
    pub preferences: Vec<ConversationPreferences>,
    /// Messages that the person deleted for themselves.
    pub hidden: Vec<(ConversationId, MessageId)>,
    /// Everybody whom the person blocks now.
    pub blocks: Vec<UserId>,
    /// Messages to be sent later that changed; in the whole state, those that are pending.
    pub scheduled: Vec<Plan>,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct SyncAnswer {
    /// Conversations in which something was missed.
    pub conversations: Vec<SyncedConversation>,
    /// Named conversations of which the caller is not a member, or was none in between.
    pub removed: Vec<ConversationId>,
    /// Own matters.
    pub own: OwnMatters,
    /// Where each listed conversation now stands.
    pub cursors: HashMap<ConversationId, i64>,
    /// Where the own log now stands.
    pub own_cursor: OwnCursor,
    /// Whether to call again.
    pub has_more: bool,
}

impl OwnMatters {
    /// The conversations that any of them are about.
    pub fn conversations(&self) -> impl Iterator<Item = ConversationId> {
        let preferred = self.preferences.iter().map(|own| own.conversation_id);
        preferred.chain(self.hidden.iter().map(|(conversation, _)| *conversation))
    }
}

impl OwnCursor {
    /// The moment before which all cursor moves are known.
    pub fn receipts_known_until(self) -> Time {
        Time::from_timestamp_micros(self.receipts_us).unwrap_or_default()
    }
}

impl std::fmt::Display for OwnCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.seq, self.receipts_us)
    }
}

impl std::str::FromStr for OwnCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (seq, receipts_us) = text.split_once('.').unwrap_or((text, "0"));
        let read = || Some(Self { seq: seq.parse().ok()?, receipts_us: from_micros(receipts_us)?.timestamp_micros() });
        read().ok_or(Error::Malformed("The own_cursor is not one that was given out."))
    }
}
