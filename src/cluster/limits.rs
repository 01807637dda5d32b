//! How often somebody may do something: the generic cell rate algorithm, one cell per person, account or address.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use redis::Script;

use super::link::Link;
use crate::{
    config::settings::Settings,
    domain::{
        clock::Clock,
        error::{Error, Result},
        limits::Limit,
    },
};

/// KEYS: cells, of which each holds when it will be empty again. ARGV: the microseconds of one, and of the whole quota.
/// Answers with the microseconds to wait, for each.
const SPEND: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local one, whole = tonumber(ARGV[1]), tonumber(ARGV[2])
local waits = {}
for i, key in ipairs(KEYS) do
    local empty_at = math.max(tonumber(redis.call('GET', key) or 0), now) + one
    waits[i] = math.max(math.ceil(empty_at - whole - now), 0)
    if waits[i] == 0 then
        redis.call('SET', key, string.format('%.0f', empty_at), 'PX', math.ceil((empty_at - now) / 1000))
    end
end
return waits
";

/// KEYS: cells. ARGV: the microseconds of one.
const GIVE_BACK: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for _, key in ipairs(KEYS) do
    local empty_at = tonumber(redis.call('GET', key) or 0) - tonumber(ARGV[1])
    if empty_at > now then
        redis.call('SET', key, string.format('%.0f', empty_at), 'PX', math.ceil((empty_at - now) / 1000))
    else
        redis.call('DEL', key)
    end
end
return 0
";

/// Parts into which the cells fall, so that each part has one place in a Redis Cluster. All nodes must agree on it.
const PARTITIONS: usize = 16;

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
    Redis { link: Link, spend: Script, give_back: Script },
}

#[derive(Debug)]
struct Rate {
    quota: u32,
    period: Duration,
    /// When each cell will be empty again.
    cells: Mutex<HashMap<String, Instant>>,
}

impl Limits {
    /// The limits that the settings name; with a link they hold for all nodes together.
    pub(super) fn new(settings: &Settings, clock: &Clock, link: Option<Link>) -> Self {
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        let rate = |quota, period| (quota > 0).then(|| Rate { quota, period, cells: Mutex::default() });
        Self {
            messages: rate(settings.messages_per_minute, minute),
            conversations: rate(settings.conversations_per_hour, hour),
            logins: rate(settings.logins_per_minute, minute),
            clock: clock.clone(),
            body: link.map_or(Body::Local, |link| Body::Redis {
                link,
                spend: Script::new(SPEND),
                give_back: Script::new(GIVE_BACK),
            }),
        }
    }

    /// Counts one more, unless that would be too many.
    pub async fn spend(&self, limit: Limit, key: &str) -> Result<()> {
        let wait = self.spend_all(limit, &[key.to_owned()]).await.into_iter().max().unwrap_or_default();
        if wait.is_zero() { Ok(()) } else { Err(self.refusal(limit, wait)) }
    }

    /// Counts one more for each key, in their order, unless that would be too many. Says how long each must wait: no time
    /// where it is counted.
    pub async fn spend_all(&self, limit: Limit, keys: &[String]) -> Vec<Duration> {
        let Some(rate) = self.rate(limit) else { return vec![Duration::ZERO; keys.len()] };
        let together = match &self.body {
            Body::Local => None,
            Body::Redis { link, spend, .. } => rate.spend_together(link, spend, limit, keys).await,
        };
        together.unwrap_or_else(|| rate.spend_here(keys, self.clock.instant()))
    }

    /// Takes back what was counted for each key.
    pub async fn give_back(&self, limit: Limit, keys: &[String]) {
        let Some(rate) = self.rate(limit).filter(|_| !keys.is_empty()) else { return };
        let together = match &self.body {
            Body::Local => None,
            Body::Redis { link, give_back, .. } => rate.give_back_together(link, give_back, limit, keys).await,
        };
        if together.is_none() {
            rate.give_back_here(keys, self.clock.instant());
        }
    }

    /// What to say to one who must wait.
    pub fn refusal(&self, limit: Limit, wait: Duration) -> Error {
        Error::SlowDown { limit, quota: self.rate(limit).map_or(0, |rate| rate.quota), retry_after: wait }
    }

    /// Forgets whoever has done nothing for so long that it makes no difference.
    pub fn forget_idle(&self) {
        let now = self.clock.instant();
        for rate in [&self.messages, &self.conversations, &self.logins].into_iter().flatten() {
            let mut cells = rate.cells();
            cells.retain(|_, empty_at| *empty_at > now);
            cells.shrink_to_fit();
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
    /// What one takes. The whole quota may be spent at once, and comes back bit by bit.
    fn one(&self) -> Duration {
        self.period / self.quota
    }

    fn spend_here(&self, keys: &[String], now: Instant) -> Vec<Duration> {
        let mut cells = self.cells();
        let spend = |key: &String| {
            let empty_at = cells.get(key).map_or(now, |empty_at| now.max(*empty_at)) + self.one();
            let wait = empty_at.saturating_duration_since(now + self.period);
            if wait.is_zero() {
                cells.insert(key.clone(), empty_at);
            }
            wait
        };
        keys.iter().map(spend).collect()
    }

    fn give_back_here(&self, keys: &[String], now: Instant) {
        let mut cells = self.cells();
        for key in keys {
            let left = cells.remove(key).and_then(|empty_at| empty_at.checked_sub(self.one()));
            if let Some(empty_at) = left.filter(|empty_at| *empty_at > now) {
                cells.insert(key.clone(), empty_at);
            }
        }
    }

    /// The same for all nodes; nothing where Redis is away.
    async fn spend_together(
        &self,
        link: &Link,
        script: &Script,
        limit: Limit,
        keys: &[String],
    ) -> Option<Vec<Duration>> {
        let spending = partitions(keys).into_iter().map(async |(partition, places)| {
            let mut spend = script.prepare_invoke();
            for place in &places {
                spend.key(cell(partition, limit, &keys[*place]));
            }
            spend.arg(self.one().as_micros() as u64).arg(self.period.as_micros() as u64);
            Some((places, link.run::<Vec<u64>>(&spend).await?))
        });
        let mut waits = vec![Duration::ZERO; keys.len()];
        for spent in join_all(spending).await {
            let (places, answer) = spent?;
            for (place, wait_us) in places.into_iter().zip(answer) {
                waits[place] = Duration::from_micros(wait_us);
            }
        }
        Some(waits)
    }

    async fn give_back_together(&self, link: &Link, script: &Script, limit: Limit, keys: &[String]) -> Option<()> {
        let giving = partitions(keys).into_iter().map(async |(partition, places)| {
            let mut give_back = script.prepare_invoke();
            for place in places {
                give_back.key(cell(partition, limit, &keys[place]));
            }
            link.run::<u64>(give_back.arg(self.one().as_micros() as u64)).await.map(drop)
        });
        join_all(giving).await.into_iter().collect()
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which keys fall into which part.
fn partitions(keys: &[String]) -> HashMap<usize, Vec<usize>> {
    let mut partitions: HashMap<_, Vec<_>> = HashMap::new();
    for (place, key) in keys.iter().enumerate() {
        // Keys end in random digits or in whatever people call themselves; bytes added up are spread enough.
        let partition = key.bytes().map(usize::from).sum::<usize>() % PARTITIONS;
        partitions.entry(partition).or_default().push(place);
    }
    partitions
}

/// The braces are a hash tag.
fn cell(partition: usize, limit: Limit, key: &str) -> String {
    let name: &'static str = limit.into();
    format!("colloquy:limit:{{{partition}}}:{name}:{key}")
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

        assert_eq!(limits.messages.expect("on").cells().len(), 1);
    }

    #[tokio::test]
    async fn what_is_given_back_can_be_spent_again_and_no_more_than_that() {
        let (limits, clock) = limits(3);
        let keys: Vec<_> = ["alice", "bob", "alice", "alice", "alice"].map(str::to_owned).into();
        let waits = limits.spend_all(Limit::Messages, &keys).await;
        assert_eq!(waits.iter().map(Duration::is_zero).collect::<Vec<_>>(), [true, true, true, true, false]);

        limits.give_back(Limit::Messages, &["alice".to_owned()]).await;
        assert_eq!(spend(&limits, "alice").await, None);
        assert!(spend(&limits, "alice").await.is_some());

        clock.advance(chrono::Duration::seconds(61));
        limits.give_back(Limit::Messages, &["alice".to_owned()]).await;
        for _ in 0..3 {
            assert_eq!(spend(&limits, "alice").await, None);
        }
        assert!(spend(&limits, "alice").await.is_some());
    }
}
