//! What happened, and who must hear it. Decided here, before anything is sent, so that every door tells the same people.

use serde::{Deserialize, Serialize};

use super::{
    conversation::{Conversation, OwnConversation},
    ids::{ConversationId, SessionId, UserId},
    member::Participant,
    message::{Message, MessageKind},
    own::{OwnChange, OwnPlace},
    presence::{Glimpse, Onlookers, Presence},
    reaction::ReactionChange,
    receipt::{Advance, Cursor, ReceiptCounts, Unread},
};

/// Something that sockets are told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message was sent.
    MessageNew(Message),
    /// A message was edited, or got or lost what is shown with it.
    MessageUpdated(Message),
    /// A message was deleted for everyone.
    MessageDeleted(Message),
    /// A message was pinned.
    MessagePinned(Message),
    /// A message was unpinned.
    MessageUnpinned(Message),
    /// Somebody reacted to a message.
    ReactionAdded(ReactionChange),
    /// Somebody took a reaction back.
    ReactionRemoved(ReactionChange),
    /// Somebody joined.
    ParticipantAdded(Participant),
    /// Somebody's role changed.
    ParticipantUpdated(Participant),
    /// Somebody left or was removed.
    ParticipantRemoved(Participant),
    /// The settings changed; with the log's place of the change.
    ConversationUpdated(i64, Conversation),
    /// The person is in a conversation that is new to them.
    ConversationNew(UserId, Box<OwnConversation>),
    /// People are no longer in a conversation.
    ConversationRemoved(ConversationId, Vec<UserId>),
    /// The conversation is gone for all who were in it; with the log's last place.
    ConversationDeleted(i64, ConversationId, Vec<UserId>),
    /// A cursor moved.
    Advanced(Advance),
    /// A cursor moved in a conversation of so many members that only its own person is told, and the others are told numbers.
    AdvancedAmongMany(Advance),
    /// How far the members of a large conversation have come, in numbers.
    ReceiptsChanged(ReceiptCounts),
    /// What concerns one person alone changed.
    Own(OwnChange),
    /// The person's unread counts changed; absolute values, with the total over all conversations.
    UnreadChanged(UserId, Unread, i64),
    /// Somebody is typing.
    TypingStarted(Glimpse),
    /// Somebody stopped typing.
    TypingStopped(Glimpse),
    /// Somebody opened a conversation.
    ConversationJoined(Glimpse),
    /// Somebody closed a conversation.
    ConversationLeft(Glimpse),
    /// Somebody came; told to those who have one of these conversations open.
    UserOnline(Presence, Onlookers),
    /// Somebody went.
    UserOffline(Presence, Onlookers),
    /// Somebody is there in another way.
    PresenceChanged(Presence, Onlookers),
    /// The server can't vouch that nothing was missed in a conversation.
    SyncRequired(ConversationId),
    /// The same of what concerns one person alone.
    OwnSyncRequired(UserId),
}

/// Who must hear an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    /// Every socket of every member; of an event about a message, only of those who may see the message born at `born`.
    Members {
        /// Whose members.
        conversation_id: ConversationId,
        /// Where the message that it is about was born.
        born: Option<i64>,
    },
    /// Every socket of one member, as long as they are one: nothing of a conversation is told after their removal.
    Member {
        /// Of what.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
    },
    /// Every socket of these people.
    Users(Vec<UserId>),
    /// The sockets that have one of these conversations open, but for those of some people.
    Viewers {
        /// Open conversations.
        conversation_ids: Vec<ConversationId>,
        /// Who caused it and needs not be told, and those from whom a block hides it.
        except: Vec<UserId>,
    },
}

/// Whether an event may be shed when a socket or the bus is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Durability {
    /// Never; rather the socket is closed, and its client syncs.
    Durable,
    /// First.
    Ephemeral,
}

/// What an event changes in who hears a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembershipChange {
    /// From this event on, this person hears it (or hears it with another floor).
    Hears {
        /// Who.
        user_id: UserId,
        /// Messages up to here are not for this person.
        floor_seq: i64,
        /// The log's head as this person is shown it.
        head_seq: i64,
    },
    /// From this event on, these people hear nothing of it, not even this event.
    HearsNothing(Vec<UserId>),
}

/// Whose unread counts an event may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Touch {
    /// Those of all members.
    Members(ConversationId),
    /// Those of all members but one.
    Others(ConversationId, UserId),
    /// Those of one person.
    Person(ConversationId, UserId),
    /// Those of one person, in a conversation whose receipts are told in numbers.
    OneOfMany(ConversationId, UserId),
}

/// A session, or all sessions of a person, that ended: their sockets are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Whose.
    pub user_id: UserId,
    /// Which; all of them where absent.
    pub session_id: Option<SessionId>,
}

impl Event {
    /// The conversation that it is about, if it is about one.
    pub fn conversation_id(&self) -> Option<ConversationId> {
        match self {
            Self::MessageNew(message)
            | Self::MessageUpdated(message)
            | Self::MessageDeleted(message)
            | Self::MessagePinned(message)
            | Self::MessageUnpinned(message) => Some(message.conversation_id),
            Self::ReactionAdded(change) | Self::ReactionRemoved(change) => Some(change.conversation_id),
            Self::ParticipantAdded(participant)
            | Self::ParticipantUpdated(participant)
            | Self::ParticipantRemoved(participant) => Some(participant.conversation_id),
            Self::ConversationUpdated(_, conversation) => Some(conversation.id),
            Self::ConversationNew(_, conversation) => Some(conversation.shared.id),
            Self::Advanced(advance) | Self::AdvancedAmongMany(advance) => Some(advance.conversation_id),
            Self::ReceiptsChanged(counts) => Some(counts.conversation_id),
            Self::Own(own) => own.conversation_id(),
            Self::UnreadChanged(_, unread, _) => Some(unread.conversation_id),
            Self::ConversationRemoved(id, _) | Self::ConversationDeleted(_, id, _) | Self::SyncRequired(id) => {
                Some(*id)
            }
            Self::TypingStarted(glimpse)
            | Self::TypingStopped(glimpse)
            | Self::ConversationJoined(glimpse)
            | Self::ConversationLeft(glimpse) => Some(glimpse.conversation_id),
            Self::UserOnline(..) | Self::UserOffline(..) | Self::PresenceChanged(..) | Self::OwnSyncRequired(_) => None,
        }
    }

    /// Its place in the conversation's log, for events of the log.
    pub fn seq(&self) -> Option<i64> {
        match self {
            Self::MessageNew(message) => Some(message.seq),
            Self::MessageUpdated(message)
            | Self::MessageDeleted(message)
            | Self::MessagePinned(message)
            | Self::MessageUnpinned(message) => Some(message.changed_seq),
            Self::ReactionAdded(change) | Self::ReactionRemoved(change) => Some(change.seq),
            Self::ParticipantAdded(participant)
            | Self::ParticipantUpdated(participant)
            | Self::ParticipantRemoved(participant) => Some(participant.changed_seq),
            Self::ConversationUpdated(seq, _) | Self::ConversationDeleted(seq, ..) => Some(*seq),
            Self::ConversationNew(..)
            | Self::ConversationRemoved(..)
            | Self::Advanced(_)
            | Self::AdvancedAmongMany(_)
            | Self::ReceiptsChanged(_)
            | Self::Own(_)
            | Self::UnreadChanged(..)
            | Self::TypingStarted(..)
            | Self::TypingStopped(..)
            | Self::ConversationJoined(..)
            | Self::ConversationLeft(..)
            | Self::UserOnline(..)
            | Self::UserOffline(..)
            | Self::PresenceChanged(..)
            | Self::SyncRequired(_)
            | Self::OwnSyncRequired(_) => None,
        }
    }

    /// Its place in a person's own log, for events of it.
    pub fn own_place(&self) -> Option<OwnPlace> {
        if let Self::Own(own) = self { Some(own.place) } else { None }
    }

    /// The cursor that it tells of, if it does.
    pub fn cursor(&self) -> Option<Cursor> {
        if let Self::Advanced(advance) | Self::AdvancedAmongMany(advance) = self {
            Some(advance.cursor())
        } else {
            None
        }
    }

    /// Who must hear it.
    pub fn audience(&self) -> Audience {
        let members = |conversation_id, born| Audience::Members { conversation_id, born };
        match self {
            Self::MessageNew(message)
            | Self::MessageUpdated(message)
            | Self::MessageDeleted(message)
            | Self::MessagePinned(message)
            | Self::MessageUnpinned(message) => members(message.conversation_id, Some(message.seq)),
            Self::ReactionAdded(change) | Self::ReactionRemoved(change) => {
                members(change.conversation_id, Some(change.born))
            }
            Self::ParticipantAdded(participant)
            | Self::ParticipantUpdated(participant)
            | Self::ParticipantRemoved(participant) => members(participant.conversation_id, None),
            Self::ConversationUpdated(_, conversation) => members(conversation.id, None),
            Self::Advanced(advance) => members(advance.conversation_id, None),
            Self::AdvancedAmongMany(Advance { conversation_id, user_id, .. }) => {
                Audience::Member { conversation_id: *conversation_id, user_id: *user_id }
            }
            Self::ReceiptsChanged(counts) => members(counts.conversation_id, None),
            Self::SyncRequired(id) => members(*id, None),
            Self::ConversationRemoved(_, users) | Self::ConversationDeleted(_, _, users) => {
                Audience::Users(users.clone())
            }
            Self::Own(own) => own.audience(),
            Self::UnreadChanged(user, Unread { conversation_id, .. }, _) => {
                Audience::Member { conversation_id: *conversation_id, user_id: *user }
            }
            Self::ConversationNew(user, _) | Self::OwnSyncRequired(user) => Audience::Users(vec![*user]),
            Self::TypingStarted(glimpse)
            | Self::TypingStopped(glimpse)
            | Self::ConversationJoined(glimpse)
            | Self::ConversationLeft(glimpse) => Audience::Viewers {
                conversation_ids: vec![glimpse.conversation_id],
                except: glimpse.hidden_from.iter().copied().chain([glimpse.user_id]).collect(),
            },
            Self::UserOnline(presence, onlookers)
            | Self::UserOffline(presence, onlookers)
            | Self::PresenceChanged(presence, onlookers) => Audience::Viewers {
                conversation_ids: onlookers.conversation_ids.clone(),
                except: onlookers.hidden_from.iter().copied().chain([presence.user_id]).collect(),
            },
        }
    }

    /// For events about a reply: the answered message's place, and the event as those are told from whom that message
    /// is hidden because they joined later.
    pub fn veiled(&self) -> Option<(i64, Self)> {
        let (message, tell): (_, fn(Message) -> Self) = if let Self::MessageNew(message) = self {
            (message, Self::MessageNew)
        } else if let Self::MessageUpdated(message) = self {
            (message, Self::MessageUpdated)
        } else if let Self::MessageDeleted(message) = self {
            (message, Self::MessageDeleted)
        } else if let Self::MessagePinned(message) = self {
            (message, Self::MessagePinned)
        } else if let Self::MessageUnpinned(message) = self {
            (message, Self::MessageUnpinned)
        } else {
            return None;
        };
        let reply = message.reply_to.as_ref().filter(|reply| reply.preview.is_some() || reply.deleted_at.is_some())?;
        Some((reply.seq, tell(message.clone().veiled(reply.seq))))
    }

    /// Whose unread counts it may have changed.
    pub fn touch(&self) -> Option<Touch> {
        if let Self::MessageNew(message) | Self::MessageDeleted(message) | Self::MessageUpdated(message) = self {
            // What the server says of a conversation counts for nobody.
            (message.kind != MessageKind::System).then_some(Touch::Members(message.conversation_id))
        } else if let Self::Advanced(advance) = self {
            advance.is_of_unread().then_some(Touch::Person(advance.conversation_id, advance.user_id))
        } else if let Self::AdvancedAmongMany(advance) = self {
            advance.is_of_unread().then_some(Touch::OneOfMany(advance.conversation_id, advance.user_id))
        } else if let Self::Own(own) = self {
            own.touch()
        } else {
            None
        }
    }

    /// Whether it may be shed.
    pub fn durability(&self) -> Durability {
        match self.audience() {
            Audience::Viewers { .. } => Durability::Ephemeral,
            Audience::Members { .. } | Audience::Member { .. } | Audience::Users(_) => Durability::Durable,
        }
    }

    /// What it changes in who hears the conversation.
    pub fn membership(&self) -> Option<MembershipChange> {
        if let Self::ConversationNew(user_id, conversation) = self {
            let (floor_seq, head_seq) = (conversation.floor_seq, conversation.shared.head_seq);
            Some(MembershipChange::Hears { user_id: *user_id, floor_seq, head_seq })
        } else if let Self::Own(own) = self {
            own.membership()
        } else if let Self::ParticipantRemoved(participant) = self {
            Some(MembershipChange::HearsNothing(vec![participant.user_id]))
        } else if let Self::ConversationRemoved(_, users) | Self::ConversationDeleted(_, _, users) = self {
            Some(MembershipChange::HearsNothing(users.clone()))
        } else {
            None
        }
    }
}
