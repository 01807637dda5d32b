//! Signing in and out, as clients send and see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{json, users::OwnUserView};
use crate::domain::{ids::SessionId, session::Session};

/// What somebody new says of themselves.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "username": "ada",
    "password": "analytical engine",
    "display_name": "Ada Lovelace",
    "email": "ada@example.com",
}))]
pub struct Register {
    /// 3 to 32 of `a-z 0-9 _ . -`; capitals are kept, but compared without case.
    #[schema(min_length = 3, max_length = 32, pattern = "^[A-Za-z0-9_.-]+$")]
    pub username: String,
    /// 8 to 256 characters.
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: String,
    /// The name to show; the username where there is none.
    #[schema(min_length = 1, max_length = 120)]
    pub display_name: Option<String>,
    /// Another name to sign in with; nobody else sees it.
    #[schema(
        max_length = 254,
        pattern = r"^[^@\s\x00-\x1F\x7F-\x9F]+@([^@.\s\x00-\x1F\x7F-\x9F]+\.)+[^@.\s\x00-\x1F\x7F-\x9F]+$"
    )]
    pub email: Option<String>,
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"username": "ada", "password": "analytical engine"}))]
pub struct LogIn {
    /// The username or the e-mail address.
    pub username: String,
    /// The password.
    #[schema(format = Password)]
    pub password: String,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"refresh_token": "AaH9N0pqd-mS8Pm93f0Pyg5o1kXy0uGq0y0J8z8l4qk2sT7m"}))]
pub struct Refresh {
    /// The newest one; the one before is good until the newest one is first used.
    pub refresh_token: String,
}

/// A new password, and the old one as proof.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"current_password": "analytical engine", "new_password": "difference engine"}))]
pub struct ChangePassword {
    /// The one that is good now.
    #[schema(format = Password)]
    pub current_password: String,
    /// 8 to 256 characters.
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub new_password: String,
}

/// What somebody who signs in is given.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub struct SignedInView {
    /// Who.
    pub user: OwnUserView,
    /// To be sent as `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds for which the access token is good.
    #[schema(example = 900)]
    pub expires_in: u64,
    /// Buys the next access token.
    pub refresh_token: String,
    /// The session that began or goes on.
    pub session_id: SessionId,
}

/// A signed-in device.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Which.
    pub id: SessionId,
    /// What the device said of itself when it signed in.
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")]
    pub device: Option<String>,
    /// When it signed in.
    #[serde(serialize_with = "json::time")]
    pub created_at: DateTime<Utc>,
    /// When it was last heard of, to the minute.
    #[serde(serialize_with = "json::time")]
    pub last_used_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Opens one socket, once: `/api/v1/ws?ticket=…`.
#[derive(Serialize, ToSchema)]
#[schema(as = Ticket)]
pub struct TicketView {
    /// The ticket.
    pub ticket: String,
    /// Seconds in which it must be used.
    #[schema(example = 30)]
    pub expires_in: u64,
}

impl SessionView {
    /// The session as the bearer of `current` sees it.
    pub fn of(session: Session, current: Option<SessionId>) -> Self {
        Self {
            id: session.id,
            device: session.device,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            current: current == Some(session.id),
        }
    }
}
