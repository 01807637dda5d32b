//! How one person wants to see one conversation. Nobody else learns of it.

use serde::{Deserialize, Serialize};

use super::{clock::Time, error::Result, ids::ConversationId, limits, text};

/// What to be notified of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Notify {
    /// Every message.
    #[default]
    All,
    /// Only those that mention me.
    Mentions,
    /// Nothing.
    None,
}

/// One person's own settings of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Kept on top since.
    pub pinned_at: Option<Time>,
    /// Put away since.
    pub archived_at: Option<Time>,
    /// Silent until.
    pub muted_until: Option<Time>,
    /// What to be notified of.
    pub notify: Notify,
    /// What was typed and not sent yet.
    pub draft: Option<String>,
    /// Messages up to here were cleared by deleting the direct conversation for oneself.
    pub cleared_seq: i64,
}

/// Preferences with the conversation that they are about.
#[derive(Clone, Debug)]
pub struct ConversationPreferences {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// How to see it.
    pub preferences: Preferences,
}

/// A change. `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Clone, Debug, Default)]
pub struct PreferencesChange {
    /// On top or not.
    pub pinned: Option<bool>,
    /// Put away or not.
    pub archived: Option<bool>,
    /// Silent until.
    pub muted_until: Option<Option<Time>>,
    /// What to be notified of.
    pub notify: Option<Notify>,
    /// What was typed and not sent yet.
    pub draft: Option<Option<String>>,
}

impl PreferencesChange {
    /// Refuses a draft that could never be sent.
    pub fn check(&self) -> Result<()> {
        match &self.draft {
            Some(Some(draft)) => text::check_length("draft", draft, limits::BODY_CHARACTERS),
            _ => Ok(()),
        }
    }

    /// The preferences after this change.
    pub fn apply(&self, before: &Preferences, now: Time) -> Preferences {
        let since = |wanted: Option<bool>, before: Option<Time>| match wanted {
            None => before,
            Some(true) => before.or(Some(now)),
            Some(false) => None,
        };
        Preferences {
            pinned_at: since(self.pinned, before.pinned_at),
            archived_at: since(self.archived, before.archived_at),
            muted_until: self.muted_until.unwrap_or(before.muted_until),
            notify: self.notify.unwrap_or(before.notify),
            // Nothing typed is no draft.
            draft: self
                .draft
                .clone()
                .map_or_else(|| before.draft.clone(), |draft| draft.filter(|text| !text.is_empty())),
            cleared_seq: before.cleared_seq,
        }
    }
}
