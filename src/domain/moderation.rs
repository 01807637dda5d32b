//! What people report, what operators do about it, and what is kept of that.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    clock::Time,
    error::Result,
    ids::{AuditId, ConversationId, MessageId, ReportId, UserId},
    text,
    user::Profile,
};

/// The role of those who may do more than others.
pub const OPERATOR: &str = "operator";
/// Characters of a reason.
pub const REASON_CHARACTERS: usize = 1_000;
/// Open reports that one person may have.
pub const OPEN_REPORTS: usize = 100;

/// Who does what only operators may.
#[derive(Clone, Copy, Debug)]
pub enum Actor {
    /// A person with the role.
    Operator(UserId),
    /// Whoever may run commands beside the server.
    CommandLine,
}

/// Who, or which message, is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// Somebody.
    Person(UserId),
    /// What somebody said.
    Message(ConversationId, MessageId),
}

/// How a report stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ReportState {
    /// Nobody decided yet.
    Open,
    /// Something was done about it.
    Resolved,
    /// Nothing needed to be done.
    Dismissed,
}

/// Somebody wants an operator to look.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub id: ReportId,
    /// Who wants it.
    pub reporter_id: UserId,
    /// At whom.
    pub user_id: UserId,
    /// Where it was said, for a message.
    pub conversation_id: Option<ConversationId>,
    /// What was said.
    pub message_id: Option<MessageId>,
    /// What the message said when it was reported; gone once the report is closed.
    pub words: Option<String>,
    /// Why.
    pub reason: String,
    /// How it stands.
    pub state: ReportState,
    /// Since when.
    pub created_at: Time,
    /// When it was closed.
    pub closed_at: Option<Time>,
    /// Who closed it.
    pub closed_by: Option<UserId>,
    /// What came of it.
    pub outcome: Option<String>,
}

/// Which reports to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportFilter {
    /// Of one state.
    pub state: Option<ReportState>,
    /// About one person.
    pub user_id: Option<UserId>,
}

/// What only operators may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AuditAction {
    /// Made an account.
    UserCreated,
    /// Replaced somebody's roles.
    RolesChanged,
    /// Kept somebody out.
    UserBanned,
    /// Let somebody in again.
    UserUnbanned,
    /// Made a token as somebody.
    TokenMade,
    /// Deleted what somebody said.
    MessageDeleted,
    /// Closed a report.
    ReportClosed,
}

/// One privileged act.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Which.
    pub id: AuditId,
    /// When.
    pub at: Time,
    /// Who; nobody where it was the command line.
    pub actor_id: Option<UserId>,
    /// What.
    pub action: AuditAction,
    /// To whom.
    pub user_id: Option<UserId>,
    /// Where.
    pub conversation_id: Option<ConversationId>,
    /// To which message.
    pub message_id: Option<MessageId>,
    /// About which report.
    pub report_id: Option<ReportId>,
    /// Why.
    pub reason: Option<String>,
    /// What else there is to know.
    pub details: Value,
}

/// Somebody, as operators see them.
#[derive(Clone, Debug)]
pub struct Account {
    /// What everybody sees.
    pub profile: Profile,
    /// Until when they are banned.
    pub banned_until: Option<Time>,
    /// When the account was deleted.
    pub deleted_at: Option<Time>,
}

impl Actor {
    /// The person, if it is one.
    pub fn user_id(self) -> Option<UserId> {
        match self {
            Self::Operator(user) => Some(user),
            Self::CommandLine => None,
        }
    }
}

impl AuditEntry {
    /// The beginning of an entry; who writes it says the rest.
    pub fn new(actor: Actor, action: AuditAction, at: Time) -> Self {
        Self {
            id: AuditId::new_v7(),
            at,
            actor_id: actor.user_id(),
            action,
            user_id: None,
            conversation_id: None,
            message_id: None,
            report_id: None,
            reason: None,
            details: Value::Object(serde_json::Map::new()),
        }
    }
}

/// Refuses a reason that says nothing, or too much.
pub fn check_reason(reason: &str) -> Result<()> {
    text::check_name("reason", reason, REASON_CHARACTERS)
}
