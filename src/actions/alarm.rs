//! When work that waits for a time is due next: set by those who commit such work, awaited by the worker that does it.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use crate::domain::clock::{Clock, Time};

/// Rings once when the earliest time that was set has come.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    due_us: AtomicI64,
    earlier: Notify,
}

impl Alarm {
    /// One that rings at once, for nobody knows what was due while no node ran.
    pub fn new(clock: &Clock) -> Self {
        Self { clock: clock.clone(), due_us: AtomicI64::new(0), earlier: Notify::new() }
    }

    /// Something is due at this time, and is committed.
    pub fn set(&self, due: Time) {
        let due_us = due.timestamp_micros();
        if due_us < self.due_us.fetch_min(due_us, Ordering::Relaxed) {
            self.earlier.notify_one();
        }
    }

    /// Waits until something is due, but not longer than `at_most`: other nodes' alarms are not heard here. Whatever is
    /// set from now on counts for the next time, so look for what is due, and set when the next will be.
    pub async fn rings(&self, at_most: Duration) {
        let mut moves = self.clock.moves();
        let deadline = Instant::now() + at_most;
        loop {
            let left_us = self.due_us.load(Ordering::Relaxed).saturating_sub(self.clock.now().timestamp_micros());
            let Ok(left_us @ 1..) = u64::try_from(left_us) else { break };
            tokio::select! {
                () = sleep(Duration::from_micros(left_us).min(at_most)) => {}
                () = sleep_until(deadline) => break,
                () = self.earlier.notified() => {}
                _ = moves.changed() => {}
            }
        }
        self.due_us.store(i64::MAX, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use futures_util::FutureExt;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn quiet() -> (Alarm, Clock) {
        let clock = Clock::default();
        let alarm = Alarm::new(&clock);
        alarm.rings(LONG).now_or_never().expect("a new one rings at once");
        (alarm, clock)
    }

    #[tokio::test]
    async fn it_rings_when_the_earliest_time_has_come_and_not_before() {
        let (alarm, clock) = quiet();
        alarm.set(clock.now() + TimeDelta::seconds(60));
        alarm.set(clock.now() + TimeDelta::seconds(30));
        alarm.set(clock.now() + TimeDelta::seconds(90));

        clock.advance(TimeDelta::seconds(29));
        assert!(alarm.rings(LONG).now_or_never().is_none());
        clock.advance(TimeDelta::seconds(1));
        alarm.rings(LONG).await;

        assert!(alarm.rings(LONG).now_or_never().is_none(), "it rings once");
    }

    #[tokio::test]
    async fn who_waits_hears_of_an_earlier_time_and_of_a_clock_that_is_set() {
        let (alarm, clock) = quiet();
        alarm.set(clock.now() + TimeDelta::seconds(60));

        tokio::join!(alarm.rings(LONG), async { alarm.set(clock.now()) });

        alarm.set(clock.now() + TimeDelta::seconds(60));
        tokio::join!(alarm.rings(LONG), async { clock.advance(TimeDelta::seconds(60)) });
    }

    #[tokio::test]
    async fn it_rings_after_a_while_in_any_case() {
        let (alarm, _) = quiet();

        alarm.rings(Duration::from_millis(1)).await;
    }
}
