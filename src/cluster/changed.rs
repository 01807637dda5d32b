//! Whose logs this node has written to lately, for workers that follow logs at their own pace.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::bus::Envelope;
use crate::domain::ids::ConversationId;

/// Conversations that are remembered. Who follows logs finds the others by looking into the database.
const REMEMBERED: usize = 10_000;

/// What was written since it was last taken.
#[derive(Debug, Default)]
pub struct Lately {
    /// Where.
    pub conversations: HashSet<ConversationId>,
    /// How many entries.
    pub entries: usize,
}

/// What was written, until somebody takes it.
#[derive(Clone, Debug, Default)]
pub struct Changed(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lately: Mutex<Lately>,
    noted: Notify,
}

impl Changed {
    /// Waits until something was written.
    pub async fn noted(&self) {
        self.0.noted.notified().await;
    }

    /// Takes what was written.
    pub fn take(&self) -> Lately {
        mem::take(&mut *self.lately())
    }

    pub(super) fn note(&self, envelopes: &[Envelope]) {
        let mut lately = self.lately();
        for envelope in envelopes.iter().filter(|envelope| envelope.seq.is_some()) {
            lately.entries += 1;
            if lately.conversations.len() < REMEMBERED {
                lately.conversations.extend(envelope.conversation_id);
            }
        }
        if lately.entries > 0 {
            self.0.noted.notify_one();
        }
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.0.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
