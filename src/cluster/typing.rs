//! Who is typing where: ends by itself, and a client that repeats itself is not repeated to others.
//!
//! With several nodes each knows who types at the others, so that whoever sends from another node has stopped typing, and so that
//! the typing of a node that died ends too. Redis keeps nothing of it, and a send asks nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::relay::{Letter, Reach};
use crate::domain::{
    clock::Clock,
    ids::{ConversationId, SocketId, UserId},
};

/// After how long typing ends by itself.
const ENDS_AFTER: Duration = Duration::from_secs(6);
/// Others are told again at most so often.
const TOLD_EVERY: Duration = Duration::from_secs(3);
/// After how long the typing at another node ends by itself, if that node does not end it.
const ENDS_ELSEWHERE_AFTER: Duration = Duration::from_secs(11);

/// Who is typing, for those who tell of it.
#[derive(Debug)]
pub struct TypingBoard {
    typists: Arc<Typists>,
    reach: Reach,
}

/// Who is typing.
#[derive(Debug)]
pub struct Typists {
    clock: Clock,
    typing: Mutex<HashMap<(ConversationId, UserId), Typing>>,
}

#[derive(Debug)]
struct Typing {
    ends_at: Instant,
    told_at: Instant,
    /// The socket of this node on which it was said last; none where it was said at another node.
    socket: Option<SocketId>,
}

impl TypingBoard {
    pub(super) fn new(typists: Arc<Typists>, reach: Reach) -> Self {
        Self { typists, reach }
    }

    /// Somebody types on a socket; says whether others are to be told.
    pub fn start(&self, conversation: ConversationId, user: UserId, socket: SocketId) -> bool {
        let is_told = self.typists.start(conversation, user, socket);
        if is_told {
            self.reach.post(self.reach.pack(&Letter::Typing(conversation, user)));
        }
        is_told
    }

    /// Somebody stopped; says whether they were typing.
    pub fn stop(&self, conversation: ConversationId, user: UserId) -> bool {
        let was_typing = self.typists.typing().remove(&(conversation, user)).is_some();
        if was_typing {
            self.reach.post(self.reach.pack(&Letter::TypingStopped(conversation, user)));
        }
        was_typing
    }

    /// A socket looks away; says whether somebody was typing on it.
    pub fn look_away(&self, conversation: ConversationId, user: UserId, socket: SocketId) -> bool {
        let is_theirs = |typing: &Typing| typing.socket == Some(socket);
        self.typists.typing().get(&(conversation, user)).is_some_and(is_theirs) && self.stop(conversation, user)
    }

    /// A socket is gone; says where somebody was typing on it.
    pub fn leave(&self, socket: SocketId) -> Vec<(ConversationId, UserId)> {
        self.end(|_, typing| typing.socket == Some(socket))
    }

    /// Those who have not said for too long that they still are.
    pub fn take_ended(&self) -> Vec<(ConversationId, UserId)> {
        let now = self.typists.clock.instant();
        self.end(|_, typing| typing.ends_at <= now)
    }

    fn end(
        &self,
        mut is_over: impl FnMut(&(ConversationId, UserId), &Typing) -> bool,
    ) -> Vec<(ConversationId, UserId)> {
        let ended: Vec<_> =
            self.typists.typing().extract_if(|who, typing| is_over(who, typing)).map(|(who, _)| who).collect();
        for (conversation, user) in &ended {
            self.reach.post(self.reach.pack(&Letter::TypingStopped(*conversation, *user)));
        }
        ended
    }
}

impl Typists {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, typing: Mutex::default() }
    }

    /// Another node says that somebody types there.
    pub(super) fn hear(&self, conversation: ConversationId, user: UserId) {
        let now = self.clock.instant();
        let elsewhere = Typing { ends_at: now + ENDS_ELSEWHERE_AFTER, told_at: now, socket: None };
        let mut typing = self.typing();
        let entry = typing.entry((conversation, user)).or_insert(elsewhere);
        if entry.socket.is_none() {
            (entry.ends_at, entry.told_at) = (now + ENDS_ELSEWHERE_AFTER, now);
        }
    }

    /// Another node has told that somebody types no more.
    pub(super) fn unhear(&self, conversation: ConversationId, user: UserId) {
        self.typing().remove(&(conversation, user));
    }

    fn start(&self, conversation: ConversationId, user: UserId, socket: SocketId) -> bool {
        let now = self.clock.instant();
        let mut typing = self.typing();
        let known = typing.get(&(conversation, user)).map(|typing| typing.told_at);
        let told_at = known.filter(|told_at| now < *told_at + TOLD_EVERY);
        let entry = Typing { ends_at: now + ENDS_AFTER, told_at: told_at.unwrap_or(now), socket: Some(socket) };
        typing.insert((conversation, user), entry);
        told_at.is_none()
    }

    fn typing(&self) -> MutexGuard<'_, HashMap<(ConversationId, UserId), Typing>> {
        self.typing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: SocketId = SocketId(uuid::Uuid::from_u128(1));
    const DESK: SocketId = SocketId(uuid::Uuid::from_u128(2));

    fn board() -> (TypingBoard, Clock, ConversationId, UserId) {
        let clock = Clock::default();
        let board = TypingBoard::new(Arc::new(Typists::new(clock.clone())), Reach::Node);
        (board, clock, ConversationId::random(), UserId::new_v7())
    }

    fn wait(clock: &Clock, seconds: i64) {
        clock.advance(chrono::Duration::seconds(seconds));
    }

    #[test]
    fn typing_ends_by_itself_and_saying_it_again_prolongs_it() {
        let (board, clock, conversation, alice) = board();

        assert!(board.start(conversation, alice, PHONE));
        wait(&clock, 2);
        assert!(!board.start(conversation, alice, PHONE));
        wait(&clock, 5);
        assert_eq!(board.take_ended(), []);
        wait(&clock, 1);
        assert_eq!(board.take_ended(), [(conversation, alice)]);
        assert_eq!(board.take_ended(), []);
    }

    #[test]
    fn others_are_told_again_after_three_seconds() {
        let (board, clock, conversation, alice) = board();

        let told: Vec<_> = (0..7)
            .map(|_| {
                let told = board.start(conversation, alice, PHONE);
                wait(&clock, 1);
                told
            })
            .collect();

        assert_eq!(told, [true, false, false, true, false, false, true]);
    }

    #[test]
    fn whoever_stops_leaves_or_is_gone_types_no_more() {
        let (board, _, conversation, alice) = board();
        board.start(conversation, alice, PHONE);

        assert!(board.stop(conversation, alice));
        assert!(!board.stop(conversation, alice));
        board.start(conversation, alice, PHONE);

        assert_eq!(board.leave(PHONE), [(conversation, alice)]);
        assert_eq!(board.leave(PHONE), []);
    }

    #[test]
    fn the_end_of_another_socket_ends_no_typing() {
        let (board, _, conversation, alice) = board();
        board.start(conversation, alice, PHONE);
        board.start(conversation, alice, DESK);

        assert!(!board.look_away(conversation, alice, PHONE));
        assert_eq!(board.leave(PHONE), []);

        assert!(board.look_away(conversation, alice, DESK));
    }

    #[test]
    fn typing_at_another_node_ends_by_a_send_here_or_when_that_node_is_lost() {
        let (board, clock, conversation, alice) = board();
        board.typists.hear(conversation, alice);

        assert_eq!(board.leave(PHONE), []);
        assert!(board.stop(conversation, alice));
        board.typists.hear(conversation, alice);
        wait(&clock, 10);
        assert_eq!(board.take_ended(), []);
        wait(&clock, 1);

        assert_eq!(board.take_ended(), [(conversation, alice)]);
    }
}
