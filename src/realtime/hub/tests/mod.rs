//! Sockets without connections, and what they hear.

mod audiences;
mod endings;
mod memberships;
mod own;

use std::{convert::Infallible, future::ready, pin::Pin, task::Poll};

use actix_web::body::MessageBody;
use futures_util::FutureExt;

use super::*;
use crate::{
    cluster::bus::Envelope,
    domain::{
        clock::Clock,
        event::{Audience, Durability, MembershipChange},
    },
    realtime::mailbox::{self, Outgoing},
};

const BUDGET: usize = 1_000;

/// Which logs were tracked, from which head on, or untracked.
type Tracked = Vec<(LogId, Option<i64>)>;

/// A hub, and what it told the node.
struct Worker {
    hub: Hub,
    tracked: Rc<RefCell<Tracked>>,
}

/// A socket without a connection.
struct Ear {
    seat: Seat,
    mailbox: Mailbox,
    outgoing: Outgoing,
}

impl Worker {
    fn new() -> Self {
        let tracked: Rc<RefCell<Tracked>> = Rc::default();
        let (first, last) = (tracked.clone(), tracked.clone());
        let track = move |log, head_seq| {
            first.borrow_mut().push((log, Some(head_seq)));
            head_seq
        };
        Self { hub: Hub::new(track, move |log| last.borrow_mut().push((log, None))), tracked }
    }

    fn join(&self, user_id: UserId) -> Ear {
        self.join_as(Arrival { user_id, session_id: None, expires_at: hours_from_now(1) })
    }

    fn join_as(&self, arrival: Arrival) -> Ear {
        let (mailbox, outgoing) = mailbox::open(BUDGET);
        Ear { seat: self.hub.join(arrival, mailbox.clone()), mailbox, outgoing }
    }

    /// A socket of somebody new who hears these conversations.
    fn hears(&self, conversations: &[ConversationId]) -> Ear {
        let ear = self.join(UserId::new_v7());
        ear.subscribe(conversations.iter().map(|id| (*id, 0, 0)).collect());
        ear
    }

    fn tell(&self, envelopes: &[Envelope]) {
        self.hub.deliver(&Delivery::Events(envelopes.into()));
        self.hub.check_invariants();
    }

    /// Which conversations were tracked or untracked since last asked.
    fn tracked(&self) -> Vec<(ConversationId, Option<i64>)> {
        let conversation = |(log, head_seq)| match log {
            LogId::Conversation(id) => Some((id, head_seq)),
            LogId::Person(_) => None,
        };
        self.tracked.take().into_iter().filter_map(conversation).collect()
    }
}

impl Ear {
    fn user(&self) -> UserId {
        self.seat.hub.people().user_of(self.seat.id)
    }

    fn subscribe(&self, memberships: Vec<Membership>) {
        let loaded = self.seat.subscribe(ready(Ok::<_, Infallible>(memberships)));
        assert_eq!(loaded.now_or_never(), Some(Ok(())));
        self.seat.hub.check_invariants();
    }

    /// The payloads of all frames since last asked; of a close frame, its code.
    fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(Ok(frames))) = Pin::new(&mut self.outgoing).poll_next(&mut context) {
            let mut frames = &frames[..];
            while let [opcode, length, rest @ ..] = frames {
                let (length, rest) = match (length, rest) {
                    (126, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]).into(), rest),
                    (length, rest) => (usize::from(*length), rest),
                };
                let (payload, rest) = rest.split_at(length);
                heard.push(match (opcode, payload) {
                    (0x88, [high, low, ..]) => u16::from_be_bytes([*high, *low]).to_string(),
                    (0x89, _) => "ping".to_owned(),
                    _ => String::from_utf8_lossy(payload).into_owned(),
                });
                frames = rest;
            }
        }
        heard
    }
}

fn envelope(audience: Audience, text: &str) -> Envelope {
    let durability = match audience {
        Audience::Viewers { .. } => Durability::Ephemeral,
        Audience::Members { .. } | Audience::Member { .. } | Audience::Users(_) => Durability::Durable,
    };
    Envelope {
        audience,
        durability,
        conversation_id: None,
        seq: None,
        own_place: None,
        membership: None,
        text: text.into(),
        touch: None,
        veiled: None,
        cursor: None,
    }
}

/// An entry of a conversation's log, about a message that was born with it.
fn entry(conversation_id: ConversationId, seq: i64) -> Envelope {
    let audience = Audience::Members { conversation_id, born: Some(seq) };
    Envelope { conversation_id: Some(conversation_id), seq: Some(seq), ..envelope(audience, &seq.to_string()) }
}

fn addition(conversation_id: ConversationId, user_id: UserId, floor_seq: i64, head_seq: i64) -> Envelope {
    let membership = Some(MembershipChange::Hears { user_id, floor_seq, head_seq });
    Envelope { conversation_id: Some(conversation_id), membership, ..envelope(Audience::Users(vec![user_id]), "added") }
}

fn removal(conversation_id: ConversationId, user_id: UserId, seq: i64) -> Envelope {
    let membership = Some(MembershipChange::HearsNothing(vec![user_id]));
    let audience = Audience::Members { conversation_id, born: None };
    Envelope { conversation_id: Some(conversation_id), seq: Some(seq), membership, ..envelope(audience, "removed") }
}

fn typing(conversation_ids: Vec<ConversationId>, except: UserId) -> Envelope {
    envelope(Audience::Viewers { conversation_ids, except: vec![except] }, "typing")
}

fn hours_from_now(hours: i64) -> Time {
    Clock::default().now() + chrono::Duration::hours(hours)
}

fn must_sync(conversation_id: ConversationId) -> String {
    format!(
        r#"{{"type":"sync:required","conversation_id":"{conversation_id}","data":{{"conversation_id":"{conversation_id}"}}}}"#
    )
}
