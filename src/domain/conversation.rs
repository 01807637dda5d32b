//! Conversations: direct or group, their settings, and how one is made or changed.

use serde::{Deserialize, Serialize};

use super::{
    clock::Time,
    error::{Error, Result},
    ids::{BlobId, ConversationId, UserId},
    limits,
    member::{Participant, Role},
    message::Message,
    policy::redaction::Redaction,
    preferences::Preferences,
    text,
};

/// Between two people for good, or among any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ConversationKind {
    /// Two people; one such conversation per pair.
    Direct,
    /// Any number of people, with roles.
    Group,
}

/// What somebody added later sees of what was said before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum HistoryRule {
    /// Everything.
    #[default]
    All,
    /// What came after they joined.
    FromJoining,
}

/// The part of a conversation that all its members share.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Ours.
    pub id: ConversationId,
    /// Direct or group.
    pub kind: ConversationKind,
    /// The application's word for what it is, such as `batch`.
    pub category: Option<String>,
    /// A group's name.
    pub name: Option<String>,
    /// What a group is about.
    pub description: Option<String>,
    /// A group's picture.
    pub avatar: Option<BlobId>,
    /// What later members see.
    pub history_for_new_members: HistoryRule,
    /// Whether plain members may pin.
    pub members_may_pin: bool,
    /// Seconds after which what is said from now on goes by itself.
    pub expires_in: Option<i32>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Time,
    /// When its settings or members last changed.
    pub updated_at: Time,
    /// The log's head.
    pub head_seq: i64,
    /// How many are in it now.
    pub participant_count: i32,
    /// All of them up to 50, else the first 50.
    pub participants: Vec<Participant>,
}

/// A conversation as one member sees it.
#[derive(Clone, Debug)]
pub struct OwnConversation {
    /// The shared part.
    pub shared: Conversation,
    /// The newest message that this member may see.
    pub last_message: Option<Message>,
    /// Messages of others above the read cursor.
    pub unread: i64,
    /// How many of those mention this member.
    pub mentions: i64,
    /// This member's own settings.
    pub preferences: Preferences,
    /// This member's role.
    pub my_role: Role,
    /// The place in the list, newest first.
    pub active_at: Time,
    /// Messages up to here are not for this member.
    pub floor_seq: i64,
}

/// What is asked for when a conversation is made.
#[derive(Clone, Debug)]
pub struct NewConversation {
    /// Direct or group.
    pub kind: ConversationKind,
    /// The others; the maker is in it anyway.
    pub participant_ids: Vec<UserId>,
    /// A group's name.
    pub name: Option<String>,
    /// What a group is about.
    pub description: Option<String>,
    /// The application's word for what it is.
    pub category: Option<String>,
    /// What later members see.
    pub history_for_new_members: HistoryRule,
    /// Whether plain members may pin.
    pub members_may_pin: bool,
    /// Seconds after which what is said goes by itself.
    pub expires_in: Option<i32>,
}

/// A change of a conversation's settings. `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Clone, Debug, Default)]
pub struct ConversationChange {
    /// The name.
    pub name: Option<Option<String>>,
    /// The description.
    pub description: Option<Option<String>>,
    /// The picture.
    pub avatar: Option<Option<BlobId>>,
    /// The category.
    pub category: Option<Option<String>>,
    /// What later members see.
    pub history_for_new_members: Option<HistoryRule>,
    /// Whether plain members may pin.
    pub members_may_pin: Option<bool>,
    /// Seconds after which what is said goes by itself.
    pub expires_in: Option<Option<i32>>,
}

/// Which of one's conversations to list.
#[derive(Clone, Debug, Default)]
pub struct ConversationFilter {
    /// Archived ones instead of the others.
    pub archived: bool,
    /// Of one kind.
    pub kind: Option<ConversationKind>,
    /// Of one category.
    pub category: Option<String>,
    /// With (or without) unread messages.
    pub unread: Option<bool>,
}

impl ConversationFilter {
    /// Whether it leaves nothing out but what is archived, or what is not.
    pub fn is_plain(&self) -> bool {
        self.kind.is_none() && self.category.is_none() && self.unread.is_none()
    }
}

impl NewConversation {
    /// The same without what is taken out of texts.
    #[must_use]
    pub fn redacted(self, redaction: &Redaction) -> Self {
        Self { name: redaction.option(self.name), description: redaction.option(self.description), ..self }
    }

    /// The others without the maker and without repetitions, if this can be made at all.
    pub fn check(&self, maker: UserId) -> Result<Vec<UserId>> {
        let mut others = self.participant_ids.clone();
        others.sort_unstable();
        others.dedup();
        others.retain(|user| *user != maker);
        if others.len() > limits::ADDED_AT_ONCE {
            let says = format!("At most {} people at once.", limits::ADDED_AT_ONCE);
            return Err(Error::field("participant_ids", "too_many", says));
        }
        check_settings(self.name.as_deref(), self.description.as_deref(), self.category.as_deref())?;
        text::check_lifetime(self.expires_in)?;
        match self.kind {
            ConversationKind::Direct if others.len() != 1 => Err(Error::field(
                "participant_ids",
                "not_one",
                "A direct conversation is with exactly one other person.",
            )),
            ConversationKind::Direct if self.name.is_some() => {
                Err(Error::field("name", "not_for_direct", "A direct conversation has no name."))
            }
            _ => Ok(others),
        }
    }
}

impl ConversationChange {
    /// The same without what is taken out of texts.
    #[must_use]
    pub fn redacted(self, redaction: &Redaction) -> Self {
        let redacted = |text: Option<Option<String>>| text.map(|text| redaction.option(text));
        Self { name: redacted(self.name), description: redacted(self.description), ..self }
    }

    /// Refuses settings that no conversation may have.
    pub fn check(&self) -> Result<()> {
        let given = |field: &Option<Option<String>>| field.clone().flatten();
        check_settings(
            given(&self.name).as_deref(),
            given(&self.description).as_deref(),
            given(&self.category).as_deref(),
        )?;
        text::check_lifetime(self.expires_in.flatten())
    }

    /// Whether it is only about how long what is said stays, which is for both in a direct conversation to say.
    pub fn is_only_of_lifetime(&self) -> bool {
        let Self { name, description, avatar, category, history_for_new_members, members_may_pin, expires_in: _ } =
            self;
        name.is_none()
            && description.is_none()
            && avatar.is_none()
            && category.is_none()
            && history_for_new_members.is_none()
            && members_may_pin.is_none()
    }
}

fn check_settings(name: Option<&str>, description: Option<&str>, category: Option<&str>) -> Result<()> {
    if let Some(name) = name {
        text::check_name("name", name, limits::NAME_CHARACTERS)?;
    }
    if let Some(description) = description {
        text::check_length("description", description, limits::DESCRIPTION_CHARACTERS)?;
    }
    if let Some(category) = category {
        text::check_name("category", category, limits::NAME_CHARACTERS)?;
    }
    Ok(())
}
