//! What tokens say, and how much of it is believed.

use std::str::FromStr as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Holder, HostPerson, ISSUER, Verified};
use crate::domain::{
    clock::{Time, within_reach},
    error::{AuthFailure, Result},
    ids::{SessionId, UserId},
    limits,
    session::CLOCK_SKEW,
    text,
    user::is_role,
};

/// No honest token is longer.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Bounds of what the host application says of a person.
const EXTERNAL_ID_CHARACTERS: usize = 255;
pub(super) const ROLES: usize = 50;

/// What must be known of a token before its signature can be checked.
pub(super) struct Outside {
    pub algorithm: Algorithm,
    pub key_id: Option<String>,
    pub is_ours: bool,
}

/// The claims of our tokens.
#[derive(Serialize, Deserialize)]
pub(super) struct OwnClaims {
    iss: String,
    sub: UserId,
    sid: SessionId,
    iat: f64,
    exp: f64,
}

/// The claims of the host application's tokens.
#[derive(Deserialize)]
pub(super) struct HostClaims {
    sub: String,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    aud: Option<Audience>,
    name: Option<String>,
    roles: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Outside {
    /// Reads the header, and of the claims whose token it says it is.
    pub fn read(token: &str) -> Result<Self, AuthFailure> {
        #[derive(Deserialize)]
        struct Head {
            alg: String,
            kid: Option<String>,
            crit: Option<Value>,
        }
        #[derive(Deserialize)]
        struct Issuer {
            #[serde(default)]
            iss: Value,
        }
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let [head, claims, _signature] = parts.as_slice() else { return Err(AuthFailure::InvalidToken) };
        if token.len() > MAX_BYTES {
            return Err(AuthFailure::InvalidToken);
        }
        let (head, issuer): (Head, Issuer) = (read_part(head)?, read_part(claims)?);
        // RFC 7515, 4.1.11: what must be understood and is not makes the token invalid.
        if head.crit.is_some() {
            return Err(AuthFailure::InvalidToken);
        }
        let algorithm = Algorithm::from_str(&head.alg).map_err(|_| AuthFailure::TokenAlgorithm)?;
        Ok(Self { algorithm, key_id: head.kid, is_ours: issuer.iss == ISSUER })
    }
}

impl OwnClaims {
    /// Claims of a token that is issued now.
    pub fn new(user_id: UserId, session_id: SessionId, now: Time, expires_at: Time) -> Self {
        let (iat, exp) = (to_numeric(now), to_numeric(expires_at));
        Self { iss: ISSUER.to_owned(), sub: user_id, sid: session_id, iat, exp }
    }

    /// Checks the times.
    pub fn verify(self, now: Time) -> Result<Verified, AuthFailure> {
        Ok(Verified {
            expires_at: check_expiry(self.exp, now)?,
            issued_at: from_numeric(self.iat)?,
            holder: Holder::Session(self.sub, self.sid),
        })
    }
}

impl HostClaims {
    /// Checks the times, the audience where one is set, and whether the person can be kept.
    pub fn verify(self, audience: Option<&str>, now: Time) -> Result<Verified, AuthFailure> {
        let expires_at = check_expiry(self.exp, now)?;
        let issued_at = self.iat.map_or(Ok(DateTime::UNIX_EPOCH), from_numeric)?;
        let issued_at = within_reach(issued_at).ok_or(AuthFailure::InvalidToken)?;
        let not_before = self.nbf.map_or(Ok(issued_at), from_numeric)?;
        if issued_at.max(not_before) > now + CLOCK_SKEW {
            return Err(AuthFailure::TokenNotYetValid);
        }
        if audience.is_some_and(|wanted| !self.aud.as_ref().is_some_and(|aud| aud.names(wanted))) {
            return Err(AuthFailure::WrongAudience);
        }
        Ok(Verified { expires_at, issued_at, holder: Holder::Host(self.into_person()?) })
    }

    fn into_person(self) -> Result<HostPerson, AuthFailure> {
        let is_bounded = (1..=EXTERNAL_ID_CHARACTERS).contains(&self.sub.chars().count())
            && self.roles.as_ref().is_none_or(|roles| roles.len() <= ROLES && roles.iter().all(|role| is_role(role)));
        let mut texts = std::iter::once(&self.sub).chain(&self.name).chain(self.roles.iter().flatten());
        // PostgreSQL keeps no U+0000.
        if !is_bounded || texts.any(|text| text.contains('\0')) {
            return Err(AuthFailure::InvalidToken);
        }
        let name = self.name.map(|name| text::preview(name.trim(), limits::NAME_CHARACTERS));
        let display_name = name.filter(|name| !name.is_empty());
        Ok(HostPerson { external_id: self.sub, display_name, roles: self.roles })
    }
}

impl Audience {
    fn names(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

fn read_part<T: DeserializeOwned>(part: &str) -> Result<T, AuthFailure> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthFailure::InvalidToken)?;
    serde_json::from_slice(&json).map_err(|_| AuthFailure::InvalidToken)
}

/// Until when a token holds, if that is not past. That its clock may be behind ours is granted to who comes with one that seems
/// to be over; whoever came before that has it until it is.
fn check_expiry(exp: f64, now: Time) -> Result<Time, AuthFailure> {
    let ends = from_numeric(exp)?;
    let ends_at_last = ends.checked_add_signed(CLOCK_SKEW).ok_or(AuthFailure::InvalidToken)?;
    if ends > now {
        Ok(ends)
    } else if ends_at_last > now {
        Ok(ends_at_last)
    } else {
        Err(AuthFailure::TokenExpired)
    }
}

/// Seconds with a fraction, as RFC 7519 has it: a revocation of the same second must not end what was issued after it.
fn to_numeric(time: Time) -> f64 {
    time.timestamp_micros() as f64 / 1e6
}

fn from_numeric(seconds: f64) -> Result<Time, AuthFailure> {
    DateTime::from_timestamp_micros((seconds * 1e6).round() as i64).ok_or(AuthFailure::InvalidToken)
}
