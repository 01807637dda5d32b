//! All SQL, and nothing else. Invariant: a function here answers one question or makes one change; it never
//! begins, commits or decides.
//!
//! Plain functions over a connection: the double of PostgreSQL, in tests too, is PostgreSQL.

/// A profile out of any row that has its columns; the id is given, for it is called differently here and there.
macro_rules! profile {
    ($id:expr, $row:ident) => {
        crate::domain::user::Profile {
            id: $id,
            external_id: $row.external_id,
            username: $row.username,
            display_name: $row.display_name,
            avatar: $row.avatar,
            metadata: $row.metadata,
            roles: $row.roles,
            created_at: $row.created_at,
        }
    };
}

/// One's settings of a conversation out of any row that has their columns.
macro_rules! preferences {
    ($row:ident) => {
        crate::domain::preferences::Preferences {
            pinned_at: $row.pinned_at,
            archived_at: $row.archived_at,
            muted_until: $row.muted_until,
            notify: $row.notify,
            draft: $row.draft,
            cleared_seq: $row.cleared_seq,
        }
    };
}

pub mod attachments;
pub mod audiences;
pub mod avatars;
pub mod blobs;
pub mod blocks;
pub mod changes;
pub mod contacts;
pub mod conversations;
pub mod erasures;
pub mod filling;
pub mod forsaken;
pub mod idempotency;
pub mod indexing;
pub mod links;
pub mod members;
pub mod messages;
pub mod moderation;
pub mod personal;
pub mod presence;
pub mod reactions;
pub mod reads;
pub mod receipts;
pub mod replay;
pub mod revocations;
pub mod scheduled;
pub mod search;
pub mod secrets;
pub mod sending;
pub mod sessions;
pub mod sync;
pub mod taking;
pub mod uploads;
pub mod users;

use crate::domain::error::{Error, Result};

/// Turns a broken constraint into what it means.
pub trait OnConstraint<T> {
    /// The meaning of breaking the constraint of this name.
    fn on_constraint(self, name: &str, meaning: Error) -> Result<T>;
}

impl<T> OnConstraint<T> for sqlx::Result<T> {
    fn on_constraint(self, name: &str, meaning: Error) -> Result<T> {
        self.map_err(|error| match error.as_database_error().and_then(|database| database.constraint()) {
            Some(broken) if broken == name => meaning,
            _ => error.into(),
        })
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_away(&error) {
            tracing::warn!(%error, "The database is away: {error}");
            return Self::Unavailable("The database is away; try again soon.");
        }
        Self::Internal(error.into())
    }
}

/// Whether the same transaction may well succeed when it is tried again at once.
pub fn is_worth_retrying(error: &sqlx::Error) -> bool {
    // serialization_failure and deadlock_detected
    matches!(sql_state(error).as_deref(), Some("40001" | "40P01"))
}

/// Whether the connection ended, be it that its server stopped.
pub fn is_lost(error: &sqlx::Error) -> bool {
    // admin_shutdown and crash_shutdown
    matches!(error, sqlx::Error::Io(_)) || matches!(sql_state(error).as_deref(), Some("57P01" | "57P02"))
}

/// Whether the database can't be reached, is starting, stopping or full, so that others fail alike.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => true,
        // Connection trouble, operator intervention, insufficient resources.
        _ => {
            sql_state(error).is_some_and(|state| ["08", "57", "53", "58"].iter().any(|class| state.starts_with(class)))
        }
    }
}

fn sql_state(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}
