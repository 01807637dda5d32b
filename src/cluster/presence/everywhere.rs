//! The people at all nodes, in Redis: one hash per person with a field per node, and one list of deadlines per partition.
//!
//! A node's field holds until when it is believed, by the clock of Redis, so that the people of a node that died go with it: whichever
//! node first finds the deadline passed tells of it. The braces are hash tags: a person's hash and deadline share a slot.

use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use redis::Script;

use super::{
    Shift,
    here::{GRACE, REFRESHED_EVERY},
};
use crate::{
    cluster::link::Link,
    domain::{ids::UserId, presence::PresenceStatus},
};

/// Parts into which the deadlines fall. All nodes must agree on it.
const PARTITIONS: u128 = 16;
/// For how long a node is believed that did not say that somebody is still there.
pub const TIME_TO_LIVE: Duration = REFRESHED_EVERY.saturating_mul(3);
/// People asked for in one go.
const ASKED_AT_ONCE: usize = 500;

/// How a person seems, whether they are there, and what they chose; the fields of their hash but `chosen` are named after nodes.
/// `now` is in milliseconds.
const SEEMING: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function seeming(key)
    local fields, chosen, there = redis.call('HGETALL', key), 'online', false
    for i = 1, #fields, 2 do
        if fields[i] == 'chosen' then
            chosen = fields[i + 1]
        elseif tonumber(fields[i + 1]) > now then
            there = true
        end
    end
    return there and chosen or 'offline', there, chosen
end
";

/// KEYS: person, deadlines. ARGV: verb, node, user, time to live in milliseconds, status. Answers how they seemed and seem now.
const TELL: &str = r"
local verb, node, ttl, status = ARGV[1], ARGV[2], tonumber(ARGV[4]), ARGV[5]
local before, there = seeming(KEYS[1])
if verb == 'go' then
    redis.call('HDEL', KEYS[1], node)
    redis.call('ZREM', KEYS[2], ARGV[3] .. ' ' .. node)
else
    if not there then redis.call('HDEL', KEYS[1], 'chosen') end
    if verb ~= 'choose' then
        redis.call('HSET', KEYS[1], node, now + ttl)
        redis.call('ZADD', KEYS[2], now + ttl, ARGV[3] .. ' ' .. node)
        there = true
    end
    if there and verb == 'choose' then redis.call('HSET', KEYS[1], 'chosen', status) end
    if verb == 'stay' then redis.call('HSETNX', KEYS[1], 'chosen', status) end
end
local after, remain = seeming(KEYS[1])
if not remain then
    redis.call('DEL', KEYS[1])
elseif verb ~= 'leave' then
    redis.call('PEXPIRE', KEYS[1], 2 * ttl)
end
return {before, after}
";

/// KEYS: deadlines. ARGV: what the names of people's keys begin with. Answers with pairs of people who are gone, and how they seemed.
const TAKE_LOST: &str = r"
local gone = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 200)) do
    redis.call('ZREM', KEYS[1], member)
    local user, node = string.match(member, '^(%S+) (%S+)$')
    redis.call('HDEL', ARGV[1] .. user, node)
    local _, there, chosen = seeming(ARGV[1] .. user)
    if not there then
        redis.call('DEL', ARGV[1] .. user)
        gone[#gone + 1] = {user, chosen}
    end
end
return gone
";

/// KEYS: people. Answers with how each seems.
const LOOK_UP: &str = r"
local found = {}
for i, key in ipairs(KEYS) do
    found[i] = seeming(key)
end
return found
";

/// Who is at any node.
#[derive(Debug)]
pub struct Everywhere {
    link: Link,
    tell: Script,
    look_up: Script,
    take_lost: Script,
}

/// What becomes of somebody at this node.
#[derive(Clone, Copy, Debug)]
pub enum Verb {
    /// They came.
    Come,
    /// They are still there, and seem so where Redis has forgotten.
    Stay(PresenceStatus),
    /// They went.
    Go,
    /// They go with the node; they may have come to another one.
    Leave,
    /// They choose how to seem.
    Choose(PresenceStatus),
}

impl Everywhere {
    /// Seen through this link.
    pub fn new(link: Link) -> Self {
        let script = |body| Script::new(&format!("{SEEMING}{body}"));
        Self { link, tell: script(TELL), look_up: script(LOOK_UP), take_lost: script(TAKE_LOST) }
    }

    /// Tells all nodes of somebody at this one; nothing where Redis is away.
    pub async fn tell(&self, user: UserId, verb: Verb) -> Option<Shift> {
        let (verb, status) = match verb {
            Verb::Come => ("come", PresenceStatus::Online),
            Verb::Stay(status) => ("stay", status),
            Verb::Go => ("go", PresenceStatus::Offline),
            Verb::Leave => ("leave", PresenceStatus::Offline),
            Verb::Choose(status) => ("choose", status),
        };
        let believed_for = if verb == "leave" { GRACE } else { TIME_TO_LIVE };
        let mut tell = self.tell.key(person(user));
        tell.key(deadlines(partition(user))).arg(verb).arg(self.link.node().to_string());
        tell.arg(user.to_string()).arg(believed_for.as_millis() as u64).arg(word(status));
        let (before, after) = self.link.run::<(String, String)>(&tell).await?;
        Some((status_of(&before)?, status_of(&after)?))
    }

    /// The people of nodes that were not heard of for the time to live, and how they seemed; each is found by one node.
    pub async fn take_lost(&self) -> Vec<(UserId, PresenceStatus)> {
        let mut lost = Vec::new();
        for partition in 0..PARTITIONS {
            let mut take = self.take_lost.key(deadlines(partition));
            take.arg(people(partition));
            let Some(pairs) = self.link.run::<Vec<(String, String)>>(&take).await else { break };
            lost.extend(pairs.iter().filter_map(|(user, status)| Some((user.parse().ok()?, status_of(status)?))));
        }
        lost
    }

    /// How these people seem; nothing where Redis is away.
    pub async fn look_up(&self, users: &[UserId]) -> Option<Vec<(UserId, PresenceStatus)>> {
        let mut partitions: HashMap<u128, Vec<UserId>> = HashMap::new();
        for user in users {
            partitions.entry(partition(*user)).or_default().push(*user);
        }
        let chunks = partitions.values().flat_map(|users| users.chunks(ASKED_AT_ONCE));
        let answers = join_all(chunks.map(async |users| {
            let mut look_up = self.look_up.prepare_invoke();
            for user in users {
                look_up.key(person(*user));
            }
            let seem: Vec<String> = self.link.run(&look_up).await?;
            users.iter().zip(&seem).map(|(user, status)| Some((*user, status_of(status)?))).collect::<Option<Vec<_>>>()
        }));
        answers.await.into_iter().collect::<Option<Vec<_>>>().map(|found| found.concat())
    }
}

fn partition(user: UserId) -> u128 {
    user.0.as_u128() % PARTITIONS
}

/// What the keys of a partition's people begin with.
fn people(partition: u128) -> String {
    format!("colloquy:presence:{{{partition}}}:")
}

fn person(user: UserId) -> String {
    format!("{}{user}", people(partition(user)))
}

fn deadlines(partition: u128) -> String {
    format!("colloquy:presence:{{{partition}}}")
}

fn word(status: PresenceStatus) -> &'static str {
    match status {
        PresenceStatus::Online => "online",
        PresenceStatus::Away => "away",
        PresenceStatus::Busy => "busy",
        PresenceStatus::Offline => "offline",
    }
}

fn status_of(word: &str) -> Option<PresenceStatus> {
    match word {
        "online" => Some(PresenceStatus::Online),
        "away" => Some(PresenceStatus::Away),
        "busy" => Some(PresenceStatus::Busy),
        "offline" => Some(PresenceStatus::Offline),
        _ => None,
    }
}
