//! Every way in which Colloquy says no. Interfaces turn these into statuses and close codes; nobody else knows any.

use std::time::Duration;

use super::{attachment::AttachmentKind, limits::Limit, policy::rules::Denial};

/// The result of anything that may be refused.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal, with what a client needs to act on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller did not prove who they are.
    #[error("{0}")]
    Unauthenticated(AuthFailure),
    /// The caller may know that the thing exists, but may not do this.
    #[error("{0}")]
    NotAllowed(Reason),
    /// The communication rules of this server do not allow it.
    #[error("{0}")]
    AgainstRules(Denial),
    /// There is no such thing, or the caller may not know of it.
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    /// Somebody else has it already.
    #[error("This {0} is taken.")]
    Taken(&'static str),
    /// It clashes with how things are.
    #[error("{0}")]
    Conflict(Conflict),
    /// A bound is full.
    #[error("No more than {most} {what}.")]
    LimitReached {
        /// What is bounded, in the plural.
        what: &'static str,
        /// The bound.
        most: usize,
    },
    /// What was asked for is well formed, but not acceptable.
    #[error("The request is not valid.")]
    Invalid(Vec<FieldError>),
    /// A file is larger than it may be.
    #[error("A file{} may have at most {most} bytes.", of_kind(*kind))]
    TooLarge {
        /// What it is, where the bound is of that.
        kind: Option<AttachmentKind>,
        /// The bound.
        most: u64,
    },
    /// A file is of a type that is not taken, or not what it says it is.
    #[error("{0}")]
    UnsupportedFile(String),
    /// Bytes changed on their way.
    #[error("The bytes that came are not those that the checksum is of.")]
    ChecksumMismatch,
    /// The store of files is full; nothing was kept.
    #[error("There is no room for the file.")]
    StorageFull,
    /// A cursor, path or query that nobody could have been given.
    #[error("{0}")]
    Malformed(&'static str),
    /// Too much at once.
    #[error("Too many requests; try again in {} s.", whole_seconds(*retry_after))]
    SlowDown {
        /// The limit that was reached.
        limit: Limit,
        /// How many were allowed.
        quota: u32,
        /// When the next one will be.
        retry_after: Duration,
    },
    /// The server cannot take it now; nothing was done.
    #[error("{0}")]
    Unavailable(&'static str),
    /// A defect or a broken machine; the details are for the log alone.
    #[error("Something went wrong on our side.")]
    Internal(#[source] anyhow::Error),
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum AuthFailure {
    /// No credentials at all.
    #[error("Credentials are required.")]
    Unauthenticated,
    /// Wrong name or password.
    #[error("The username or the password is wrong.")]
    BadCredentials,
    /// Not a token, or its signature, algorithm or issuer is wrong.
    #[error("The token is not valid.")]
    InvalidToken,
    /// Past its end.
    #[error("The token has expired.")]
    TokenExpired,
    /// Before its beginning.
    #[error("The token is not valid yet.")]
    TokenNotYetValid,
    /// Meant for somebody else.
    #[error("The token is meant for another audience.")]
    WrongAudience,
    /// Signed with a key or an algorithm that is not accepted here.
    #[error("The token is signed in a way that is not accepted here.")]
    TokenAlgorithm,
    /// Logged out, or ended by the person or the server.
    #[error("The session has been ended.")]
    SessionRevoked,
    /// A refresh token that is not, or no longer, known.
    #[error("The refresh token is not valid.")]
    InvalidRefreshToken,
    /// A ticket that is used up, late, or made up.
    #[error("The ticket is not valid.")]
    InvalidTicket,
}

/// Why a caller may not do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// Says no more on purpose: a block is nobody else's business.
    #[error("This is not allowed.")]
    NotAllowed,
    /// The role in the conversation does not reach.
    #[error("Your role in this conversation does not allow this.")]
    InsufficientRole,
    /// Only who wrote it may.
    #[error("Only the author may do this.")]
    NotTheAuthor,
    /// The account is banned.
    #[error("This account is banned.")]
    Banned,
    /// The Origin header names a site that is not on the list.
    #[error("This origin is not allowed.")]
    OriginNotAllowed,
}

/// What it clashes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Conflict {
    /// The same id or key came with something else before.
    #[error("The same id or key was used for something else before.")]
    IdempotencyMismatch,
    /// The same Idempotency-Key is being worked on right now.
    #[error("A request with this Idempotency-Key is still being carried out.")]
    IdempotencyInProgress,
    /// A direct conversation's members and name do not change.
    #[error("A direct conversation's members and name are fixed.")]
    DirectIsFixed,
    /// The message was deleted for everyone.
    #[error("The message has been deleted.")]
    MessageDeleted,
    /// A forwarded message says what somebody else said.
    #[error("A forwarded message is a copy and can't be edited.")]
    ForwardIsFixed,
    /// The scheduled message was sent, failed or was cancelled.
    #[error("The scheduled message is not pending any more.")]
    NotPending,
    /// A message has the file.
    #[error("A message has this file; delete the message.")]
    AttachmentTaken,
    /// The upload is at another byte.
    #[error("The upload is not where these bytes begin; ask how far it is.")]
    WrongOffset,
    /// What was announced is there.
    #[error("The upload is complete; its attachment is there.")]
    UploadComplete,
    /// Nothing has come into the store of files yet.
    #[error("The file is not there yet; put it to the URL first.")]
    NotUploaded,
    /// The store of files takes nothing but from this server.
    #[error("The store of files takes nothing directly; upload to this server.")]
    Unsupported,
    /// They are in the conversation already.
    #[error("They are in the conversation already.")]
    AlreadyMember,
    /// A conversation needs an owner.
    #[error("The last owner cannot give up the role; make somebody else an owner first.")]
    LastOwner,
    /// The account signs in with the host application's tokens and has no password.
    #[error("This account has no password.")]
    NoPassword,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name, with dots into nested ones.
    pub field: String,
    /// A stable word.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Error {
    /// One field is not acceptable.
    pub fn field(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), code, message: message.into() }])
    }

    /// The stable word by which clients tell refusals apart.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(failure) => failure.into(),
            Self::NotAllowed(reason) => reason.into(),
            Self::AgainstRules(_) => "against_rules",
            Self::NotFound(_) => "not_found",
            Self::Taken("username") => "username_taken",
            Self::Taken("email") => "email_taken",
            Self::Taken(_) => "taken",
            Self::Conflict(conflict) => conflict.into(),
            Self::LimitReached { .. } => "limit_reached",
            Self::Invalid(_) => "validation_failed",
            Self::TooLarge { .. } => "payload_too_large",
            Self::UnsupportedFile(_) => "unsupported_media_type",
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::StorageFull => "storage_full",
            Self::Malformed(_) => "bad_request",
            Self::SlowDown { .. } => "rate_limited",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

/// Seconds, rounded up, so that who waits that long is let in.
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn of_kind(kind: Option<AttachmentKind>) -> String {
    kind.map(|kind| format!(" of the kind `{}`", <&str>::from(kind))).unwrap_or_default()
}

impl From<AuthFailure> for Error {
    fn from(failure: AuthFailure) -> Self {
        Self::Unauthenticated(failure)
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::NotAllowed(reason)
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        Self::AgainstRules(denial)
    }
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}
