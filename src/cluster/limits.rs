//! How often somebody may do something: the generic cell rate algorithm, one cell per person, account or address.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use redis::Script;

use super::link::Link;
use crate::domain::{
    clock::Clock,
    error::{Error, Result},
    limits::Limit,
};

/// KEYS: cells, of which each holds when it will be empty again. ARGV: the microseconds of one in each, and last those of
/// the whole period. Answers with the microseconds to wait, for each.
const SPEND: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local whole = tonumber(ARGV[#KEYS + 1])
local waits = {}
for i, key in ipairs(KEYS) do
    local empty_at = math.max(tonumber(redis.call('GET', key) or 0), now) + tonumber(ARGV[i])
    waits[i] = math.max(math.ceil(empty_at - whole - now), 0)
    if waits[i] == 0 then
        redis.call('SET', key, string.format('%.0f', empty_at), 'PX', math.ceil((empty_at - now) / 1000))
    end
end
return waits
";

/// KEYS: cells. ARGV: the microseconds of one in each.
const GIVE_BACK: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i, key in ipairs(KEYS) do
    local empty_at = tonumber(redis.call('GET', key) or 0) - tonumber(ARGV[i])
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

/// What was done lately.
#[derive(Debug)]
pub struct Limits {
    /// When each cell will be empty again, as far as this node counts.
    cells: Mutex<HashMap<(Limit, String), Instant>>,
    clock: Clock,
    body: Body,
}

/// One thing done by one person, account or address.
#[derive(Clone, Debug)]
pub struct Share {
    /// Whose.
    pub key: String,
    /// How many they may do in the limit's period; 0 is no limit. People differ in it, so whoever spends says it.
    pub quota: u32,
}

/// Where it is counted. While Redis is away each node counts for itself.
#[derive(Debug)]
enum Body {
    Local,
    Redis { link: Link, spend: Script, give_back: Script },
}

impl Limits {
    /// Nothing was done yet; with a link all nodes count together.
    pub(super) fn new(clock: &Clock, link: Option<Link>) -> Self {
        Self {
            cells: Mutex::default(),
            clock: clock.clone(),
            body: link.map_or(Body::Local, |link| Body::Redis {
                link,
                spend: Script::new(SPEND),
                give_back: Script::new(GIVE_BACK),
            }),
        }
    }

    /// Counts one more, unless that would be too many.
    pub async fn spend(&self, limit: Limit, share: Share) -> Result<()> {
        let quota = share.quota;
        let retry_after = self.spend_all(limit, &[share]).await.into_iter().max().unwrap_or_default();
        if retry_after.is_zero() { Ok(()) } else { Err(Error::SlowDown { limit, quota, retry_after }) }
    }

    /// Counts one more for each, in their order, unless that would be too many. Says how long each must wait: no time where
    /// it is counted.
    pub async fn spend_all(&self, limit: Limit, shares: &[Share]) -> Vec<Duration> {
        let together = match &self.body {
            Body::Local => None,
            Body::Redis { link, spend, .. } => spend_together(link, spend, limit, shares).await,
        };
        together.unwrap_or_else(|| self.spend_here(limit, shares))
    }

    /// Takes back what was counted for each.
    pub async fn give_back(&self, limit: Limit, shares: &[Share]) {
        let together = match &self.body {
            Body::Local => None,
            Body::Redis { link, give_back, .. } => give_back_together(link, give_back, limit, shares).await,
        };
        if together.is_none() {
            self.give_back_here(limit, shares);
        }
    }

    /// Forgets whoever has done nothing for so long that it makes no difference.
    pub fn forget_idle(&self) {
        let now = self.clock.instant();
        let mut cells = self.cells();
        cells.retain(|_, empty_at| *empty_at > now);
        cells.shrink_to_fit();
    }

    fn spend_here(&self, limit: Limit, shares: &[Share]) -> Vec<Duration> {
        let (now, mut cells) = (self.clock.instant(), self.cells());
        let spend = |share: &Share| {
            let Some(one) = share.one(limit) else { return Duration::ZERO };
            let cell = (limit, share.key.clone());
            let empty_at = cells.get(&cell).map_or(now, |empty_at| now.max(*empty_at)) + one;
            let wait = empty_at.saturating_duration_since(now + limit.period());
            if wait.is_zero() {
                cells.insert(cell, empty_at);
            }
            wait
        };
        shares.iter().map(spend).collect()
    }

    fn give_back_here(&self, limit: Limit, shares: &[Share]) {
        let (now, mut cells) = (self.clock.instant(), self.cells());
        for (share, one) in shares.iter().filter_map(|share| Some((share, share.one(limit)?))) {
            let cell = (limit, share.key.clone());
            let left = cells.remove(&cell).and_then(|empty_at| empty_at.checked_sub(one));
            if let Some(empty_at) = left.filter(|empty_at| *empty_at > now) {
                cells.insert(cell, empty_at);
            }
        }
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<(Limit, String), Instant>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// What one takes, where there is a limit. The whole quota may be spent at once, and comes back bit by bit.
    fn one(&self, limit: Limit) -> Option<Duration> {
        (self.quota > 0).then(|| limit.period() / self.quota)
    }
}

/// Spends for all nodes; nothing where Redis is away.
async fn spend_together(link: &Link, script: &Script, limit: Limit, shares: &[Share]) -> Option<Vec<Duration>> {
    let spending = partitions(limit, shares).into_iter().map(async |(partition, places)| {
        let mut spend = script.prepare_invoke();
        for (place, one) in &places {
            spend.key(cell(partition, limit, &shares[*place].key)).arg(one.as_micros() as u64);
        }
        spend.arg(limit.period().as_micros() as u64);
        Some((places, link.run::<Vec<u64>>(&spend).await?))
    });
    let mut waits = vec![Duration::ZERO; shares.len()];
    for spent in join_all(spending).await {
        let (places, answer) = spent?;
        for ((place, _), wait_us) in places.into_iter().zip(answer) {
            waits[place] = Duration::from_micros(wait_us);
        }
    }
    Some(waits)
}

/// The same for what is given back.
async fn give_back_together(link: &Link, script: &Script, limit: Limit, shares: &[Share]) -> Option<()> {
    let giving = partitions(limit, shares).into_iter().map(async |(partition, places)| {
        let mut give_back = script.prepare_invoke();
        for (place, one) in places {
            give_back.key(cell(partition, limit, &shares[place].key)).arg(one.as_micros() as u64);
        }
        link.run::<u64>(&give_back).await.map(drop)
    });
    join_all(giving).await.into_iter().collect()
}

/// Which shares fall into which part, and what one of each takes; those without a limit fall into none.
fn partitions(limit: Limit, shares: &[Share]) -> HashMap<usize, Vec<(usize, Duration)>> {
    let mut partitions: HashMap<_, Vec<_>> = HashMap::new();
    for (place, share) in shares.iter().enumerate() {
        let Some(one) = share.one(limit) else { continue };
        // Keys end in random digits or in whatever people call themselves; bytes added up are spread enough.
        let partition = share.key.bytes().map(usize::from).sum::<usize>() % PARTITIONS;
        partitions.entry(partition).or_default().push((place, one));
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

    fn limits() -> (Limits, Clock) {
        let clock = Clock::default();
        (Limits::new(&clock, None), clock)
    }

    fn share(key: &str) -> Share {
        Share { key: key.to_owned(), quota: 3 }
    }

    async fn spend(limits: &Limits, key: &str) -> Option<Duration> {
        match limits.spend(Limit::Messages, share(key)).await {
            Ok(()) => None,
            Err(Error::SlowDown { limit: Limit::Messages, quota: 3, retry_after }) => Some(retry_after),
            Err(error) => panic!("not a limit: {error}"),
        }
    }

    #[tokio::test]
    async fn the_whole_quota_may_be_spent_at_once_and_comes_back_bit_by_bit() {
        let (limits, clock) = limits();

        for _ in 0..3 {
            assert_eq!(spend(&limits, "alice").await, None);
        }
        let wait = spend(&limits, "alice").await.expect("refused");
        assert!((19..=20).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(spend(&limits, "bob").await, None);
        assert!(limits.spend(Limit::Edits, share("alice")).await.is_ok());

        clock.advance(chrono::Duration::seconds(20));
        assert_eq!(spend(&limits, "alice").await, None);
        assert!(spend(&limits, "alice").await.is_some());
    }

    #[tokio::test]
    async fn a_limit_of_nought_is_none() {
        let (limits, _) = limits();

        for _ in 0..1000 {
            assert!(limits.spend(Limit::Messages, Share { quota: 0, ..share("alice") }).await.is_ok());
        }
    }

    #[tokio::test]
    async fn the_idle_are_forgotten_and_the_busy_are_not() {
        let (limits, clock) = limits();
        spend(&limits, "alice").await;
        clock.advance(chrono::Duration::seconds(61));
        spend(&limits, "bob").await;

        limits.forget_idle();

        assert_eq!(limits.cells().len(), 1);
    }

    #[tokio::test]
    async fn what_is_given_back_can_be_spent_again_and_no_more_than_that() {
        let (limits, clock) = limits();
        let shares = ["alice", "bob", "alice", "alice", "alice"].map(share);
        let waits = limits.spend_all(Limit::Messages, &shares).await;
        assert_eq!(waits.iter().map(Duration::is_zero).collect::<Vec<_>>(), [true, true, true, true, false]);

        limits.give_back(Limit::Messages, &[share("alice")]).await;
        assert_eq!(spend(&limits, "alice").await, None);
        assert!(spend(&limits, "alice").await.is_some());

        clock.advance(chrono::Duration::seconds(61));
        limits.give_back(Limit::Messages, &[share("alice")]).await;
        for _ in 0..3 {
            assert_eq!(spend(&limits, "alice").await, None);
        }
        assert!(spend(&limits, "alice").await.is_some());
    }
}
