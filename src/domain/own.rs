//! What concerns one person alone: an entry of their own log, told to their own sockets and to nobody else.

use serde::{Deserialize, Serialize};

use super::{
    event::{Audience, MembershipChange, Touch},
    ids::{ConversationId, MessageId, UserId},
    preferences::ConversationPreferences,
    scheduled::Plan,
};

/// An entry of a person's own log.
#[derive(Clone, Debug)]
pub struct OwnChange {
    /// Its place in the log.
    pub place: OwnPlace,
    /// What changed.
    pub matter: OwnMatter,
}

/// A place in a person's own log, whose entries are numbered without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPlace {
    /// Whose log.
    pub user_id: UserId,
    /// The entry's number.
    pub seq: i64,
}

/// What changed.
#[derive(Clone, Debug)]
pub enum OwnMatter {
    /// The settings of a conversation.
    Preferences(ConversationPreferences),
    /// A conversation was cleared: its settings now, and up to where it was cleared.
    Cleared(ConversationPreferences, i64),
    /// A message was deleted for the person alone.
    Hidden(ConversationId, MessageId),
    /// The person blocked somebody.
    Blocked(UserId),
    /// The person blocks somebody no more.
    Unblocked(UserId),
    /// A message that the person scheduled was planned, changed, cancelled, sent or refused.
    Plan(Box<Plan>),
}

impl OwnPlace {
    /// What changed there.
    pub fn of(self, matter: OwnMatter) -> OwnChange {
        OwnChange { place: self, matter }
    }
}

impl OwnChange {
    /// The conversation that it is about, if it is about one. A plan is about its maker, who may have left the conversation.
    pub fn conversation_id(&self) -> Option<ConversationId> {
        match &self.matter {
            OwnMatter::Preferences(own) | OwnMatter::Cleared(own, _) => Some(own.conversation_id),
            OwnMatter::Hidden(id, _) => Some(*id),
            OwnMatter::Blocked(_) | OwnMatter::Unblocked(_) | OwnMatter::Plan(_) => None,
        }
    }

    /// Who must hear it.
    pub fn audience(&self) -> Audience {
        let user_id = self.place.user_id;
        match &self.matter {
            OwnMatter::Preferences(ConversationPreferences { conversation_id, .. })
            | OwnMatter::Hidden(conversation_id, _) => Audience::Member { conversation_id: *conversation_id, user_id },
            OwnMatter::Cleared(..) | OwnMatter::Blocked(_) | OwnMatter::Unblocked(_) | OwnMatter::Plan(_) => {
                Audience::Users(vec![user_id])
            }
        }
    }

    /// Whose unread counts it may have changed.
    pub fn touch(&self) -> Option<Touch> {
        match &self.matter {
            OwnMatter::Hidden(id, _) => Some(Touch::Person(*id, self.place.user_id)),
            OwnMatter::Cleared(own, _) => Some(Touch::Person(own.conversation_id, self.place.user_id)),
            OwnMatter::Preferences(_) | OwnMatter::Blocked(_) | OwnMatter::Unblocked(_) | OwnMatter::Plan(_) => None,
        }
    }

    /// What it changes in who hears the conversation.
    pub fn membership(&self) -> Option<MembershipChange> {
        let OwnMatter::Cleared(_, floor_seq) = self.matter else { return None };
        Some(MembershipChange::Hears { user_id: self.place.user_id, floor_seq, head_seq: floor_seq })
    }
}
