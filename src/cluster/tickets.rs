//! One-use tickets for sockets: browsers can't send headers with a WebSocket, and a token has no place in a URL.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::Duration;
use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::link::Link;
use crate::domain::{
    clock::{Clock, Time},
    error::{AuthFailure, Error, Result},
    ids::{SessionId, UserId},
    user::Caller,
};

/// Seconds in which a ticket must be used.
const GOOD_FOR_SECONDS: u64 = 30;
/// Bytes of a ticket.
const TICKET_BYTES: usize = 24;

/// Tickets that were given out and not used yet.
#[derive(Debug)]
pub struct Tickets {
    clock: Clock,
    body: Body,
    here: Mutex<Here>,
}

/// Tickets that are good on this node alone.
#[derive(Debug, Default)]
struct Here {
    stubs: HashMap<String, Stub>,
    /// As they were given out, so that the late ones are in front.
    order: VecDeque<(Time, String)>,
}

/// Where tickets are kept. Without Redis they are good on the node that gave them out.
#[derive(Debug)]
enum Body {
    Local,
    Redis(Link),
}

/// What is kept of a ticket.
#[derive(Debug, Serialize, Deserialize)]
struct Stub {
    user_id: UserId,
    session_id: Option<SessionId>,
    expires_at: Time,
    roles: Vec<String>,
    until: Time,
}

impl Tickets {
    /// No tickets yet; with a link they are kept where all nodes find them.
    pub(super) fn new(clock: Clock, link: Option<Link>) -> Self {
        Self { clock, body: link.map_or(Body::Local, Body::Redis), here: Mutex::default() }
    }

    /// A ticket for somebody, and the seconds in which it must be used.
    pub async fn issue(&self, caller: &Caller) -> Result<(String, u64)> {
        let mut bytes = [0; TICKET_BYTES];
        SysRng.try_fill_bytes(&mut bytes).map_err(|error| Error::Internal(error.into()))?;
        let ticket = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let stub = Stub {
            user_id: caller.user_id,
            session_id: caller.session_id,
            expires_at: caller.expires_at,
            roles: caller.roles.clone(),
            until: self.clock.now() + Duration::seconds(GOOD_FOR_SECONDS as i64),
        };
        if !self.keep_for_all(&ticket, &stub).await {
            self.here().keep(ticket.clone(), stub, self.clock.now());
        }
        Ok((ticket, GOOD_FOR_SECONDS))
    }

    /// Whose ticket it is; nobody's from then on.
    pub async fn redeem(&self, ticket: &str) -> Result<Caller> {
        let here = self.here().stubs.remove(ticket);
        let stub = match here {
            Some(stub) => Some(stub),
            None => self.take_from_all(ticket).await,
        };
        let Some(Stub { user_id, session_id, expires_at, roles, .. }) =
            stub.filter(|stub| stub.until > self.clock.now())
        else {
            return Err(AuthFailure::InvalidTicket.into());
        };
        Ok(Caller { user_id, session_id, expires_at, roles })
    }

    /// Puts a ticket where all nodes find it; says whether there is such a place.
    async fn keep_for_all(&self, ticket: &str, stub: &Stub) -> bool {
        let Body::Redis(link) = &self.body else { return false };
        let Ok(stub) = serde_json::to_vec(stub) else { return false };
        let mut set = redis::pipe();
        set.cmd("SET").arg(key(ticket)).arg(stub).arg("EX").arg(GOOD_FOR_SECONDS).ignore();
        link.ask::<()>(&set).await.is_some()
    }

    async fn take_from_all(&self, ticket: &str) -> Option<Stub> {
        let Body::Redis(link) = &self.body else { return None };
        let mut take = redis::pipe();
        take.cmd("GETDEL").arg(key(ticket));
        let (stub,): (Option<Vec<u8>>,) = link.ask(&take).await?;
        serde_json::from_slice(&stub?).ok()
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Here {
    /// Keeps one more, and forgets those that are late.
    fn keep(&mut self, ticket: String, stub: Stub, now: Time) {
        while let Some((_, late)) = self.order.pop_front_if(|(until, _)| *until <= now) {
            self.stubs.remove(&late);
        }
        self.order.push_back((stub.until, ticket.clone()));
        self.stubs.insert(ticket, stub);
    }
}

/// Hashed, so that who can read Redis cannot use what is there.
fn key(ticket: &str) -> String {
    format!("colloquy:ticket:{{{}}}", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(ticket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(clock: &Clock) -> Caller {
        Caller { user_id: UserId::new_v7(), session_id: None, expires_at: clock.now(), roles: vec!["coach".to_owned()] }
    }

    #[tokio::test]
    async fn a_ticket_is_good_once_even_for_many_at_once() {
        let clock = Clock::default();
        let (tickets, alice) = (Tickets::new(clock.clone(), None), caller(&clock));
        let (ticket, seconds) = tickets.issue(&alice).await.expect("issued");

        let redeemed = futures_util::future::join_all((0..8).map(|_| tickets.redeem(&ticket))).await;

        assert_eq!(seconds, 30);
        let good: Vec<_> = redeemed.into_iter().flatten().collect();
        assert_eq!(good.len(), 1);
        assert_eq!((good[0].user_id, &good[0].roles), (alice.user_id, &alice.roles));
    }

    #[tokio::test]
    async fn a_late_or_invented_ticket_is_not_good() {
        let clock = Clock::default();
        let tickets = Tickets::new(clock.clone(), None);
        let (ticket, _) = tickets.issue(&caller(&clock)).await.expect("issued");

        clock.advance(Duration::seconds(31));

        tickets.issue(&caller(&clock)).await.expect("issued");
        let kept = |here: &Here| (here.stubs.len(), here.order.len());
        assert_eq!(kept(&tickets.here()), (1, 1), "the late one is forgotten");
        let refusals = [tickets.redeem(&ticket).await, tickets.redeem("invented").await];
        assert!(
            refusals.iter().all(|refusal| matches!(refusal, Err(Error::Unauthenticated(AuthFailure::InvalidTicket))))
        );
    }
}
