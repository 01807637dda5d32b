//! When work on a file must be over.

use std::time::Duration;

use nix::time::ClockId;

/// The moment at which a thread has had the time that it may have on a processor, for that it had to wait is no fault of the
/// file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Duration);

impl Deadline {
    /// After so much time of this thread from now on.
    pub fn within(time: Duration) -> Self {
        Self(spent().saturating_add(time))
    }

    /// Whether this thread has had its time.
    pub fn is_over(self) -> bool {
        spent() >= self.0
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
}
