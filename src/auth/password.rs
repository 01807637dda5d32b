//! Passwords, hashed with argon2id on blocking threads, few at once, so that signing in never slows the talk down.

use std::sync::Arc;

use anyhow::Context as _;
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier},
};
use tokio::sync::Semaphore;

use crate::domain::error::{Error, Result};

/// OWASP's least for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What is verified for an account that is not there, so that it takes as long. No password fits it.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Y29sbG9xdXkgZHVtbXkgIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and verifies passwords, each on its own: however many come for the first time, who has been here gets in.
#[derive(Clone, Debug)]
pub struct Passwords {
    hashing: Desk,
    verifying: Desk,
}

/// Where one sort of work is done, and waited for.
#[derive(Clone, Debug)]
struct Desk {
    /// Taken by those who compute and those who wait for it.
    places: Arc<Semaphore>,
    /// Taken by those who compute.
    workers: Arc<Semaphore>,
}

impl Passwords {
    /// Hashes and verifies `at_once` of each at a time, lets `waiting` more of each wait, and turns away the rest.
    pub fn new(at_once: usize, waiting: usize) -> Self {
        Self { hashing: Desk::new(at_once, waiting), verifying: Desk::new(at_once, waiting) }
    }

    /// The hash of a new password, as a PHC string.
    pub async fn hash(&self, password: String) -> Result<String> {
        let work = move || {
            let hash = argon2()?.hash_password(password.as_bytes()).context("hash a password")?;
            Ok(hash.to_string())
        };
        self.hashing.compute(work).await
    }

    /// Whether the password fits the hash. Takes the same time where there is none.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let work = move || {
            let stored = hash.as_deref().unwrap_or(DUMMY_HASH);
            let fits = argon2()?.verify_password(password.as_bytes(), stored).is_ok();
            Ok(fits && hash.is_some())
        };
        self.verifying.compute(work).await
    }
}

impl Desk {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(at_once + waiting)), workers: Arc::new(Semaphore::new(at_once)) }
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Result<T> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(Error::Unavailable("Too many people are coming in at once; try again soon."));
        };
        let worker = Arc::clone(&self.workers).acquire_owned().await.context("wait to hash a password")?;
        let computed = tokio::task::spawn_blocking(move || {
            // Both travel with the work: who hangs up does not free the thread that still computes.
            let _held = (place, worker);
            work()
        });
        Ok(computed.await.context("hash a password")??)
    }
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_and_no_other() {
        let passwords = Passwords::new(1, 4);
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();

        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("battery staple".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn the_dummy_costs_what_a_real_hash_costs() {
        let real = Passwords::new(1, 0).hash("correct horse".to_owned()).await.unwrap();
        let (real, dummy) = (PasswordHash::new(&real).unwrap(), PasswordHash::new(DUMMY_HASH).unwrap());

        assert_eq!((real.algorithm, real.version, &real.params), (dummy.algorithm, dummy.version, &dummy.params));
        assert_eq!(real.salt.unwrap().len(), dummy.salt.unwrap().len());
        assert_eq!(real.hash.unwrap().len(), dummy.hash.unwrap().len());
    }

    #[tokio::test]
    async fn a_full_queue_turns_away_instead_of_growing() {
        let passwords = Passwords::new(1, 0);
        let place = passwords.hashing.places.try_acquire().unwrap();

        let refused = passwords.hash("correct horse".to_owned()).await;
        let verified = passwords.verify("correct horse".to_owned(), None).await;
        drop(place);

        assert!(matches!(refused, Err(Error::Unavailable(_))));
        assert!(verified.is_ok());
        assert!(passwords.hash("correct horse".to_owned()).await.is_ok());
    }
}
