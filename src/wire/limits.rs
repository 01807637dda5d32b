//! How much of anything there may be, as `GET /limits` tells it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    attachment::AttachmentKind,
    limits::{self, Limit},
    policy::rules::Windows,
};

/// Every bound and rate of this server.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Limits)]
pub struct LimitsView {
    /// Characters (Unicode scalars) of a message's body.
    pub body_characters: usize,
    /// Bytes of a metadata object.
    pub metadata_bytes: usize,
    /// Characters of a name.
    pub name_characters: usize,
    /// Characters of a description.
    pub description_characters: usize,
    /// Members of one conversation.
    pub members: usize,
    /// People added in one call.
    pub added_at_once: usize,
    /// People mentioned in one message.
    pub mentions: usize,
    /// Conversations to which a message is forwarded in one call.
    pub forwarded_at_once: usize,
    /// Pinned messages of one conversation.
    pub pins: usize,
    /// Kinds of reaction to one message.
    pub reactions: usize,
    /// People named of those who chose one kind of reaction.
    pub reaction_users: usize,
    /// Files in one message.
    pub attachments: usize,
    /// Bytes of a file, by what it is and by your roles.
    pub attachment_bytes: AttachmentBytesView,
    /// Seconds for which an expiring message stays at most; at least 1.
    pub expires_in_seconds: i32,
    /// Messages of one person that are yet to be sent at their times.
    pub scheduled_messages: usize,
    /// Seconds from now within which a message can be scheduled.
    pub scheduled_ahead_seconds: i64,
    /// Bytes of a socket's text frame.
    pub frame_bytes: usize,
    /// Seconds for which you may edit a message; null for ever.
    pub edit_within_seconds: Option<i64>,
    /// Seconds for which you may delete a message for everyone; null for ever.
    pub delete_within_seconds: Option<i64>,
    /// How often you may do something, by your roles.
    pub rates: RatesView,
}

/// How many bytes a file may have.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AttachmentBytes)]
pub struct AttachmentBytesView {
    /// A picture, such as an avatar.
    pub image: u64,
    /// Moving pictures.
    pub video: u64,
    /// Sound.
    pub audio: u64,
    /// Sound that was spoken for its message.
    pub voice_note: u64,
    /// Anything else.
    pub file: u64,
}

/// How often something may be done; 0 means unlimited.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Rates)]
pub struct RatesView {
    /// Messages sent or scheduled, per person and minute.
    pub messages_per_minute: u32,
    /// Messages edited, per person and minute.
    pub edits_per_minute: u32,
    /// Reactions given, per person and minute.
    pub reactions_per_minute: u32,
    /// Settings (one's own too), members, pins and blocks changed, per person and minute.
    pub changes_per_minute: u32,
    /// Conversations made, per person and hour.
    pub conversations_per_hour: u32,
    /// Searches, per person and minute.
    pub searches_per_minute: u32,
    /// Attachments uploaded, per person and hour.
    pub uploads_per_hour: u32,
    /// Attempts to sign in, per account and minute, and per address and minute.
    pub logins_per_minute: u32,
    /// Accounts made, per address and minute.
    pub registrations_per_minute: u32,
}

impl LimitsView {
    /// The fixed bounds with somebody's quotas, the most bytes of their files, and windows.
    pub fn new(quota: impl Fn(Limit) -> u32, most: impl Fn(AttachmentKind) -> u64, windows: Windows) -> Self {
        Self {
            body_characters: limits::BODY_CHARACTERS,
            metadata_bytes: limits::METADATA_BYTES,
            name_characters: limits::NAME_CHARACTERS,
            description_characters: limits::DESCRIPTION_CHARACTERS,
            members: limits::MEMBERS,
            added_at_once: limits::ADDED_AT_ONCE,
            mentions: limits::MENTIONS,
            forwarded_at_once: limits::FORWARDED_AT_ONCE,
            pins: limits::PINS,
            reactions: limits::REACTIONS,
            reaction_users: limits::REACTION_USERS,
            attachments: limits::ATTACHMENTS,
            attachment_bytes: AttachmentBytesView {
                image: most(AttachmentKind::Image),
                video: most(AttachmentKind::Video),
                audio: most(AttachmentKind::Audio),
                voice_note: most(AttachmentKind::VoiceNote),
                file: most(AttachmentKind::File),
            },
            expires_in_seconds: limits::EXPIRES_IN_SECONDS,
            scheduled_messages: limits::SCHEDULED,
            scheduled_ahead_seconds: limits::SCHEDULED_AHEAD_SECONDS,
            frame_bytes: limits::FRAME_BYTES,
            edit_within_seconds: windows.edit.map(|window| window.num_seconds()),
            delete_within_seconds: windows.delete.map(|window| window.num_seconds()),
            rates: RatesView {
                messages_per_minute: quota(Limit::Messages),
                edits_per_minute: quota(Limit::Edits),
                reactions_per_minute: quota(Limit::Reactions),
                changes_per_minute: quota(Limit::Changes),
                conversations_per_hour: quota(Limit::Conversations),
                searches_per_minute: quota(Limit::Searches),
                uploads_per_hour: quota(Limit::Uploads),
                logins_per_minute: quota(Limit::Logins),
                registrations_per_minute: quota(Limit::Registrations),
            },
        }
    }
}
