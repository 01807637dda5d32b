//! Signed-in devices.

use chrono::TimeDelta;

use super::{clock::Time, ids::SessionId};

/// Clocks of two machines may differ by this much, so that a token may say that it is from a little later than it is.
pub const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// A signed-in device, as its owner sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// What it said of itself when it signed in.
    pub device: Option<String>,
    /// When it signed in.
    pub created_at: Time,
    /// When it was last heard of, to the minute.
    pub last_used_at: Time,
}

/// What is kept of a session's refresh tokens; `auth::refresh` knows what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshState {
    /// Of the mark that all of the session's tokens bear.
    pub mark_hash: Vec<u8>,
    /// Of the newest secret.
    pub refresh_hash: Vec<u8>,
    /// Of the one before, which stays good until the newest one is first used.
    pub previous_refresh_hash: Option<Vec<u8>>,
    /// The newest secret, masked by the one before.
    pub sealed_refresh: Option<Vec<u8>>,
}

/// Why a session, or all of a person's, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RevocationReason {
    /// The device signed out.
    Logout,
    /// The password was changed elsewhere.
    Password,
    /// Its owner ended it from elsewhere.
    Revoked,
    /// A spent refresh token was used: somebody has a copy.
    Reuse,
    /// The account was banned.
    Banned,
    /// The account was deleted.
    Deleted,
}
