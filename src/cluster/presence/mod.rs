//! Who is there: counted sockets per person, a grace after the last one goes, and what the person chose to seem.
//!
//! Invariants: others are told at the edges only, and of one person at one node at a time, so that a going never overtakes a
//! coming. With several nodes Redis decides what is an edge; while it is away each node decides for those it sees.

mod everywhere;
mod here;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::join_all;
use tokio::sync;

use self::{
    everywhere::{Everywhere, TIME_TO_LIVE, Verb},
    here::Here,
};
use super::link::Link;
use crate::domain::{
    clock::{Clock, Time},
    ids::UserId,
    presence::{Presence, PresenceStatus},
};

/// People who may come and go at a node at the same time.
const LANES: usize = 64;

/// A change that others are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Came.
    Online(Presence),
    /// Went.
    Offline(Presence),
    /// Is there in another way.
    Changed(Presence),
}

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Swept {
    /// Those who are gone now, as they seemed before.
    pub gone: Vec<Presence>,
    /// Those who are there although the other nodes had given them up.
    pub found: Vec<Presence>,
}

/// Who is there.
#[derive(Debug)]
pub struct PresenceBoard {
    clock: Clock,
    here: Mutex<Here>,
    body: Body,
    lanes: [sync::Mutex<()>; LANES],
    lane: RandomState,
}

/// Who sees whom.
#[derive(Debug)]
enum Body {
    Local,
    Redis(Everywhere),
}

/// How somebody seemed, and seems now.
type Shift = (PresenceStatus, PresenceStatus);

impl PresenceBoard {
    /// Nobody is there yet; with a link all nodes see one another's people.
    pub(super) fn new(clock: Clock, link: Option<Link>) -> Self {
        let body = link.map_or(Body::Local, |link| Body::Redis(Everywhere::new(link)));
        let lanes = std::array::from_fn(|_| sync::Mutex::default());
        Self { clock, here: Mutex::default(), body, lanes, lane: RandomState::new() }
    }

    /// One more socket of somebody.
    pub async fn arrive(&self, user: UserId) -> Option<Edge> {
        let _turn = self.turn(user).await;
        if !self.here().arrive(user, self.clock.instant()) {
            return None;
        }
        let shift = self.everywhere(user, Verb::Come).await;
        self.edge(user, shift.unwrap_or((PresenceStatus::Offline, PresenceStatus::Online)))
    }

    /// One socket less. Its person counts as there for a grace.
    pub fn depart(&self, user: UserId) {
        self.here().depart(user, self.clock.instant(), self.clock.now());
    }

    /// Somebody chooses how to seem. Without a socket they seem away all the same.
    pub async fn choose(&self, user: UserId, status: PresenceStatus) -> Option<Edge> {
        let _turn = self.turn(user).await;
        let here = self.here().choose(user, status, self.clock.now());
        let shift = self.everywhere(user, Verb::Choose(status)).await.or(here)?;
        self.edge(user, shift)
    }

    /// Lets go of those whose grace is over, and keeps up what the other nodes know.
    pub async fn sweep(&self) -> Swept {
        let mut swept = Swept::default();
        let due = self.here().due(self.clock.instant());
        for user in due {
            let _turn = self.turn(user).await;
            let Some((chosen, seen_at)) = self.here().take_gone(user, self.clock.instant()) else { continue };
            let (before, after) = self.everywhere(user, Verb::Go).await.unwrap_or((chosen, PresenceStatus::Offline));
            if after == PresenceStatus::Offline {
                swept.gone.push(Presence { user_id: user, status: before, last_seen_at: seen_at });
            }
        }
        if let Body::Redis(everywhere) = &self.body {
            self.keep_up(everywhere, &mut swept).await;
        }
        swept
    }

    /// Lets go of everybody at once; says when they were last seen. The other nodes believe in them for a grace.
    pub async fn leave_all(&self) -> Vec<(UserId, Time)> {
        let people = self.here().take_all(self.clock.now());
        for people in people.chunks(LANES) {
            join_all(people.iter().map(|(user, _)| self.everywhere(*user, Verb::Leave))).await;
        }
        people.into_iter().filter_map(|(user, seen_at)| Some((user, seen_at?))).collect()
    }

    /// Tells the other nodes of those who are still here, and takes over what lost nodes left.
    async fn keep_up(&self, everywhere: &Everywhere, swept: &mut Swept) {
        let stale = self.here().take_stale(self.clock.instant());
        for (user, chosen) in stale {
            let _turn = self.turn(user).await;
            if !self.here().is_there(user) {
                continue;
            }
            if let Some((PresenceStatus::Offline, status)) = everywhere.tell(user, Verb::Stay(chosen)).await
                && status != PresenceStatus::Offline
            {
                swept.found.push(self.presence(user, status));
            }
        }
        let last_seen_at = Some(self.clock.now() - TIME_TO_LIVE);
        let lost = everywhere.take_lost().await.into_iter();
        swept.gone.extend(lost.map(|(user_id, status)| Presence { user_id, status, last_seen_at }));
    }

    /// How these people seem; those who seem not to be there are left out.
    pub async fn look_up(&self, users: &[UserId]) -> Vec<Presence> {
        let found = self.seeming(users).await;
        let there = found.into_iter().filter(|(_, status)| *status != PresenceStatus::Offline);
        there.map(|(user, status)| self.presence(user, status)).collect()
    }

    /// Those of these people who have a socket on this node.
    pub fn connected_here(&self, users: impl IntoIterator<Item = UserId>) -> Vec<UserId> {
        let here = self.here();
        users.into_iter().filter(|user| here.is_there(*user)).collect()
    }

    async fn seeming(&self, users: &[UserId]) -> Vec<(UserId, PresenceStatus)> {
        let everywhere = match &self.body {
            Body::Local => None,
            Body::Redis(everywhere) => everywhere.look_up(users).await,
        };
        everywhere.unwrap_or_else(|| self.here().look_up(users))
    }

    async fn everywhere(&self, user: UserId, verb: Verb) -> Option<Shift> {
        match &self.body {
            Body::Local => None,
            Body::Redis(everywhere) => everywhere.tell(user, verb).await,
        }
    }

    fn edge(&self, user: UserId, shift: Shift) -> Option<Edge> {
        let (before, after) = shift;
        let presence = self.presence(user, after);
        match (before, after) {
            (before, after) if before == after => None,
            (PresenceStatus::Offline, _) => Some(Edge::Online(presence)),
            (_, PresenceStatus::Offline) => Some(Edge::Offline(presence)),
            _ => Some(Edge::Changed(presence)),
        }
    }

    fn presence(&self, user_id: UserId, status: PresenceStatus) -> Presence {
        Presence { user_id, status, last_seen_at: Some(self.clock.now()) }
    }

    /// A person's turn. Two people may share a lane; that costs a moment.
    async fn turn(&self, user: UserId) -> sync::MutexGuard<'_, ()> {
        self.lanes[self.lane.hash_one(user) as usize % LANES].lock().await
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> (PresenceBoard, Clock, UserId) {
        let clock = Clock::default();
        (PresenceBoard::new(clock.clone(), None), clock, UserId::new_v7())
    }

    fn wait(clock: &Clock, seconds: i64) {
        clock.advance(chrono::Duration::seconds(seconds));
    }

    async fn gone(board: &PresenceBoard) -> Vec<(UserId, PresenceStatus)> {
        board.sweep().await.gone.into_iter().map(|presence| (presence.user_id, presence.status)).collect()
    }

    #[tokio::test]
    async fn only_the_first_socket_comes_and_only_the_last_one_goes() {
        let (board, clock, alice) = board();

        assert!(matches!(board.arrive(alice).await, Some(Edge::Online(_))));
        assert_eq!(board.arrive(alice).await, None);
        board.depart(alice);
        wait(&clock, 60);
        assert_eq!(gone(&board).await, []);
        board.depart(alice);
        wait(&clock, 4);
        assert_eq!(gone(&board).await, []);
        wait(&clock, 1);

        assert_eq!(gone(&board).await, [(alice, PresenceStatus::Online)]);
        assert_eq!(gone(&board).await, []);
    }

    #[tokio::test]
    async fn a_reconnect_within_the_grace_is_not_told() {
        let (board, clock, alice) = board();
        board.arrive(alice).await;
        board.depart(alice);
        wait(&clock, 4);

        assert_eq!(board.arrive(alice).await, None);
        wait(&clock, 60);

        assert_eq!(gone(&board).await, []);
        assert_eq!(board.connected_here([alice]), [alice]);
    }

    #[tokio::test]
    async fn what_somebody_chooses_to_seem_is_told_at_the_edges() {
        let (board, _, alice) = board();
        assert_eq!(board.choose(alice, PresenceStatus::Busy).await, None);
        board.arrive(alice).await;

        assert!(matches!(board.choose(alice, PresenceStatus::Busy).await, Some(Edge::Changed(_))));
        assert_eq!(board.choose(alice, PresenceStatus::Busy).await, None);
        assert!(matches!(board.choose(alice, PresenceStatus::Offline).await, Some(Edge::Offline(_))));
        assert_eq!(board.look_up(&[alice]).await, []);
        assert_eq!(board.arrive(alice).await, None);
        assert!(matches!(board.choose(alice, PresenceStatus::Away).await, Some(Edge::Online(_))));

        assert_eq!(board.look_up(&[alice]).await[0].status, PresenceStatus::Away);
    }

    #[tokio::test]
    async fn whoever_seems_offline_was_last_seen_when_they_chose_to() {
        let (board, clock, alice) = board();
        board.arrive(alice).await;
        let chosen_at = clock.now();
        board.choose(alice, PresenceStatus::Offline).await;
        wait(&clock, 600);
        board.depart(alice);
        wait(&clock, 6);

        let gone = board.sweep().await.gone;

        assert_eq!(gone[0].status, PresenceStatus::Offline);
        assert!(gone[0].last_seen_at.expect("seen") < chosen_at + chrono::Duration::seconds(60));
    }
}
