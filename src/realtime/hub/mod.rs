//! Who is connected on this worker thread, and which conversations each socket hears.
//!
//! # Why one per worker
//! A change crosses threads once for each worker and not once for each socket, and within a worker nothing is locked: a
//! mailbox is an `Rc`. Invariant: no SQL, no rules, no `.await` while anything is borrowed; no socket is ever waited for.
//! What the bus delivers is believed to be in order, changes of membership too.
//!
//! # How a session uses it
//! ```text
//! let seat = hub.join(arrival, socket.mailbox().clone());
//! seat.subscribe(async {
//!     let (user, own_seq, memberships) = members::arrival(&ctx, &caller).await?;
//!     seat.stands_at(own_seq);
//!     socket.mailbox().reply(frames::text(&ready));
//!     Ok(memberships)
//! }).await?;
//! while let Some(next) = socket.next().await { /* carry it out */ }
//! ```
//! The seat is given up when it is dropped.

mod people;
mod rooms;
#[cfg(test)]
mod tests;

use std::{
    cell::{RefCell, RefMut},
    rc::Rc,
    time::Duration,
};

use tokio::time::Instant;

use self::{
    people::People,
    rooms::{Rooms, Tracker},
};
use super::mailbox::Mailbox;
use crate::{
    cluster::bus::{Delivery, Envelope},
    domain::{
        clock::Time,
        event::Revocation,
        ids::{ConversationId, LogId, SessionId, UserId},
    },
};

/// Everybody on this worker.
#[derive(Clone)]
pub struct Hub(Rc<RefCell<People>>);

/// A socket's place in the hub.
pub struct Seat {
    hub: Hub,
    id: u32,
}

/// Whose socket takes a seat.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Whose.
    pub user_id: UserId,
    /// The session, for our own tokens.
    pub session_id: Option<SessionId>,
    /// When the token ends.
    pub expires_at: Time,
}

/// A conversation, the messages up to which are not for this member, and the log's head.
pub type Membership = (ConversationId, i64, i64);

impl Hub {
    /// An empty hub. It tells `track` of the first socket that hears a log, with how far that is known, and is answered with
    /// how far it has been told here; it tells `untrack` of the last.
    pub fn new(track: impl Fn(LogId, i64) -> i64 + 'static, untrack: impl Fn(LogId) + 'static) -> Self {
        let tracker = Tracker { track: Box::new(track), untrack: Box::new(untrack) };
        Self(Rc::new(RefCell::new(People::new(Rooms::new(tracker)))))
    }

    /// Gives a socket a seat. From now on it is closed with its session; it hears nothing until it is subscribed.
    pub fn join(&self, arrival: Arrival, mailbox: Mailbox) -> Seat {
        let id = self.people().admit(arrival, mailbox, Instant::now());
        Seat { hub: self.clone(), id }
    }

    /// Puts events into the mailboxes of those whom they concern; says whether somebody of them has not taken yet what they were
    /// given before.
    pub fn tell(&self, envelopes: &[Envelope]) -> bool {
        self.people().tell_all(envelopes)
    }

    /// Does what the bus delivers.
    pub fn deliver(&self, delivery: &Delivery) {
        let mut people = self.people();
        match delivery {
            Delivery::Events(envelopes) => _ = people.tell_all(envelopes),
            Delivery::Close(revocation) => people.close(*revocation),
            Delivery::Check(members) => people.check(members),
            Delivery::Recheck => people.recheck(),
        }
    }

    /// Closes the sockets of a session, or of all sessions of a person.
    pub fn close(&self, revocation: Revocation) {
        self.people().close(revocation);
    }

    /// Pings whose turn it is, lets go of the silent, and closes those whose token has expired.
    pub fn sweep(&self, heartbeat: Duration, time: Time) {
        self.people().sweep(heartbeat, Instant::now(), time);
    }

    /// Asks all sockets, those that come later too, to finish what they are answering and to come back elsewhere, spread over
    /// some time.
    pub fn send_away(&self, spread: Duration) {
        self.people().send_away(spread);
    }

    /// How many sockets there are.
    pub fn len(&self) -> usize {
        self.people().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Short and never across an `.await`; nothing that is called meanwhile calls back.
    fn people(&self) -> RefMut<'_, People> {
        self.0.borrow_mut()
    }

    #[cfg(test)]
    fn check_invariants(&self) {
        self.people().check_invariants();
    }
}

impl Seat {
    /// Lets the socket hear the conversations that `load` finds, and its person's own matters; again after a recheck.
    ///
    /// Where it fails, a later sweep asks for it again. Changes seen while it loads beat what it finds. What `load` pushes at its end, such as `ready`, comes before anything
    /// that is heard.
    pub async fn subscribe<E>(&self, load: impl Future<Output = Result<Vec<Membership>, E>>) -> Result<(), E> {
        // Take notes before loading, or a removal in between is lost.
        self.hub.people().take_notes(self.id);
        let loaded = load.await;
        let mut people = self.hub.people();
        match loaded {
            Ok(memberships) => people.subscribe(self.id, memberships),
            Err(error) => {
                people.stay_unsure(self.id);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Up to where the socket's person knows their own log before they hear it; to be said while `load` runs.
    pub fn stands_at(&self, own_seq: i64) {
        self.hub.people().stand_at(self.id, own_seq);
    }

    /// Up to where the socket has been told its person's own log, or knew it.
    pub fn own_seq(&self) -> i64 {
        self.hub.people().own_seq(self.id)
    }

    /// Whether the socket hears a conversation.
    pub fn hears(&self, conversation_id: ConversationId) -> bool {
        self.hub.people().hears(self.id, conversation_id)
    }

    /// Opens a conversation before the person's eyes: its typing and presence are heard too, once the conversation is. Whether
    /// it was not open.
    pub fn view(&self, conversation_id: ConversationId) -> bool {
        self.hub.people().view(self.id, conversation_id)
    }

    /// Closes it; whether it was open.
    pub fn unview(&self, conversation_id: ConversationId) -> bool {
        self.hub.people().unview(self.id, conversation_id)
    }

    /// What is open before the person's eyes.
    pub fn viewing(&self) -> Vec<ConversationId> {
        self.hub.people().viewing(self.id).to_vec()
    }

    /// Where the logs of those conversations stand that moved since this was last asked.
    pub fn heads(&self) -> Vec<(ConversationId, i64)> {
        self.hub.people().heads(self.id)
    }

    /// Goes on with another token of the same person: its end and its session count from now on.
    pub fn renew(&self, arrival: Arrival) {
        self.hub.people().renew(self.id, arrival);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.people().dismiss(self.id);
    }
}
