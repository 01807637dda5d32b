//! Where files are looked into: on threads of their own, few and of little importance, for what is inside may take a core for
//! long, and those who chat come first.

use std::{
    num::NonZero,
    sync::Arc,
    thread::{self, available_parallelism},
    time::Duration,
};

use anyhow::Context;
use nix::time::ClockId;
use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::sync::{Semaphore, oneshot};

use crate::domain::error::{Error, Result};

/// Files that are looked into at once, at most: each may take a core and memory.
const AT_ONCE: usize = 4;

/// How important they are, of a hundred: on a busy machine they get an eighth of what others get, and are not forgotten.
const IMPORTANCE: u8 = 25;

/// The threads that files are looked into on.
#[derive(Debug)]
pub(super) struct Workshop {
    benches: Arc<Semaphore>,
}

impl Workshop {
    /// Leaves one core to those who chat, where there are several.
    pub(super) fn open() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self { benches: Arc::new(Semaphore::new((cores - 1).clamp(1, AT_ONCE))) }
    }

    /// Does some work once there is room for it.
    pub(super) async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let bench = Arc::clone(&self.benches).acquire_owned().await.context("the workshop never closes")?;
        let (done, outcome) = oneshot::channel();
        let working = move || {
            let _held = bench;
            stand_back();
            // Who waited may be gone.
            done.send(work()).ok();
        };
        thread::Builder::new().name("workshop".to_owned()).spawn(working).context("there is no thread for a file")?;
        outcome.await.context("work on a file was cut short").map_err(Error::Internal)?
    }
}

/// Makes this thread less important.
fn stand_back() {
    let importance = IMPORTANCE.try_into().map(ThreadPriority::Crossplatform);
    if importance.is_ok_and(|importance| set_current_thread_priority(importance).is_err()) {
        tracing::debug!("A file is looked into as if that were important.");
    }
}

/// When work must be over: by the time that its thread has had on a processor, for that it had to wait is no fault of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline(Duration);

impl Deadline {
    /// After so much time of this thread from now on.
    pub(super) fn within(time: Duration) -> Self {
        Self(spent().saturating_add(time))
    }

    /// Whether this thread has had its time.
    pub(super) fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// How much of its time this thread still has.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_sub(spent())
    }
}

/// The time that this thread has had on a processor.
fn spent() -> Duration {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().map_or(Duration::MAX, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_on_a_processor_counts() {
        let deadline = Deadline::within(Duration::from_millis(20));
        assert!(!deadline.is_over() && Deadline::within(Duration::ZERO).is_over());

        let mut number = 0_u64;
        while !deadline.is_over() {
            number = std::hint::black_box(number + 1);
        }
        assert!(number > 0);
    }

    #[tokio::test]
    async fn work_that_panics_fails_alone() {
        let workshop = Workshop { benches: Arc::new(Semaphore::new(1)) };

        let failed = workshop.work::<()>(|| panic!("on purpose")).await;

        assert!(matches!(failed, Err(Error::Internal(_))));
        assert!(matches!(workshop.work(|| Ok(5)).await, Ok(5)));
    }
}
