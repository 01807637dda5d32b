//! Access tokens: issues ours, and tells who a presented one is, ours or the host application's.
//!
//! Invariant: a token that says it is ours is verified with our secret alone; any other never names one of our people by
//! our id, but by the host application's.

mod claims;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use self::claims::{HostClaims, Outside, OwnClaims};
use super::{
    jwks::Jwks,
    proofs::{Proof, Proofs},
};
use crate::domain::{
    clock::Time,
    error::{AuthFailure, Result},
    ids::{SessionId, UserId},
};

/// Who says so in our own tokens.
pub const ISSUER: &str = "colloquy";

/// What [`Tokens`] go by.
#[derive(Clone)]
pub struct TokenSettings {
    /// Signs our tokens, and the host application's where it publishes no keys (HS256).
    pub secret: Vec<u8>,
    /// Whom the host application's tokens must be meant for, if that matters.
    pub audience: Option<String>,
    /// How long one of ours is good.
    pub lifetime: Duration,
    /// Where the host application publishes its keys.
    pub jwks_url: Option<String>,
}

/// Issues and verifies access tokens.
#[derive(Debug)]
pub struct Tokens {
    signing: EncodingKey,
    secret: DecodingKey,
    audience: Option<String>,
    lifetime: Duration,
    jwks: Option<Jwks>,
    proofs: Proofs,
}

/// What a token says, its signature and times being right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub holder: Holder,
    /// When it was issued; the beginning of time where it does not say.
    pub issued_at: Time,
    /// From when on it is refused, the leeway for clocks included.
    pub expires_at: Time,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// One of ours: whether the session lives must still be seen.
    Session(UserId, SessionId),
    /// Somebody for whom the host application vouches.
    Host(HostPerson),
}

/// What the host application says of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPerson {
    /// The host application's id.
    pub external_id: String,
    /// The name to show, where it says one.
    pub display_name: Option<String>,
    /// The roles, where it says any.
    pub roles: Option<Vec<String>>,
}

impl Tokens {
    /// Tokens by these settings.
    pub fn new(settings: TokenSettings) -> anyhow::Result<Self> {
        Ok(Self {
            signing: EncodingKey::from_secret(&settings.secret),
            secret: DecodingKey::from_secret(&settings.secret),
            audience: settings.audience,
            lifetime: settings.lifetime,
            jwks: settings.jwks_url.as_deref().map(Jwks::new).transpose()?,
            proofs: Proofs::default(),
        })
    }

    /// How long our tokens are good, if nothing else is asked for.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// One of our tokens for a session, good for `lifetime` from now on.
    pub fn issue(&self, user_id: UserId, session_id: SessionId, now: Time, lifetime: Duration) -> Result<String> {
        let claims = OwnClaims::new(user_id, session_id, now, now + lifetime);
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing).context("sign a token")?)
    }

    /// What a token says, if whoever may say so signed it and it is good now.
    pub async fn verify(&self, token: &str, now: Time) -> Result<Verified> {
        let outside = Outside::read(token)?;
        if outside.is_ours {
            return Ok(self.own_claims(token, &outside)?.verify(now)?);
        }
        let claims = self.host_claims(token, &outside).await?;
        Ok(claims.verify(self.audience.as_deref(), now)?)
    }

    /// Keeps the host application's keys fresh until told to stop.
    pub async fn keep_keys_fresh(&self, stop: CancellationToken) {
        if let Some(jwks) = &self.jwks {
            jwks.keep_fresh(stop).await;
        }
    }

    /// What this token proved less than a minute ago.
    pub fn recall(&self, token: &str, now: Time) -> Option<Proof> {
        self.proofs.recall(token, now)
    }

    /// Keeps in mind what this token proved.
    pub fn remember(&self, token: &str, proof: Proof, now: Time) {
        self.proofs.remember(token, proof, now);
    }

    fn own_claims(&self, token: &str, outside: &Outside) -> Result<OwnClaims, AuthFailure> {
        if outside.algorithm != Algorithm::HS256 {
            return Err(AuthFailure::TokenAlgorithm);
        }
        decode(token, &self.secret, Algorithm::HS256)
    }

    async fn host_claims(&self, token: &str, outside: &Outside) -> Result<HostClaims> {
        let is_symmetric = outside.algorithm == Algorithm::HS256;
        let names_public_key = |jwks: &Jwks| outside.key_id.as_deref().is_some_and(|id| jwks.knows(id));
        match &self.jwks {
            // Not by our secret, where a public key is named: that is how algorithms are confused.
            Some(jwks) if !is_symmetric || names_public_key(jwks) => by_public_key(jwks, token, outside).await,
            _ if is_symmetric => Ok(decode(token, &self.secret, Algorithm::HS256)?),
            _ => Err(AuthFailure::TokenAlgorithm.into()),
        }
    }
}

async fn by_public_key(jwks: &Jwks, token: &str, outside: &Outside) -> Result<HostClaims> {
    let keys = jwks.find(outside.key_id.as_deref()).await?;
    if keys.is_empty() {
        return Err(AuthFailure::InvalidToken.into());
    }
    let mut failure = AuthFailure::TokenAlgorithm;
    for key in keys.iter().filter(|key| key.algorithms.contains(&outside.algorithm)) {
        match decode(token, &key.key, outside.algorithm) {
            Ok(claims) => return Ok(claims),
            Err(error) => failure = error,
        }
    }
    Err(failure.into())
}

/// The claims, if the signature is right. Times and audience are ours to check, by our own clock.
fn decode<T: DeserializeOwned>(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<T, AuthFailure> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let read = jsonwebtoken::decode(token, key, &validation).map_err(|_| AuthFailure::InvalidToken)?;
    Ok(read.claims)
}
