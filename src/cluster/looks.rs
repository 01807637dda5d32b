//! Who has which conversation open, on which sockets of this node: others are told of a person's first look and of the last.
//!
//! Each node knows its own sockets only. Whoever looks from two nodes comes and goes at each.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use smallvec::SmallVec;

use crate::domain::ids::{ConversationId, SocketId, UserId};

/// Who looks where.
type Open = HashMap<(ConversationId, UserId), SmallVec<[SocketId; 1]>>;

/// Who looks where, on which of their sockets.
#[derive(Debug, Default)]
pub struct Looks(Mutex<Open>);

impl Looks {
    /// One more socket has it open; says whether it is its person's first.
    pub fn open(&self, conversation: ConversationId, user: UserId, socket: SocketId) -> bool {
        let mut open = self.all();
        let sockets = open.entry((conversation, user)).or_default();
        let is_first = sockets.is_empty();
        if !sockets.contains(&socket) {
            sockets.push(socket);
        }
        is_first
    }

    /// One less; says whether it was the last.
    pub fn close(&self, conversation: ConversationId, user: UserId, socket: SocketId) -> bool {
        let mut open = self.all();
        let Entry::Occupied(mut sockets) = open.entry((conversation, user)) else { return false };
        sockets.get_mut().retain(|other| *other != socket);
        let is_last = sockets.get().is_empty();
        if is_last {
            sockets.remove();
        }
        is_last
    }

    /// Somebody may look there no more; says whether they did.
    pub fn end(&self, conversation: ConversationId, user: UserId) -> bool {
        self.all().remove(&(conversation, user)).is_some()
    }

    fn all(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_look_and_the_last_are_told() {
        let (looks, conversation, alice) = (Looks::default(), ConversationId::random(), UserId::new_v7());
        let [phone, desk] = [SocketId::random(), SocketId::random()];

        assert!(looks.open(conversation, alice, phone));
        assert!(!looks.open(conversation, alice, desk));
        assert!(looks.open(conversation, UserId::new_v7(), SocketId::random()));
        assert!(!looks.close(conversation, alice, phone));
        assert!(looks.close(conversation, alice, desk));
        assert!(!looks.close(conversation, alice, desk));
        assert!(looks.open(conversation, alice, phone));
    }

    #[test]
    fn who_was_removed_looks_nowhere_and_counts_anew_when_they_are_back() {
        let (looks, conversation, alice) = (Looks::default(), ConversationId::random(), UserId::new_v7());
        let [phone, desk] = [SocketId::random(), SocketId::random()];
        looks.open(conversation, alice, phone);

        assert!(looks.end(conversation, alice));
        assert!(!looks.end(conversation, alice));

        assert!(looks.open(conversation, alice, desk));
        assert!(!looks.close(conversation, alice, phone), "the phone's look is over");
        assert!(looks.close(conversation, alice, desk));
    }
}
