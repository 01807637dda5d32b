//! Why a socket is closed: the code and the reason that its peer is given.

use std::{borrow::Cow, time::Duration};

use uuid::Uuid;

use crate::domain::error::{Error, Reason};

/// Within how long those come back who can't be served for now.
const RETURN_SPREAD: Duration = Duration::from_secs(5);

/// Why a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Nobody has anything more to say.
    Finished,
    /// The peer said goodbye, and is given its own code back.
    Answered(Option<u16>),
    /// The server is going away; its clients come back a little apart from one another.
    GoingAway {
        /// How long this one waits.
        reconnect_after: Duration,
    },
    /// The peer broke the protocol.
    Violated(Violation),
    /// A frame was no JSON object.
    NotAnObject,
    /// The peer did not prove who it is.
    Unauthenticated,
    /// The peer's token expired, and no fresh one came.
    TokenExpired,
    /// The person was banned, or the session was revoked.
    Ended,
    /// The peer reads more slowly than its conversations talk; it comes back and syncs.
    TooSlow,
    /// The peer sends more frames than anybody could mean.
    Flood,
    /// The peer has not been heard for two heartbeats; if it lives, it comes back.
    Silent,
}

impl Close {
    /// For one who can't be let in. Only who they are, or that they are banned, is held against them: whoever can't be served for
    /// now, since the database is away, comes back.
    pub fn refusing(error: &Error) -> Self {
        match error {
            Error::NotAllowed(Reason::Banned) => Self::Ended,
            Error::Unauthenticated(_) => Self::Unauthenticated,
            _ => Self::going_away_within(RETURN_SPREAD),
        }
    }

    /// For one of whom the server knows no place among the others: they come back within some time.
    pub fn going_away_within(spread: Duration) -> Self {
        let thousandths = (Uuid::new_v4().as_u128() % 1_000) as u32;
        Self::GoingAway { reconnect_after: spread * thousandths / 1_000 }
    }

    /// The code, if the peer is given one.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::Finished => Some(1000),
            Self::Answered(code) => code,
            Self::GoingAway { .. } | Self::Silent => Some(1001),
            Self::Violated(violation) => Some(violation.code()),
            Self::NotAnObject => Some(4000),
            Self::Unauthenticated | Self::TokenExpired => Some(4001),
            Self::Ended => Some(4003),
            Self::TooSlow => Some(4008),
            Self::Flood => Some(4009),
        }
    }

    /// The reason, in words for people or for the client's reconnecting.
    pub fn reason(self) -> Cow<'static, str> {
        match self {
            Self::Finished | Self::Answered(_) => "".into(),
            Self::GoingAway { reconnect_after } => format!("reconnect_after_ms={}", reconnect_after.as_millis()).into(),
            Self::Silent => "reconnect_after_ms=0".into(),
            Self::Violated(violation) => violation.to_string().into(),
            Self::NotAnObject => "A frame holds one JSON object.".into(),
            Self::Unauthenticated => "Credentials are required.".into(),
            Self::TokenExpired => "The token has expired.".into(),
            Self::Ended => "The session has been ended.".into(),
            Self::TooSlow => "Too slow; come back and sync.".into(),
            Self::Flood => "Too many frames.".into(),
        }
    }

    /// Whether what is queued is still sent before the close: not to one who takes too long or who lost the right.
    pub fn keeps_queue(self) -> bool {
        !matches!(self, Self::TooSlow | Self::Ended | Self::Silent)
    }
}

/// How a peer broke RFC 6455, or our narrower bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An extension's bit, and none was agreed on.
    #[error("A reserved bit is set.")]
    ReservedBits,
    /// An opcode that means nothing.
    #[error("The opcode is unknown.")]
    UnknownOpcode,
    /// A client masks all that it sends.
    #[error("The frame is not masked.")]
    Unmasked,
    /// A length beyond 63 bits.
    #[error("The length is not valid.")]
    BadLength,
    /// A control frame of more than 125 bytes or in fragments.
    #[error("The control frame is too long or fragmented.")]
    BadControlFrame,
    /// A close frame of one byte, or with a code that may not be sent.
    #[error("The close frame is not valid.")]
    BadCloseFrame,
    /// A continuation of nothing.
    #[error("There is nothing to continue.")]
    NothingToContinue,
    /// A new message within the fragments of another.
    #[error("The last message is not finished.")]
    Interleaved,
    /// A text or a reason that is not UTF-8.
    #[error("The text is not UTF-8.")]
    NotUtf8,
    /// More bytes than a message may have.
    #[error("The message is too big.")]
    TooBig,
    /// More fragments than a message may have.
    #[error("The message has too many fragments.")]
    TooManyFragments,
    /// A binary message.
    #[error("Only text is understood here.")]
    Binary,
}

impl Violation {
    /// The close code that says so.
    pub fn code(self) -> u16 {
        match self {
            Self::ReservedBits
            | Self::UnknownOpcode
            | Self::Unmasked
            | Self::BadLength
            | Self::BadControlFrame
            | Self::BadCloseFrame
            | Self::NothingToContinue
            | Self::Interleaved => 1002,
            Self::NotUtf8 => 1007,
            Self::TooManyFragments => 1008,
            Self::TooBig => 1009,
            Self::Binary => 4000,
        }
    }
}
