//! The people at this node. Pure: told who comes and goes, and the time.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::Shift;
use crate::domain::{clock::Time, ids::UserId, presence::PresenceStatus};

/// How long somebody without a socket still counts as there: a reconnect is not told.
pub const GRACE: Duration = Duration::from_secs(5);
/// How often the other nodes are told that somebody is still there; they give them up after three times as long.
pub const REFRESHED_EVERY: Duration = Duration::from_secs(20);

/// Who is at this node.
#[derive(Debug, Default)]
pub struct Here {
    people: HashMap<UserId, Person>,
    /// When whose grace may be over, soonest first; some have come back since.
    leaving: VecDeque<(Instant, UserId)>,
    /// When who is to be told of again, soonest first; some have gone since.
    told: VecDeque<(Instant, UserId)>,
}

#[derive(Debug)]
struct Person {
    sockets: usize,
    chosen: PresenceStatus,
    came_at: Instant,
    left_at: Option<Instant>,
    /// When they were last seen; who seems offline is not seen.
    seen_at: Option<Time>,
}

impl Here {
    /// One more socket; says whether the person was not there before.
    pub fn arrive(&mut self, user: UserId, now: Instant) -> bool {
        let mut is_new = false;
        let person = self.people.entry(user).or_insert_with(|| {
            is_new = true;
            Person { sockets: 0, chosen: PresenceStatus::Online, came_at: now, left_at: None, seen_at: None }
        });
        person.sockets += 1;
        person.left_at = None;
        if is_new {
            self.told.push_back((now + REFRESHED_EVERY, user));
        }
        is_new
    }

    /// One socket less.
    pub fn depart(&mut self, user: UserId, now: Instant, time: Time) {
        let Some(person) = self.people.get_mut(&user) else { return };
        person.sockets = person.sockets.saturating_sub(1);
        if person.sockets == 0 && person.left_at.is_none() {
            person.left_at = Some(now);
            if person.chosen != PresenceStatus::Offline {
                person.seen_at = Some(time);
            }
            self.leaving.push_back((now + GRACE, user));
        }
    }

    /// Somebody chooses how to seem; nothing where they are not there.
    pub fn choose(&mut self, user: UserId, status: PresenceStatus, time: Time) -> Option<Shift> {
        let person = self.people.get_mut(&user)?;
        let before = std::mem::replace(&mut person.chosen, status);
        if before != PresenceStatus::Offline {
            person.seen_at = Some(time);
        }
        Some((before, status))
    }

    /// Those whose grace may be over.
    pub fn due(&mut self, now: Instant) -> Vec<UserId> {
        let count = self.leaving.partition_point(|(at, _)| *at <= now);
        self.leaving.drain(..count).map(|(_, user)| user).collect()
    }

    /// Lets go of somebody, if their grace is over: what they chose to seem, and when they were last seen.
    pub fn take_gone(&mut self, user: UserId, now: Instant) -> Option<(PresenceStatus, Option<Time>)> {
        let left_at = self.people.get(&user)?.left_at?;
        if now < left_at + GRACE {
            return None;
        }
        self.people.remove(&user).map(|person| (person.chosen, person.seen_at))
    }

    /// Lets go of everybody: who was here, and when they were last seen.
    pub fn take_all(&mut self, time: Time) -> Vec<(UserId, Option<Time>)> {
        // Who went before, or seems offline, was seen last when that began.
        let is_seen = |person: &Person| person.left_at.is_none() && person.chosen != PresenceStatus::Offline;
        let seen_at = |person: Person| if is_seen(&person) { Some(time) } else { person.seen_at };
        self.people.drain().map(|(user, person)| (user, seen_at(person))).collect()
    }

    /// Those who are to be told of again, and what they chose to seem.
    pub fn take_stale(&mut self, now: Instant) -> Vec<(UserId, PresenceStatus)> {
        let count = self.told.partition_point(|(at, _)| *at <= now);
        let due: Vec<_> = self.told.drain(..count).collect();
        let mut stale = Vec::with_capacity(due.len());
        for (at, user) in due {
            // Who went and came back is told of since then.
            if let Some(person) = self.people.get(&user)
                && person.came_at + REFRESHED_EVERY <= at
            {
                stale.push((user, person.chosen));
                self.told.push_back((now + REFRESHED_EVERY, user));
            }
        }
        stale
    }

    /// Whether somebody is at this node, or has only just gone.
    pub fn is_there(&self, user: UserId) -> bool {
        self.people.contains_key(&user)
    }

    /// How those of these people who are here chose to seem.
    pub fn look_up(&self, users: &[UserId]) -> Vec<(UserId, PresenceStatus)> {
        users.iter().filter_map(|user| Some((*user, self.people.get(user)?.chosen))).collect()
    }
}
