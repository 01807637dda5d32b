//! Who has which conversation open, on how many sockets of this node: others are told of a person's first look and of the last.
//!
//! Each node counts its own sockets only. Whoever looks from two nodes comes and goes at each.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
};

use crate::domain::ids::{ConversationId, UserId};

/// Who looks where.
#[derive(Debug, Default)]
pub struct Looks(Mutex<HashMap<(ConversationId, UserId), usize>>);

impl Looks {
    /// One more socket has it open; says whether it is its person's first.
    pub fn open(&self, conversation: ConversationId, user: UserId) -> bool {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sockets = looks.entry((conversation, user)).or_default();
        *sockets += 1;
        *sockets == 1
    }

    /// One less; says whether it was the last.
    pub fn close(&self, conversation: ConversationId, user: UserId) -> bool {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry::Occupied(mut sockets) = looks.entry((conversation, user)) else { return false };
        *sockets.get_mut() -= 1;
        let is_last = *sockets.get() == 0;
        if is_last {
            sockets.remove();
        }
        is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_look_and_the_last_are_told() {
        let (looks, conversation, alice) = (Looks::default(), ConversationId::random(), UserId::new_v7());

        assert!(looks.open(conversation, alice));
        assert!(!looks.open(conversation, alice));
        assert!(looks.open(conversation, UserId::new_v7()));
        assert!(!looks.close(conversation, alice));
        assert!(looks.close(conversation, alice));
        assert!(!looks.close(conversation, alice));
        assert!(looks.open(conversation, alice));
    }
}
