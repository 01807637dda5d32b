//! The other nodes, as far as they can be heard. Pure: told who says something, and the time.
//!
//! Every node says something at least every second, if only its name, and that it leaves. Whoever falls silent without that has died,
//! and what it committed last may not have been told.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

/// How long a node may say nothing before it counts as dead.
const SILENCE: Duration = Duration::from_secs(5);

/// When each of them was last heard.
#[derive(Debug, Default)]
pub struct Peers {
    heard_at: HashMap<Uuid, Instant>,
}

impl Peers {
    /// A node says something.
    pub fn heard(&mut self, node: Uuid, now: Instant) {
        self.heard_at.insert(node, now);
    }

    /// A node has said all that it had to say.
    pub fn left(&mut self, node: Uuid) {
        self.heard_at.remove(&node);
    }

    /// Nobody could be heard until now, and whoever was there has all the time again.
    pub fn listens_again(&mut self, now: Instant) {
        self.heard_at.values_mut().for_each(|heard_at| *heard_at = now);
    }

    /// Forgets those who died; answers with when the first of them was last heard, if any did.
    pub fn take_dead(&mut self, now: Instant) -> Option<Instant> {
        self.heard_at.extract_if(|_, heard_at| now >= *heard_at + SILENCE).map(|(_, heard_at)| heard_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORTH: Uuid = Uuid::from_u128(1);
    const SOUTH: Uuid = Uuid::from_u128(2);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_falls_silent_without_leaving_has_died_once() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        peers.heard(NORTH, start);
        peers.heard(SOUTH, start + SECOND);

        assert_eq!(peers.take_dead(start + SILENCE - SECOND), None);
        peers.heard(SOUTH, start + SILENCE);
        assert_eq!(peers.take_dead(start + SILENCE), Some(start));
        assert_eq!(peers.take_dead(start + SILENCE), None);
        assert_eq!(peers.take_dead(start + 2 * SILENCE), Some(start + SILENCE));
    }

    #[test]
    fn who_leaves_has_not_died_nor_has_anybody_while_nobody_could_be_heard() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        peers.heard(NORTH, start);
        peers.heard(SOUTH, start);

        peers.left(SOUTH);
        peers.listens_again(start + 10 * SILENCE);

        assert_eq!(peers.take_dead(start + 11 * SILENCE - SECOND), None);
        assert_eq!(peers.take_dead(start + 11 * SILENCE), Some(start + 10 * SILENCE));
    }
}
