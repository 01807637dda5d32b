//! Turns: one connection at a time brings bytes of an upload to this node. Whoever comes later takes over, for the one before may be
//! dead without the server knowing.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Mutex as Lock, OwnedMutexGuard},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::super::PATIENCE;
use crate::domain::{
    error::{Conflict, Error, Result},
    ids::{AttachmentId, UserId},
};

/// Whose upload, and which.
type Key = (UserId, AttachmentId);

/// Who brings what.
#[derive(Debug, Default)]
pub struct Turns {
    latest: Mutex<HashMap<Key, Latest>>,
}

/// Somebody's turn, which ends with this.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    key: Key,
    over: CancellationToken,
    held: Option<OwnedMutexGuard<()>>,
}

/// The latest turn of an upload.
#[derive(Debug)]
struct Latest {
    lock: Arc<Lock<()>>,
    over: CancellationToken,
}

impl Turns {
    /// Ends the turn of whoever brings bytes of this upload, and takes the next when they have put down what they have.
    pub async fn take(self: &Arc<Self>, key: Key) -> Result<Turn> {
        let (mut turn, lock) = self.enter(key);
        let held = timeout(PATIENCE, lock.lock_owned()).await;
        turn.held = Some(held.map_err(|_| Error::Unavailable("The upload is busy; try again soon."))?);
        // Somebody has come later still.
        if turn.is_over() { Err(Conflict::WrongOffset.into()) } else { Ok(turn) }
    }

    fn enter(self: &Arc<Self>, key: Key) -> (Turn, Arc<Lock<()>>) {
        let over = CancellationToken::new();
        let lock = match self.latest().entry(key) {
            Entry::Occupied(mut before) => {
                let before = before.get_mut();
                before.over.cancel();
                before.over = over.clone();
                Arc::clone(&before.lock)
            }
            Entry::Vacant(first) => Arc::clone(&first.insert(Latest { lock: Arc::default(), over: over.clone() }).lock),
        };
        (Turn { turns: Arc::clone(self), key, over, held: None }, lock)
    }

    fn latest(&self) -> MutexGuard<'_, HashMap<Key, Latest>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Whether somebody else has taken over.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits until somebody else takes over.
    pub async fn ends(&self) {
        self.over.cancelled().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut latest = self.turns.latest();
        // Whoever waits for a turn, or has one, has the lock too.
        if latest.get(&self.key).is_some_and(|latest| Arc::strong_count(&latest.lock) == 1) {
            latest.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_later_takes_over_and_nothing_is_kept_of_who_has_gone() {
        let (turns, key) = (Arc::<Turns>::default(), (UserId::new_v7(), AttachmentId::new_v7()));
        let first = turns.take(key).await.unwrap();

        let second = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(key).await }
        });
        first.ends().await;
        assert!(!second.is_finished());
        drop(first);
        let second = second.await.unwrap().unwrap();

        assert!(!second.is_over());
        assert_eq!(turns.latest().len(), 1);
        drop(second);
        assert!(turns.latest().is_empty());
    }
}
