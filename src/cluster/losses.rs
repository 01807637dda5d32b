//! Since when receipts may have been lost on their way, for the worker that tells them again.
//!
//! What has a place in a log is missed where it is not told; a receipt has none. So whoever loses something, or hears that somebody
//! did, notes since when that may be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{sync::Notify, time::Instant};

/// What may have been lost, until somebody makes up for it.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    since: Mutex<Option<Instant>>,
    noted: Notify,
}

impl Losses {
    /// Waits until something may have been lost.
    pub async fn noted(&self) {
        self.0.noted.notified().await;
    }

    /// Since when something may have been lost, if it may; whoever takes this makes up for it, or notes it again.
    pub fn take(&self) -> Option<Instant> {
        self.since().take()
    }

    /// Notes that something may have been lost since then.
    pub fn note(&self, since: Instant) {
        {
            let mut noted = self.since();
            *noted = Some(noted.map_or(since, |noted| noted.min(since)));
        }
        self.0.noted.notify_one();
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
