//! What rules would have said of what people did, with the roles and members of today.

use super::rules::{Place, Rules, Verdict};
use crate::domain::{
    attachment::AttachmentKind,
    clock::Time,
    conversation::ConversationKind,
    ids::{ConversationId, UserId},
};

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, sqlx::Type)]
#[strum(serialize_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Act {
    /// Opened a conversation.
    Opened,
    /// Came into a group later.
    Joined,
    /// Sent a message.
    Sent,
    /// Edited one.
    Edited,
}

/// Something that somebody did.
#[derive(Clone, Debug)]
pub struct Past {
    /// When.
    pub at: Time,
    /// What.
    pub act: Act,
    /// Who.
    pub user_id: UserId,
    /// What they are in the application.
    pub roles: Vec<String>,
    /// Where.
    pub conversation_id: ConversationId,
    /// Direct or group.
    pub kind: ConversationKind,
    /// Of the group.
    pub category: Option<String>,
    /// What the message says.
    pub body: Option<String>,
    /// What the message carries, with how many bytes.
    pub attached: Vec<(AttachmentKind, i64)>,
    /// Whether it says what another one said.
    pub is_forwarded: bool,
    /// When the message was sent that was edited.
    pub sent_at: Time,
}

impl Past {
    /// Whether these rules would have allowed it; `present` is what the people there are, each combination of roles once.
    pub fn judge<'a>(&self, rules: &'a Rules, present: &[Vec<String>]) -> Verdict<'a> {
        let category = self.category.as_deref();
        let missing: Vec<_> = rules.required(category).iter().filter(|role| !has(present, role)).cloned().collect();
        // Two who are the same are one combination.
        let peer = present.iter().find(|roles| **roles != self.roles).unwrap_or(&self.roles);
        let place = match self.kind {
            ConversationKind::Direct => Place::Direct(peer),
            ConversationKind::Group => Place::Group(category, &missing),
        };
        match (self.act, self.kind) {
            (Act::Opened, ConversationKind::Direct) => rules.may_open_direct(&self.roles, peer),
            (Act::Opened, ConversationKind::Group) => rules.may_make_group(category, &self.roles, present),
            (Act::Joined, _) => rules.may_be_in(category, &self.roles),
            (Act::Sent, _) => self.judge_sent(rules, place),
            (Act::Edited, _) => {
                rules.may_send(&self.roles, place, &[])?;
                rules.may_edit_since(self.sent_at, self.at)
            }
        }
    }

    fn judge_sent<'a>(&self, rules: &'a Rules, place: Place<'_>) -> Verdict<'a> {
        let kinds: Vec<_> = self.attached.iter().map(|(kind, _)| *kind).collect();
        let allowed = rules.may_send(&self.roles, place, &kinds)?;
        for (kind, bytes) in self.attached.iter().filter(|_| !self.is_forwarded) {
            rules.sizes.may_take(&self.roles, *kind, *bytes)?;
        }
        Ok(allowed)
    }
}

fn has(present: &[Vec<String>], role: &String) -> bool {
    present.iter().any(|roles| roles.contains(role))
}
