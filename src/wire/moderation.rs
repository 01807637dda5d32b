//! Reports, the audit log, and people as operators see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{json, users::UserView};
use crate::domain::{
    error::{Error, Result},
    ids::{AuditId, ConversationId, MessageId, ReportId, UserId},
    moderation::{Account, AuditAction, AuditEntry, Report, ReportState, Reported},
};

/// Asks an operator to look at a message or at a person.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"conversation_id": "2f1e…", "message_id": "0193…", "reason": "This is spam."}))]
pub struct MakeReport {
    /// Whom; not beside a message.
    pub user_id: Option<UserId>,
    /// Where the message is.
    pub conversation_id: Option<ConversationId>,
    /// Which message.
    pub message_id: Option<MessageId>,
    /// Why.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// A report.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Report)]
pub struct ReportView {
    /// Ours.
    pub id: ReportId,
    /// Who reported it.
    pub reporter_id: UserId,
    /// Who is reported, or wrote the message.
    pub user_id: UserId,
    /// Where the message is.
    pub conversation_id: Option<ConversationId>,
    /// Which message.
    pub message_id: Option<MessageId>,
    /// What the message said when it was reported; null once the report is closed.
    pub words: Option<String>,
    /// Why.
    pub reason: String,
    /// How it stands.
    pub state: ReportState,
    /// When it was made.
    #[serde(serialize_with = "json::time")]
    pub created_at: DateTime<Utc>,
    /// When it was closed.
    #[serde(serialize_with = "json::time_or_null")]
    pub closed_at: Option<DateTime<Utc>>,
    /// Who closed it.
    pub closed_by: Option<UserId>,
    /// What came of it.
    pub outcome: Option<String>,
}

/// Closes a report.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct CloseReport {
    /// `resolved` or `dismissed`.
    pub state: ReportState,
    /// What came of it.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// Keeps somebody out.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct BanUser {
    /// Until when; for good where it is not said.
    #[serde(default, deserialize_with = "json::moment")]
    pub until: Option<DateTime<Utc>>,
    /// Why.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// Replaces somebody's roles.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"roles": ["coach"], "reason": "Passed the course."}))]
pub struct SetRoles {
    /// All that the person has from now on.
    #[schema(max_items = 20)]
    pub roles: Vec<String>,
    /// Why.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// Somebody, as operators see them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    /// What everybody sees.
    #[serde(flatten)]
    pub user: UserView,
    /// Until when they are banned, if they ever were.
    #[serde(serialize_with = "json::time_or_null")]
    pub banned_until: Option<DateTime<Utc>>,
    /// When the account was deleted.
    #[serde(serialize_with = "json::time_or_null")]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// One privileged act.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntryView {
    /// Ours.
    pub id: AuditId,
    /// When.
    #[serde(serialize_with = "json::time")]
    pub at: DateTime<Utc>,
    /// Who; null is the command line.
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
    /// What else there is to know, such as the roles or the end of a ban.
    #[schema(value_type = Object)]
    pub details: Value,
}

impl MakeReport {
    /// What is reported.
    pub fn reported(&self) -> Result<Reported> {
        match (self.user_id, self.conversation_id, self.message_id) {
            (Some(user), None, None) => Ok(Reported::Person(user)),
            (None, Some(conversation), Some(message)) => Ok(Reported::Message(conversation, message)),
            _ => {
                let says = "Either `user_id`, or `conversation_id` and `message_id`.";
                Err(Error::field("user_id", "required", says))
            }
        }
    }
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        Self {
            id: report.id,
            reporter_id: report.reporter_id,
            user_id: report.user_id,
            conversation_id: report.conversation_id,
            message_id: report.message_id,
            words: report.words,
            reason: report.reason,
            state: report.state,
            created_at: report.created_at,
            closed_at: report.closed_at,
            closed_by: report.closed_by,
            outcome: report.outcome,
        }
    }
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        let Account { profile, banned_until, deleted_at } = account;
        Self { user: profile.into(), banned_until, deleted_at }
    }
}

impl From<AuditEntry> for AuditEntryView {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            actor_id: entry.actor_id,
            action: entry.action,
            user_id: entry.user_id,
            conversation_id: entry.conversation_id,
            message_id: entry.message_id,
            report_id: entry.report_id,
            reason: entry.reason,
            details: entry.details,
        }
    }
}
