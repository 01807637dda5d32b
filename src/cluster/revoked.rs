//! Sessions and people whose tokens are void although they have not expired.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::domain::{
    clock::Time,
    event::Revocation,
    ids::{SessionId, UserId},
    session::CLOCK_SKEW,
};

/// What was revoked and may still be borne by a token.
#[derive(Debug, Default)]
pub struct Revoked {
    ended: Mutex<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    sessions: HashMap<SessionId, Time>,
    /// Tokens issued up to then are void.
    people: HashMap<UserId, Time>,
}

impl Revoked {
    /// Whether a token that was issued then may be void. Whoever is told so asks the database.
    pub fn contains(&self, user: UserId, session: Option<SessionId>, issued_at: Time) -> bool {
        let ended = self.ended();
        session.is_some_and(|session| ended.sessions.contains_key(&session))
            || ended.people.get(&user).is_some_and(|at| issued_at <= *at + CLOCK_SKEW)
    }

    /// Takes note of a revocation; says whether it is news.
    pub fn add(&self, revocation: Revocation, at: Time) -> bool {
        let mut ended = self.ended();
        if let Some(session) = revocation.session_id {
            return ended.sessions.insert(session, at).is_none();
        }
        let is_news = ended.people.get(&revocation.user_id).is_none_or(|before| *before < at);
        if is_news {
            ended.people.insert(revocation.user_id, at);
        }
        is_news
    }

    /// Forgets what no token outlives any more.
    pub fn forget(&self, before: Time) {
        let mut ended = self.ended();
        ended.sessions.retain(|_, at| *at >= before);
        ended.people.retain(|_, at| *at >= before);
    }

    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;
    use crate::domain::clock::Clock;

    #[test]
    fn a_revoked_session_is_void_and_its_persons_other_sessions_are_not() {
        let (revoked, now) = (Revoked::default(), Clock::default().now());
        let (alice, phone, desk) = (UserId::new_v7(), SessionId::new_v7(), SessionId::new_v7());

        assert!(revoked.add(Revocation { user_id: alice, session_id: Some(phone) }, now));
        assert!(!revoked.add(Revocation { user_id: alice, session_id: Some(phone) }, now));

        assert!(revoked.contains(alice, Some(phone), now + Duration::minutes(1)));
        assert!(!revoked.contains(alice, Some(desk), now));
        assert!(!revoked.contains(alice, None, now));
    }

    #[test]
    fn a_revoked_persons_earlier_tokens_are_void_and_later_ones_are_not() {
        let (revoked, now) = (Revoked::default(), Clock::default().now());
        let alice = UserId::new_v7();
        let all = Revocation { user_id: alice, session_id: None };

        assert!(revoked.add(all, now));
        // A revocation that is heard of late changes nothing.
        assert!(!revoked.add(all, now - Duration::minutes(1)));

        assert!(revoked.contains(alice, None, now));
        assert!(revoked.contains(alice, Some(SessionId::new_v7()), now - Duration::seconds(1)));
        // The clock of whoever issued it may be ahead.
        assert!(revoked.contains(alice, None, now + CLOCK_SKEW));
        assert!(!revoked.contains(alice, None, now + CLOCK_SKEW + Duration::seconds(1)));
    }

    #[test]
    fn what_no_token_outlives_is_forgotten() {
        let (revoked, now) = (Revoked::default(), Clock::default().now());
        let alice = UserId::new_v7();
        revoked.add(Revocation { user_id: alice, session_id: None }, now);

        revoked.forget(now);
        assert!(revoked.contains(alice, None, now));
        revoked.forget(now + Duration::seconds(1));

        assert!(!revoked.contains(alice, None, now));
    }
}
