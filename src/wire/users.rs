//! People, as others and as they themselves see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::json;
use crate::domain::{
    avatar,
    error::{Error, Result},
    ids::UserId,
    user::{Block, Profile, ProfileChange, User},
};

/// A person, as everybody sees them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Ours.
    pub id: UserId,
    /// The host application's.
    pub external_id: Option<String>,
    /// The name to sign in with.
    pub username: Option<String>,
    /// The name to show.
    pub display_name: String,
    /// Where the picture is, if there is one: a square of 256 pixels, with one of 64 beside it as `64.webp`. What is
    /// there never changes; a new picture has another path.
    pub avatar_url: Option<String>,
    /// Whatever the application keeps with a person; at most 4 KiB.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// Roles of the application, and ours (`operator`).
    pub roles: Vec<String>,
    /// When the account was made.
    #[serde(serialize_with = "json::time")]
    pub created_at: DateTime<Utc>,
}

impl From<Profile> for UserView {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id,
            external_id: profile.external_id,
            username: profile.username,
            display_name: profile.display_name,
            avatar_url: profile.avatar.map(|version| avatar::path(profile.id.0, version)),
            metadata: profile.metadata,
            roles: profile.roles,
            created_at: profile.created_at,
        }
    }
}

/// A person, as they see themselves.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OwnUser)]
pub struct OwnUserView {
    /// What everybody sees.
    #[serde(flatten)]
    pub user: UserView,
    /// Another name to sign in with; nobody else sees it.
    #[schema(example = "ada@example.com")]
    pub email: Option<String>,
}

/// A person, as whoever asks may see them.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum SeenUserView {
    /// Who asks.
    Oneself(OwnUserView),
    /// Anybody else.
    Other(UserView),
}

/// Changes to one's own profile. What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"display_name": "Countess Lovelace", "metadata": {"pronouns": "she/her"}}))]
pub struct UpdateProfile {
    /// The name to show; it cannot be cleared.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 120)]
    pub display_name: Option<Option<String>>,
    /// Another name to sign in with; null clears it.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<String>, max_length = 254,
        pattern = r"^[^@\s\x00-\x1F\x7F-\x9F]+@([^@.\s\x00-\x1F\x7F-\x9F]+\.)+[^@.\s\x00-\x1F\x7F-\x9F]+$")]
    pub email: Option<Option<String>>,
    /// Replaces the metadata as a whole, at most 4 KiB; null empties it.
    #[serde(default, deserialize_with = "json::patch")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Option<Value>>,
}

/// Somebody whom one does not want to hear from.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Block)]
pub struct BlockView {
    /// Whom.
    pub user_id: UserId,
    /// Who that is.
    pub user: UserView,
    /// Since when.
    #[serde(serialize_with = "json::time")]
    pub created_at: DateTime<Utc>,
}

impl From<User> for OwnUserView {
    fn from(user: User) -> Self {
        let email = user.email;
        let profile = Profile {
            id: user.id,
            external_id: user.external_id,
            username: user.username,
            display_name: user.display_name,
            avatar: user.avatar,
            metadata: user.metadata,
            roles: user.roles,
            created_at: user.created_at,
        };
        Self { user: profile.into(), email }
    }
}

impl From<Block> for BlockView {
    fn from(block: Block) -> Self {
        Self { user_id: block.profile.id, user: block.profile.into(), created_at: block.created_at }
    }
}

impl UpdateProfile {
    /// The change as the rules have it.
    pub fn into_change(self) -> Result<ProfileChange> {
        let display_name = match self.display_name {
            Some(None) => return Err(Error::field("display_name", "required", "A name cannot be cleared.")),
            Some(name) => name,
            None => None,
        };
        let metadata = self.metadata.map(|metadata| metadata.unwrap_or_else(|| Value::Object(serde_json::Map::new())));
        Ok(ProfileChange { display_name, email: self.email, metadata })
    }
}
