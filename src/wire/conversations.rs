//! Conversations, members and one's own settings of them, as clients send and see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{json, messages::MessageView, users::UserView};
use crate::domain::{
    avatar,
    conversation::{Conversation, ConversationChange, ConversationKind, HistoryRule, NewConversation, OwnConversation},
    error::{Error, Result},
    ids::{ConversationId, UserId},
    limits,
    member::{Participant, Role},
    preferences::{ConversationPreferences, Notify, Preferences, PreferencesChange},
};

/// The part of a conversation that all its members share.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub struct ConversationView {
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
    /// Where a group's picture is, if there is one: a square of 256 pixels, with one of 64 beside it as `64.webp`. What
    /// is there never changes; a new picture has another path.
    pub avatar_url: Option<String>,
    /// What somebody added later sees of what was said before.
    pub history_for_new_members: HistoryRule,
    /// Whether plain members may pin.
    pub members_may_pin: bool,
    /// Seconds after which its messages go by themselves.
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub expires_in: Option<i32>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    #[serde(serialize_with = "json::time")]
    pub created_at: DateTime<Utc>,
    /// When its settings or members last changed.
    #[serde(serialize_with = "json::time")]
    pub updated_at: DateTime<Utc>,
    /// The head of its log.
    pub head_seq: i64,
    /// How many are in it.
    pub participant_count: i32,
    /// All of them up to 50, else the first 50.
    pub participants: Vec<ParticipantView>,
}

/// A conversation as one member sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OwnConversation)]
pub struct OwnConversationView {
    /// What all members share.
    #[serde(flatten)]
    pub shared: ConversationView,
    /// The newest message that you may see.
    pub last_message: Option<MessageView>,
    /// Messages of others above your read cursor.
    pub unread: i64,
    /// How many of those mention you.
    pub mentions: i64,
    /// Your own settings.
    pub preferences: PreferencesView,
    /// Your role.
    pub my_role: Role,
}

impl From<Conversation> for ConversationView {
    fn from(conversation: Conversation) -> Self {
        Self {
            id: conversation.id,
            kind: conversation.kind,
            category: conversation.category,
            name: conversation.name,
            description: conversation.description,
            avatar_url: conversation.avatar.map(|version| avatar::path(conversation.id.0, version)),
            history_for_new_members: conversation.history_for_new_members,
            members_may_pin: conversation.members_may_pin,
            expires_in: conversation.expires_in,
            created_by: conversation.created_by,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
            head_seq: conversation.head_seq,
            participant_count: conversation.participant_count,
            participants: conversation.participants.into_iter().map(ParticipantView::from).collect(),
        }
    }
}

impl From<OwnConversation> for OwnConversationView {
    fn from(own: OwnConversation) -> Self {
        Self {
            shared: own.shared.into(),
            last_message: own.last_message.map(MessageView::from),
            unread: own.unread,
            mentions: own.mentions,
            preferences: own.preferences.into(),
            my_role: own.my_role,
        }
    }
}

/// One person in one conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Participant)]
pub struct ParticipantView {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// Since when.
    #[serde(serialize_with = "json::time")]
    pub joined_at: DateTime<Utc>,
    /// Until when, for those who left.
    #[serde(serialize_with = "json::time_or_null")]
    pub left_at: Option<DateTime<Utc>>,
    /// The log's entry of the last change.
    pub changed_seq: i64,
    /// The person.
    pub user: UserView,
}

impl From<Participant> for ParticipantView {
    fn from(participant: Participant) -> Self {
        Self {
            conversation_id: participant.conversation_id,
            user_id: participant.user_id,
            role: participant.role,
            joined_at: participant.joined_at,
            left_at: participant.left_at,
            changed_seq: participant.changed_seq,
            user: participant.user.into(),
        }
    }
}

/// A conversation to open.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"kind": "group", "participant_ids": ["0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"], "name": "Saturday"}))]
pub struct OpenConversation {
    /// A direct one is found where it exists, and made where not.
    pub kind: ConversationKind,
    /// The others; you are in it anyway. One for a direct conversation, at most 100.
    #[serde(default, deserialize_with = "json::or_default")]
    #[schema(nullable, max_items = 100)]
    pub participant_ids: Vec<UserId>,
    /// A group's name: 1 to 120 characters.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 120)]
    pub name: Option<String>,
    /// What a group is about: at most 1,000 characters.
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// Your word for what it is.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 120)]
    pub category: Option<String>,
    /// What somebody added later sees of what was said before; `all` where absent.
    #[serde(default, deserialize_with = "json::or_default")]
    #[schema(nullable)]
    pub history_for_new_members: HistoryRule,
    /// Whether plain members may pin.
    #[serde(default, deserialize_with = "json::or_default")]
    #[schema(nullable)]
    pub members_may_pin: bool,
    /// Seconds after which what is said there goes by itself.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub expires_in: Option<i32>,
}

impl TryFrom<OpenConversation> for NewConversation {
    type Error = Error;

    fn try_from(open: OpenConversation) -> Result<Self> {
        Ok(Self {
            kind: open.kind,
            participant_ids: json::distinct("participant_ids", limits::ADDED_AT_ONCE, open.participant_ids)?,
            name: open.name,
            description: open.description,
            category: open.category,
            history_for_new_members: open.history_for_new_members,
            members_may_pin: open.members_may_pin,
            expires_in: open.expires_in,
        })
    }
}

/// A change of the settings; null clears, absent leaves.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Sunday"}))]
pub struct ChangeConversation {
    /// The name.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 120)]
    pub name: Option<Option<String>>,
    /// The description.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub description: Option<Option<String>>,
    /// The category.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 120)]
    pub category: Option<Option<String>>,
    /// What somebody added later sees.
    #[serde(default, deserialize_with = "json::patch_default")]
    pub history_for_new_members: Option<HistoryRule>,
    /// Whether plain members may pin.
    #[serde(default, deserialize_with = "json::patch_default")]
    pub members_may_pin: Option<bool>,
    /// Seconds after which what is said from now on goes by itself; in a direct conversation both may change it, and
    /// nothing else.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 31_536_000)]
    pub expires_in: Option<Option<i32>>,
}

impl From<ChangeConversation> for ConversationChange {
    fn from(change: ChangeConversation) -> Self {
        Self {
            name: change.name,
            description: change.description,
            avatar: None,
            category: change.category,
            history_for_new_members: change.history_for_new_members,
            members_may_pin: change.members_may_pin,
            expires_in: change.expires_in,
        }
    }
}

/// People to add.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AddParticipants {
    /// Who; at most 100.
    #[schema(min_items = 1, max_items = 100)]
    pub user_ids: Vec<UserId>,
    /// As what; `member` where absent.
    #[serde(default)]
    pub role: Option<Role>,
}

/// A new role.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ChangeParticipant {
    /// The role.
    pub role: Role,
}

/// One person's own settings of one conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Preferences)]
pub struct PreferencesView {
    /// Kept on top since.
    #[serde(serialize_with = "json::time_or_null")]
    pub pinned_at: Option<DateTime<Utc>>,
    /// Put away since; a new message ends that, unless the conversation is mute then.
    #[serde(serialize_with = "json::time_or_null")]
    pub archived_at: Option<DateTime<Utc>>,
    /// Silent until.
    #[serde(serialize_with = "json::time_or_null")]
    pub muted_until: Option<DateTime<Utc>>,
    /// What to be notified of.
    pub notify: Notify,
    /// What was typed and not sent yet. Sending leaves it to the device that typed it, which clears it.
    pub draft: Option<String>,
    /// Messages up to here were cleared by deleting the direct conversation for oneself.
    pub cleared_seq: i64,
}

impl From<Preferences> for PreferencesView {
    fn from(preferences: Preferences) -> Self {
        Self {
            pinned_at: preferences.pinned_at,
            archived_at: preferences.archived_at,
            muted_until: preferences.muted_until,
            notify: preferences.notify,
            draft: preferences.draft,
            cleared_seq: preferences.cleared_seq,
        }
    }
}

/// A change of one's own settings; null clears, absent leaves.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"pinned": true, "draft": null}))]
pub struct ChangePreferences {
    /// On top or not.
    #[serde(default, deserialize_with = "json::patch_default")]
    pub pinned: Option<bool>,
    /// Put away or not.
    #[serde(default, deserialize_with = "json::patch_default")]
    pub archived: Option<bool>,
    /// Silent until.
    #[serde(default, deserialize_with = "json::patch_moment")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub muted_until: Option<Option<DateTime<Utc>>>,
    /// What to be notified of.
    #[serde(default, deserialize_with = "json::patch_default")]
    pub notify: Option<Notify>,
    /// What was typed and not sent yet; empty clears it too.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<String>, max_length = 16000)]
    pub draft: Option<Option<String>>,
}

impl From<ChangePreferences> for PreferencesChange {
    fn from(change: ChangePreferences) -> Self {
        Self {
            pinned: change.pinned,
            archived: change.archived,
            muted_until: change.muted_until,
            notify: change.notify,
            draft: change.draft,
        }
    }
}

/// Preferences with the conversation that they are about.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ConversationPreferences)]
pub struct ConversationPreferencesView {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// How to see it.
    #[serde(flatten)]
    pub preferences: PreferencesView,
}

impl From<ConversationPreferences> for ConversationPreferencesView {
    fn from(own: ConversationPreferences) -> Self {
        Self { conversation_id: own.conversation_id, preferences: own.preferences.into() }
    }
}
