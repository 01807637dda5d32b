//! What time it is. The only place that asks the system; everybody else is given a [`Clock`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use chrono::{DateTime, Datelike, Duration, SubsecRound, Utc};
use tokio::sync::watch;

/// A moment, in UTC, with microseconds as PostgreSQL keeps them.
pub type Time = DateTime<Utc>;

/// A moment that comes from outside, if it can be kept: beyond these years PostgreSQL's time ends, or RFC 3339's.
pub fn within_reach(moment: Time) -> Option<Time> {
    (1..=9999).contains(&moment.year()).then(|| moment.trunc_subsecs(6))
}

/// The same from microseconds since 1970, as cursors have them.
pub fn from_micros(text: &str) -> Option<Time> {
    within_reach(DateTime::from_timestamp_micros(text.parse().ok()?)?)
}

/// Tells the time; a hand-set offset moves it for those who test what time brings.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    hands: Arc<Hands>,
}

#[derive(Debug, Default)]
struct Hands {
    ahead_by_us: AtomicI64,
    moved: watch::Sender<()>,
}

impl Clock {
    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "This is the clock that all others are told to use.")]
    pub fn now(&self) -> Time {
        let ahead = Duration::microseconds(self.hands.ahead_by_us.load(Ordering::Relaxed));
        (Utc::now() + ahead).trunc_subsecs(6)
    }

    /// A time that does not jump with the system's, to measure how long something lasts.
    pub fn instant(&self) -> Instant {
        let ahead_by_us = self.hands.ahead_by_us.load(Ordering::Relaxed);
        Instant::now() + std::time::Duration::from_micros(u64::try_from(ahead_by_us).unwrap_or(0))
    }

    /// Sets this clock and all its copies forward (or back, where negative).
    pub fn advance(&self, by: Duration) {
        self.hands.ahead_by_us.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
        self.hands.moved.send_replace(());
    }

    /// Tells whenever the clock is set, for those who wait until a time has come.
    pub fn moves(&self) -> watch::Receiver<()> {
        self.hands.moved.subscribe()
    }
}
