//! What happens within the time that counts: how often, how long it took, and what it cost.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{report::Report, usage::Watch};

/// Longer than anything takes that is waited for, in nanoseconds; what takes longer counts as this.
const LONGEST: u64 = 60_000_000_000;
/// Before the time that counts comes this part of it, which does not.
const WARM_UP: f64 = 0.25;

/// Counts one kind of operation.
pub struct Meter {
    counted: Cell<u64>,
    errors: Cell<u64>,
    latency: RefCell<Histogram<u64>>,
    is_counting: Cell<bool>,
    over: CancellationToken,
}

/// What takes how long, in nanoseconds; nothing yet.
pub fn latency() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LONGEST, 3).expect("the bounds are apart")
}

impl Meter {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            counted: Cell::new(0),
            errors: Cell::new(0),
            latency: RefCell::new(latency()),
            is_counting: Cell::new(false),
            over: CancellationToken::new(),
        }
    }

    /// An operation that was begun then has succeeded.
    pub fn done(&self, begun: Instant) {
        self.counted.set(self.counted.get() + 1);
        if self.is_counting.get() {
            self.latency.borrow_mut().saturating_record(begun.elapsed().as_nanos() as u64);
        }
    }

    /// An operation has failed.
    pub fn failed(&self) {
        self.errors.set(self.errors.get() + 1);
    }

    /// Whether nothing new is to be begun.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Cancelled when nothing new is to be begun.
    pub fn over(&self) -> &CancellationToken {
        &self.over
    }

    /// Warms up, counts for so long, and says that it is over. What was counted is in the report.
    pub async fn measure(&self, report: Report, watch: &Watch, time: Duration) -> Report {
        sleep(time.mul_f64(WARM_UP)).await;
        self.is_counting.set(true);
        let (counted, begun, before) = (self.counted.get(), Instant::now(), watch.look());
        sleep(time).await;
        let (counted, took, after) = (self.counted.get() - counted, begun.elapsed(), watch.look());
        self.is_counting.set(false);
        self.over.cancel();
        report.counted(counted, took, &self.latency.borrow()).cost(before, after)
    }

    /// Failures so far.
    pub fn errors(&self) -> u64 {
        self.errors.get()
    }
}
