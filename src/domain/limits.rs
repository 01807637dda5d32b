//! How much of anything there may be. `GET /limits` tells clients the same numbers.

use std::time::Duration;

/// Unicode scalars in a message's body.
pub const BODY_CHARACTERS: usize = 16_000;
/// Characters of a message's body that a reply to it shows.
pub const PREVIEW_CHARACTERS: usize = 140;
/// Bytes of JSON in a metadata object.
pub const METADATA_BYTES: usize = 4 * 1024;
/// Characters in the name of a conversation or a person.
pub const NAME_CHARACTERS: usize = 120;
/// Characters in the description of a conversation.
pub const DESCRIPTION_CHARACTERS: usize = 1_000;
/// Members of one conversation.
pub const MEMBERS: usize = 10_000;
/// People added to a conversation in one call.
pub const ADDED_AT_ONCE: usize = 100;
/// People mentioned in one message.
pub const MENTIONS: usize = 50;
/// Conversations to which a message is forwarded in one call.
pub const FORWARDED_AT_ONCE: usize = 20;
/// Pinned messages of one conversation.
pub const PINS: usize = 50;
/// Kinds of reaction to one message.
pub const REACTIONS: usize = 20;
/// People who are named of those who chose one kind of reaction.
pub const REACTION_USERS: usize = 50;
/// Bytes of a file, whatever settings and rules say.
pub const FILE_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// Files in one message.
pub const ATTACHMENTS: usize = 10;
/// Numbers in a waveform.
pub const WAVEFORM_BARS: usize = 100;
/// Files of one person that are announced and not there yet.
pub const UPLOADS: usize = 100;
/// Parts in which a file may come.
pub const UPLOAD_PARTS: usize = 5_000;
/// Characters in the name of a file.
pub const FILENAME_CHARACTERS: usize = 200;
/// Seconds for which a message stays at most, where it does not stay for good.
pub const EXPIRES_IN_SECONDS: i32 = 365 * 24 * 60 * 60;
/// Messages of one person that are yet to be sent at their times.
pub const SCHEDULED: usize = 100;
/// Seconds from now within which a message can be scheduled: a year.
pub const SCHEDULED_AHEAD_SECONDS: i64 = 365 * 24 * 60 * 60;
/// Bytes of a text frame on a socket.
pub const FRAME_BYTES: usize = 64 * 1024;
/// Members up to which all receipts travel with a conversation.
pub const RECEIPTS_MEMBERS: usize = 100;
/// Members that travel with a conversation.
pub const EMBEDDED_PARTICIPANTS: usize = 50;
/// Users or conversations named in one look-up.
pub const LOOKED_UP_AT_ONCE: usize = 100;

/// What is limited in time, per person or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Limit {
    /// Messages sent, a minute and person.
    Messages,
    /// Messages edited, a minute and person.
    Edits,
    /// Reactions given, a minute and person.
    Reactions,
    /// Settings (one's own too), members, pins and blocks changed, a minute and person.
    Changes,
    /// Conversations made, an hour and person.
    Conversations,
    /// Searches, a minute and person.
    Searches,
    /// Attachments uploaded, an hour and person.
    Uploads,
    /// Attempts to sign in, a minute and account, and a minute and address.
    Logins,
    /// Accounts made, a minute and address.
    Registrations,
}

impl Limit {
    /// Whether it is of people, so that the rules may set it by their roles; else it is of who has yet to say who they are.
    pub fn is_of_people(self) -> bool {
        !matches!(self, Self::Logins | Self::Registrations)
    }

    /// As settings, rules and clients call it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Messages => "messages_per_minute",
            Self::Edits => "edits_per_minute",
            Self::Reactions => "reactions_per_minute",
            Self::Changes => "changes_per_minute",
            Self::Conversations => "conversations_per_hour",
            Self::Searches => "searches_per_minute",
            Self::Uploads => "uploads_per_hour",
            Self::Logins => "logins_per_minute",
            Self::Registrations => "registrations_per_minute",
        }
    }

    /// In which time it is counted.
    pub fn period(self) -> Duration {
        match self {
            Self::Conversations | Self::Uploads => Duration::from_hours(1),
            Self::Messages
            | Self::Edits
            | Self::Reactions
            | Self::Changes
            | Self::Searches
            | Self::Logins
            | Self::Registrations => Duration::from_mins(1),
        }
    }
}
