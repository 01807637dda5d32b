//! How often somebody may do something: the generic cell rate algorithm, one cell per person, account or address.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use deadpool_redis::redis::Script;
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware, state::keyed::DefaultKeyedStateStore};

use super::link::Link;
use crate::{
    config::settings::Settings,
    domain::{
        clock::Clock,
        error::{Error, Result},
        limits::Limit,
    },
};

/// The same algorithm for all nodes: a key holds when its cell will be empty again. Answers with the microseconds to wait.
const SPEND: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local emission, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local empty_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + emission
local wait = empty_at - burst - now
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', math.ceil((empty_at - now) / 1000))
return 0
";

/// The limits of this server; one of 0 is none.
#[derive(Debug)]
pub struct Limits {
    messages: Option<Rate>,
    conversations: Option<Rate>,
    logins: Option<Rate>,
    clock: Clock,
    body: Body,
}

/// Where it is counted. While Redis is away each node counts for itself.
#[derive(Debug)]
enum Body {
    Local,
    Redis(Link, Script),
}

#[derive(Debug)]
struct Rate {
    quota: NonZeroU32,
    period: Duration,
    cells: RateLimiter<String, DefaultKeyedStateStore<String>, Ticker, NoOpMiddleware<Instant>>,
}

/// Our clock, as the limiter asks it.
#[derive(Clone, Debug)]
struct Ticker(Clock);

impl Limits {
    /// The limits that the settings name; with a link they hold for all nodes together.
    pub(super) fn new(settings: &Settings, clock: &Clock, link: Option<Link>) -> Self {
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        let rate = |number, period| Rate::new(NonZeroU32::new(number)?, period, clock);
        Self {
            messages: rate(settings.messages_per_minute, minute),
            conversations: rate(settings.conversations_per_hour, hour),
            logins: rate(settings.logins_per_minute, minute),
            clock: clock.clone(),
            body: link.map_or(Body::Local, |link| Body::Redis(link, Script::new(SPEND))),
        }
    }

    /// Counts one more, unless that would be too many.
    pub async fn spend(&self, limit: Limit, key: &str) -> Result<()> {
        let Some(rate) = self.rate(limit) else { return Ok(()) };
        let together = match &self.body {
            Body::Local => None,
            Body::Redis(link, script) => rate.spend_together(link, script, limit, key).await,
        };
        let retry_after = together.unwrap_or_else(|| rate.spend_here(key, &self.clock));
        if retry_after.is_zero() {
            return Ok(());
        }
        Err(Error::SlowDown { limit, quota: rate.quota.get(), retry_after })
    }

    /// Forgets whoever has done nothing for so long that it makes no difference.
    pub fn forget_idle(&self) {
        for rate in [&self.messages, &self.conversations, &self.logins].into_iter().flatten() {
            rate.cells.retain_recent();
            rate.cells.shrink_to_fit();
        }
    }

    fn rate(&self, limit: Limit) -> Option<&Rate> {
        match limit {
            Limit::Messages => self.messages.as_ref(),
            Limit::Conversations => self.conversations.as_ref(),
            Limit::Logins => self.logins.as_ref(),
        }
    }
}

impl Rate {
    /// The whole quota may be spent at once, and comes back bit by bit.
    fn new(quota: NonZeroU32, period: Duration, clock: &Clock) -> Option<Self> {
        let cells = Quota::with_period(period / quota.get())?.allow_burst(quota);
        let cells = RateLimiter::new(cells, DefaultKeyedStateStore::default(), Ticker(clock.clone()));
        Some(Self { quota, period, cells })
    }

    /// How long to wait before spending on this node; no time where it is spent.
    fn spend_here(&self, key: &str, clock: &Clock) -> Duration {
        match self.cells.check_key(&key.to_owned()) {
            Ok(()) => Duration::ZERO,
            // Never no time: that would mean that it is spent.
            Err(early) => early.wait_time_from(clock.instant()).max(Duration::from_millis(1)),
        }
    }

    /// The same for all nodes; nothing where Redis is away.
    async fn spend_together(&self, link: &Link, script: &Script, limit: Limit, key: &str) -> Option<Duration> {
        let name: &'static str = limit.into();
        let mut spend = script.key(format!("colloquy:limit:{{{name}:{key}}}"));
        spend.arg((self.period / self.quota.get()).as_micros() as u64).arg(self.period.as_micros() as u64);
        link.run::<u64>(&spend).await.map(Duration::from_micros)
    }
}

impl governor::clock::Clock for Ticker {
    type Instant = Instant;

    fn now(&self) -> Self::Instant {
        self.0.instant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(messages_per_minute: u32) -> (Limits, Clock) {
        let clock = Clock::default();
        let settings = Settings { messages_per_minute, ..Settings::defaults() };
        (Limits::new(&settings, &clock, None), clock)
    }

    async fn spend(limits: &Limits, key: &str) -> Option<Duration> {
        match limits.spend(Limit::Messages, key).await {
            Ok(()) => None,
            Err(Error::SlowDown { limit: Limit::Messages, quota: 3, retry_after }) => Some(retry_after),
            Err(error) => panic!("not a limit: {error}"),
        }
    }

    #[tokio::test]
    async fn the_whole_quota_may_be_spent_at_once_and_comes_back_bit_by_bit() {
        let (limits, clock) = limits(3);

        for _ in 0..3 {
            assert_eq!(spend(&limits, "alice").await, None);
        }
        let wait = spend(&limits, "alice").await.expect("refused");
        assert!((19..=20).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(spend(&limits, "bob").await, None);

        clock.advance(chrono::Duration::seconds(20));
        assert_eq!(spend(&limits, "alice").await, None);
        assert!(spend(&limits, "alice").await.is_some());
    }

    #[tokio::test]
    async fn a_limit_of_nought_is_none() {
        let (limits, _) = limits(0);

        for _ in 0..1000 {
            assert_eq!(spend(&limits, "alice").await, None);
        }
    }

    #[tokio::test]
    async fn the_idle_are_forgotten_and_the_busy_are_not() {
        let (limits, clock) = limits(3);
        spend(&limits, "alice").await;
        clock.advance(chrono::Duration::seconds(61));
        spend(&limits, "bob").await;

        limits.forget_idle();

        assert_eq!(limits.messages.expect("on").cells.len(), 1);
    }
}
