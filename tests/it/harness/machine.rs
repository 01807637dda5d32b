//! The machine that all tests share. Most use it beside one another; those that measure it, or need most of it, have at most
//! one other beside them, as if tests ran in two threads.
//!
//! Invariant: a test asks for its share once, whatever it starts, so that no two tests wait for each other; and gives it back
//! however it ends.

use std::{
    cell::RefCell,
    sync::{Arc, Weak},
};

use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// More than there are tests at once.
const WHOLE: u32 = 1_000;
/// All but what one other test has.
const MOST: u32 = WHOLE - 1;

static MACHINE: Semaphore = Semaphore::const_new(WHOLE as usize);

thread_local! {
    /// What the test of this thread has.
    static HELD: RefCell<Weak<Share>> = const { RefCell::new(Weak::new()) };
}

/// What a test has of the machine, given back with this. It may yet be waited for.
#[derive(Debug, Default)]
pub struct Share(OnceCell<SemaphorePermit<'static>>);

/// Waits until there is room beside those who have most of the machine. Whatever a test starts holds this.
pub async fn share() -> Arc<Share> {
    take(1).await
}

/// Waits until at most one other test uses the machine; to be called before anything is started.
pub async fn most() -> Arc<Share> {
    assert_eq!(HELD.with_borrow(Weak::strong_count), 0, "who has a share of the machine can't wait for most of it");
    take(MOST).await
}

async fn take(parts: u32) -> Arc<Share> {
    // Whoever asks next on this thread waits for the same, which came earlier than any other's wish for most of it.
    let share = HELD.with_borrow_mut(|held| {
        held.upgrade().unwrap_or_else(|| {
            let share = Arc::default();
            *held = Arc::downgrade(&share);
            share
        })
    });
    share.0.get_or_init(async || MACHINE.acquire_many(parts).await.expect("it is never closed")).await;
    share
}
