//! What tokens proved a moment ago, so that a busy client costs one look at the database a minute.
//!
//! Invariant: bounded; holds hashes of tokens, never tokens.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};

use crate::domain::{clock::Time, user::Caller};

/// How long a proof is taken on trust. Revocations are asked besides, so only roles and names may lag.
const KEPT_FOR: TimeDelta = TimeDelta::seconds(60);
/// Proofs of one generation; there are two.
const GENERATION: usize = 20_000;

/// Who a token proved to be.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The person.
    pub caller: Caller,
    /// When the token was issued.
    pub issued_at: Time,
}

/// The latest proofs, in two generations: when the younger one is full, the older one is forgotten.
#[derive(Debug, Default)]
pub struct Proofs {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<TokenHash, (Time, Proof)>,
    old: HashMap<TokenHash, (Time, Proof)>,
}

type TokenHash = [u8; 32];

impl Proofs {
    /// What this token proved less than a minute ago, if it has not ended since.
    pub fn recall(&self, token: &str, now: Time) -> Option<Proof> {
        let hash = hash(token);
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, proof) = generations.young.get(&hash).or_else(|| generations.old.get(&hash))?;
        (now < *until).then(|| proof.clone())
    }

    /// Keeps in mind what this token proved.
    pub fn remember(&self, token: &str, proof: Proof, now: Time) {
        let until = proof.caller.expires_at.min(now + KEPT_FOR);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(hash(token), (until, proof));
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use crate::domain::{clock::Clock, ids::UserId};

    use super::*;

    fn proof(expires_at: Time) -> Proof {
        let caller = Caller { user_id: UserId::new_v7(), session_id: None, expires_at, roles: Vec::new() };
        Proof { caller, issued_at: expires_at }
    }

    #[test]
    fn a_proof_is_recalled_for_a_minute_and_never_beyond_the_token() {
        let (proofs, now) = (Proofs::default(), Clock::default().now());
        proofs.remember("long", proof(now + TimeDelta::hours(1)), now);
        proofs.remember("short", proof(now + TimeDelta::seconds(5)), now);

        assert!(proofs.recall("long", now + TimeDelta::seconds(59)).is_some());
        assert!(proofs.recall("long", now + TimeDelta::seconds(60)).is_none());
        assert!(proofs.recall("short", now + TimeDelta::seconds(5)).is_none());
        assert!(proofs.recall("other", now).is_none());
    }

    #[test]
    fn proofs_do_not_pile_up() {
        let (proofs, now) = (Proofs::default(), Clock::default().now());
        let kept = proof(now + TimeDelta::hours(1));
        for token in 0..GENERATION * 3 {
            proofs.remember(&token.to_string(), kept.clone(), now);
        }

        let generations = proofs.generations.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
