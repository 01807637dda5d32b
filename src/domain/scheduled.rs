//! Messages to be sent later: what is planned, how a plan may be changed, and what becomes of it.

use chrono::{Duration, SubsecRound};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    clock::Time,
    error::{Error, Result},
    ids::{AttachmentId, ConversationId, MessageId, UserId},
    limits,
    location::Location,
    message::{Draft, MessageKind},
    policy::redaction::Redaction,
};

/// A time that has just passed is taken for now: clients' clocks differ, and requests take a while.
const SKEW: Duration = Duration::seconds(5);

/// What has become of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PlanState {
    /// Its time has not come.
    Pending,
    /// It was sent; the message bears its id.
    Sent,
    /// It was refused when its time had come.
    Failed,
    /// Its maker wants it no more.
    Cancelled,
}

/// Why a plan was refused when its time had come: the same words as if it had been sent by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlanError {
    /// The stable word by which refusals are told apart.
    #[schema(example = "not_allowed")]
    pub code: String,
    /// A sentence for people.
    #[schema(example = "This is not allowed.")]
    pub detail: String,
}

/// A message to be sent at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Who sends it.
    pub user_id: UserId,
    /// What is sent, and where.
    pub draft: Draft,
    /// When.
    pub scheduled_for: Time,
    /// What has become of it.
    pub state: PlanState,
    /// Why it failed.
    pub error: Option<PlanError>,
    /// What a retry is compared with.
    pub fingerprint: Vec<u8>,
}

/// A change of a plan. `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Clone, Debug, Default)]
pub struct PlanChange {
    /// When.
    pub scheduled_for: Option<Time>,
    /// What it is.
    pub kind: Option<MessageKind>,
    /// The words.
    pub body: Option<Option<String>>,
    /// The files, without repetitions.
    pub attachment_ids: Option<Vec<AttachmentId>>,
    /// Whatever the application keeps with it.
    pub metadata: Option<Option<Value>>,
    /// The place.
    pub location: Option<Option<Location>>,
    /// The message it answers.
    pub reply_to: Option<Option<MessageId>>,
    /// Who is mentioned, without repetitions.
    pub mentions: Option<Vec<UserId>>,
    /// Whether everybody in the conversation is.
    pub mentions_all: Option<bool>,
    /// Seconds after which it goes by itself, once it is sent.
    pub expires_in: Option<Option<i32>>,
}

/// Which of one's plans to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanFilter {
    /// Of which only this has become.
    pub state: Option<PlanState>,
    /// For one conversation.
    pub conversation_id: Option<ConversationId>,
}

impl Plan {
    /// A new plan.
    pub fn new(user_id: UserId, draft: Draft, scheduled_for: Time) -> Self {
        // As PostgreSQL keeps it.
        let scheduled_for = scheduled_for.trunc_subsecs(6);
        let at = scheduled_for.timestamp_micros().to_be_bytes();
        let fingerprint = [draft.conversation_id.0.as_bytes(), draft.fingerprint().as_slice(), &at].concat();
        Self { user_id, draft, scheduled_for, state: PlanState::Pending, error: None, fingerprint }
    }

    /// The same without what is taken out of texts; a retry is still compared with what was asked for.
    #[must_use]
    pub fn redacted(self, redaction: &Redaction) -> Self {
        Self { draft: self.draft.redacted(redaction), ..self }
    }

    /// The plan after its maker changed it.
    #[must_use]
    pub fn changed(&self, change: PlanChange) -> Self {
        let before = self.draft.clone();
        let draft = Draft {
            id: before.id,
            conversation_id: before.conversation_id,
            kind: change.kind.unwrap_or(before.kind),
            body: change.body.unwrap_or(before.body),
            attachment_ids: change.attachment_ids.unwrap_or(before.attachment_ids),
            metadata: change.metadata.unwrap_or(before.metadata),
            location: change.location.unwrap_or(before.location),
            reply_to: change.reply_to.unwrap_or(before.reply_to),
            mentions: change.mentions.unwrap_or(before.mentions),
            mentions_all: change.mentions_all.unwrap_or(before.mentions_all),
            forwarded_from: before.forwarded_from,
            expires_in: change.expires_in.unwrap_or(before.expires_in),
        };
        let scheduled_for = change.scheduled_for.map_or(self.scheduled_for, |time| time.trunc_subsecs(6));
        Self { draft, scheduled_for, ..self.clone() }
    }

    /// The plan without what its message said, which is deleted.
    #[must_use]
    pub fn forgotten(self) -> Self {
        let draft = Draft {
            body: None,
            attachment_ids: Vec::new(),
            metadata: None,
            location: None,
            mentions: Vec::new(),
            mentions_all: false,
            ..self.draft
        };
        Self { draft, ..self }
    }

    /// The plan once it was tried to send its message; nothing where it must be tried again.
    pub fn settled<T>(&self, outcome: &Result<T>) -> Option<Self> {
        let (state, error) = match outcome {
            Ok(_) => (PlanState::Sent, None),
            Err(Error::Unavailable(_) | Error::SlowDown { .. }) => return None,
            Err(error) => (PlanState::Failed, Some(PlanError::of(error))),
        };
        Some(Self { state, error, ..self.clone() })
    }
}

impl PlanError {
    fn of(error: &Error) -> Self {
        let detail = match error {
            Error::Invalid(fields) if !fields.is_empty() => {
                fields.iter().map(|field| field.message.as_str()).collect::<Vec<_>>().join(" ")
            }
            _ => error.to_string(),
        };
        Self { code: error.code().to_owned(), detail }
    }
}

/// Refuses times that have passed, or that are more than a year away.
pub fn check_time(time: Time, now: Time) -> Result<()> {
    if time < now - SKEW {
        return Err(Error::field("scheduled_for", "in_the_past", "Must not be in the past."));
    }
    if time > now + Duration::seconds(limits::SCHEDULED_AHEAD_SECONDS) {
        return Err(Error::field("scheduled_for", "too_late", "Must be within a year."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{clock::Clock, error::Conflict};

    #[test]
    fn a_time_is_from_now_on_and_within_a_year() {
        let now = Clock::default().now();

        for (seconds, fits) in
            [(-3_600, false), (-6, false), (-5, true), (0, true), (365 * 86_400, true), (365 * 86_400 + 1, false)]
        {
            assert_eq!(check_time(now + Duration::seconds(seconds), now).is_ok(), fits, "{seconds}");
        }
    }

    #[test]
    fn what_is_only_away_for_a_while_settles_nothing() {
        let draft = Draft {
            id: MessageId::new_v7(),
            conversation_id: ConversationId::random(),
            kind: MessageKind::Text,
            body: Some("Later".to_owned()),
            attachment_ids: Vec::new(),
            metadata: None,
            location: None,
            reply_to: None,
            mentions: Vec::new(),
            mentions_all: false,
            forwarded_from: None,
            expires_in: None,
        };
        let plan = Plan::new(UserId::new_v7(), draft, Clock::default().now());
        let settled = |outcome: Result<()>| plan.settled(&outcome).map(|plan| plan.state);

        assert_eq!(settled(Err(Error::Unavailable("The database is away."))), None);
        assert_eq!(settled(Ok(())), Some(PlanState::Sent));
        assert_eq!(settled(Err(Conflict::IdempotencyMismatch.into())), Some(PlanState::Failed));
    }
}
