//! The bus: what a committed change tells the sockets, here and on the other nodes.

use std::sync::Arc;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{
    changed::Changed,
    order::{Inbound, Order},
    relay::{Letter, Reach},
};
use crate::{
    domain::{
        clock::Time,
        event::{Audience, Durability, Event, MembershipChange, Revocation, Touch},
        ids::{ConversationId, LogId, UserId},
        own::OwnPlace,
        receipt::Cursor,
    },
    wire,
};

/// One event, rendered once, with what a hub must know to deliver it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who must hear it.
    pub audience: Audience,
    /// Whether it may be shed.
    pub durability: Durability,
    /// The conversation that it is about, if it is about one.
    pub conversation_id: Option<ConversationId>,
    /// Its place in the conversation's log, if it is of the log.
    pub seq: Option<i64>,
    /// Its place in a person's own log, if it is of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_place: Option<OwnPlace>,
    /// What it changes in who hears the conversation.
    pub membership: Option<MembershipChange>,
    /// The frame's text.
    pub text: ByteString,
    /// Whose unread counts it may have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touch: Option<Touch>,
    /// The cursor that it tells of, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The text for those to whom it would show too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub veiled: Option<Veiled>,
}

/// A reply's text without what it quotes, for those from whom the quoted message is hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Veiled {
    /// Where the quoted message was born.
    pub quoted_seq: i64,
    /// The frame's text.
    pub text: ByteString,
}

/// What a worker's hub is handed.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Events, in the order in which sockets must hear them.
    Events(Arc<[Envelope]>),
    /// The sockets of a session, or of all sessions of a person, must be closed.
    Close(Revocation),
    /// These people are in these conversations; who of them does not hear theirs must have their memberships read again.
    Check(Arc<[(ConversationId, UserId)]>),
    /// Something may have been lost between the nodes: who belongs where must be read again for all sockets.
    Recheck,
}

/// The bus of this node.
#[derive(Clone, Debug)]
pub struct Bus {
    order: Order,
    reach: Reach,
    changed: Changed,
}

impl Envelope {
    /// Renders an event.
    pub fn of(event: &Event) -> Self {
        Self {
            audience: event.audience(),
            durability: event.durability(),
            conversation_id: event.conversation_id(),
            seq: event.seq(),
            own_place: event.own_place(),
            membership: event.membership(),
            text: wire::event::encode(event),
            touch: event.touch(),
            cursor: event.cursor(),
            veiled: event
                .veiled()
                .map(|(quoted_seq, veiled)| Veiled { quoted_seq, text: wire::event::encode(&veiled) }),
        }
    }

    /// The log that it is of, and its place there, if it is of one.
    pub fn place(&self) -> Option<(LogId, i64)> {
        let own = || self.own_place.map(|own| (LogId::Person(own.user_id), own.seq));
        self.conversation_id.zip(self.seq).map(|(id, seq)| (LogId::Conversation(id), seq)).or_else(own)
    }
}

impl Bus {
    pub(super) fn new(order: Order, reach: Reach) -> Self {
        Self { order, reach, changed: Changed::default() }
    }

    /// Tells of one committed change; its envelopes stay together and in order.
    ///
    /// Waits while this node's sockets are far behind, never for other nodes. A hub must not call it: it would wait for itself.
    pub async fn publish(&self, envelopes: Vec<Envelope>) {
        // Written before it is handed on, posted after: those who are near hear it first.
        let parcel = self.reach.pack_change(&envelopes);
        self.changed.note(&envelopes);
        self.order.take(Inbound::Change(envelopes)).await;
        self.reach.post(parcel);
    }

    /// Whose logs this node wrote to, whether or not anybody is connected who hears it.
    pub fn changed(&self) -> &Changed {
        &self.changed
    }

    /// Tells this node's sockets what each node tells its own.
    pub async fn tell_here(&self, envelopes: Vec<Envelope>) {
        self.order.take(Inbound::Change(envelopes)).await;
    }

    /// Makes sure that these people, if they are at this node, hear these conversations.
    pub async fn check_here(&self, members: Vec<(ConversationId, UserId)>) {
        self.order.take(Inbound::Check(members)).await;
    }

    /// Has all sockets of this node look again where they belong, for something may have been lost.
    pub async fn doubt_here(&self) {
        self.order.take(Inbound::Doubt).await;
    }

    /// Closes the sockets of a session, or of all sessions of a person, on all nodes.
    pub async fn close(&self, revocation: Revocation, at: Time) {
        self.close_here(revocation).await;
        self.reach.post(self.reach.pack(&Letter::Revoked(revocation, at)));
    }

    /// The same, on this node only.
    pub async fn close_here(&self, revocation: Revocation) {
        self.order.take(Inbound::Close(revocation)).await;
    }

    /// Registers a worker; dropping the receiver ends it.
    pub fn listen(&self) -> mpsc::Receiver<Delivery> {
        self.order.listen()
    }

    /// A worker's first socket subscribed to a log that stands at `head_seq`. Counted; never waits.
    ///
    /// Returns how far the log has been told on this node: `head_seq`, unless others have listened before.
    pub fn track(&self, log: LogId, head_seq: i64) -> i64 {
        self.order.track(log, head_seq)
    }

    /// Whether anybody on this node hears a conversation, or did a moment ago.
    pub fn is_heard(&self, conversation_id: ConversationId) -> bool {
        self.order.is_tracked(LogId::Conversation(conversation_id))
    }

    /// The logs that somebody on this node hears, or did a moment ago.
    pub fn heard(&self) -> Vec<LogId> {
        self.order.tracked()
    }

    /// A worker's last socket that listens to a log went.
    pub fn untrack(&self, log: LogId) {
        self.order.untrack(log);
    }
}
