//! Reporting, and what operators do about it. Every privileged act is written down in the transaction that does it.

use serde_json::json;
use sqlx::PgConnection;

use super::{
    Context, accounts,
    idempotency::Turn,
    messages::{delete, history},
};
use crate::{
    domain::{
        clock::Time,
        error::{Error, Reason, Result},
        ids::{ConversationId, MessageId, ReportId, UserId},
        message::{Message, MessageKind},
        moderation::{self, Account, Actor, AuditAction, AuditEntry, Report, ReportFilter, ReportState, Reported},
        page::Page,
        user::Caller,
    },
    store::{
        conversations,
        messages::{self, Reader},
        moderation as rows, users,
    },
};

/// Asks an operator to look at somebody, or at a message that the caller can see. Says whether it is new.
pub async fn report(
    ctx: &Context,
    caller: &Caller,
    reported: Reported,
    reason: String,
    turn: &Turn,
) -> Result<(bool, Report)> {
    moderation::check_reason(&reason)?;
    let mut tx = ctx.db.begin().await?;
    let (user_id, conversation_id, message) = match reported {
        Reported::Person(user) => {
            if users::roles(&mut *tx, &[user]).await?.is_empty() {
                return Err(Error::NotFound("user"));
            }
            (user, None, None)
        }
        Reported::Message(conversation, id) => {
            let (_, message) = history::visible(ctx, &mut tx, caller, conversation, id).await?;
            (message.sender_id, Some(conversation), Some(message))
        }
    };
    if user_id == caller.user_id {
        return Err(Error::field("user_id", "oneself", "Nobody can report themselves."));
    }
    let report = Report {
        id: ReportId::new_v7(),
        reporter_id: caller.user_id,
        user_id,
        conversation_id,
        message_id: message.as_ref().map(|message| message.id),
        words: message.and_then(|message| message.body),
        reason,
        state: ReportState::Open,
        created_at: ctx.clock.now(),
        closed_at: None,
        closed_by: None,
        outcome: None,
    };
    if !rows::insert(&mut tx, &report).await? {
        // An operator may have closed it in between.
        let earlier = rows::find_open(&mut tx, &report).await?.ok_or(Error::Unavailable("Try again."))?;
        turn.settle_found(ctx, caller, tx, &earlier.id).await?;
        return Ok((false, to_its_maker(earlier)));
    }
    if rows::count_open(&mut tx, caller.user_id).await? > moderation::OPEN_REPORTS as i64 {
        return Err(Error::LimitReached { what: "open reports of one person", most: moderation::OPEN_REPORTS });
    }
    turn.settle(&mut tx, true, &report.id).await?;
    ctx.commit(tx, Vec::new()).await?;
    Ok((true, to_its_maker(report)))
}

/// A report that the caller made.
pub async fn own_report(ctx: &Context, caller: &Caller, id: ReportId) -> Result<Report> {
    let found = rows::find(&mut *ctx.db.acquire().await?, id).await?;
    let own = found.filter(|report| report.reporter_id == caller.user_id);
    own.map(to_its_maker).ok_or(Error::NotFound("report"))
}

/// The message may have been deleted since it was reported, and what operators say of a report is for them.
fn to_its_maker(report: Report) -> Report {
    Report { words: None, closed_by: None, outcome: None, ..report }
}

/// Reports, newest first.
pub async fn reports(
    ctx: &Context,
    caller: &Caller,
    filter: ReportFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Report>> {
    let mut db = ctx.db.acquire().await?;
    require_operator(&mut db, caller).await?;
    let reports = rows::list(&mut db, filter, read(cursor)?, limit + 1).await?;
    Ok(Page::cut(reports, limit, |report| report.id.to_string()))
}

/// Closes a report, one way or the other.
pub async fn close_report(
    ctx: &Context,
    caller: &Caller,
    id: ReportId,
    state: ReportState,
    outcome: String,
) -> Result<Report> {
    moderation::check_reason(&outcome)?;
    if state == ReportState::Open {
        return Err(Error::field("state", "not_closed", "`resolved` or `dismissed`."));
    }
    let mut tx = ctx.db.begin().await?;
    let actor = require_operator(&mut tx, caller).await?;
    let before = rows::hold(&mut tx, id).await?.ok_or(Error::NotFound("report"))?;
    if before.state != ReportState::Open {
        return Ok(before);
    }
    let now = ctx.clock.now();
    let closed = Report {
        state,
        closed_at: Some(now),
        closed_by: actor.user_id(),
        outcome: Some(outcome),
        words: None,
        ..before
    };
    rows::close(&mut tx, &closed).await?;
    let entry = AuditEntry {
        user_id: Some(closed.user_id),
        conversation_id: closed.conversation_id,
        message_id: closed.message_id,
        report_id: Some(id),
        reason: closed.outcome.clone(),
        details: json!({"state": state}),
        ..AuditEntry::new(actor, AuditAction::ReportClosed, now)
    };
    rows::audit(&mut *tx, &entry).await?;
    ctx.commit(tx, Vec::new()).await?;
    Ok(closed)
}

/// Deletes what somebody said, for everyone.
pub async fn delete_message(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    id: MessageId,
    reason: String,
) -> Result<Message> {
    moderation::check_reason(&reason)?;
    let mut tx = ctx.db.begin().await?;
    // Nobody else may know whether there is such a conversation.
    let actor = operator(&mut tx, caller).await?.ok_or(Error::NotFound("conversation"))?;
    conversations::lock(&mut tx, &[conversation]).await?;
    let shared = conversations::shared(&mut tx, conversation).await?.ok_or(Error::NotFound("message"))?;
    let reader = Reader { conversation_id: conversation, user_id: caller.user_id, floor_seq: 0, now: ctx.clock.now() };
    let found = messages::by_id(&mut tx, reader, id).await?;
    let message = found.filter(|found| found.kind != MessageKind::System).ok_or(Error::NotFound("message"))?;
    if message.deleted_at.is_some() {
        return Ok(message);
    }
    let entry = AuditEntry {
        user_id: Some(message.sender_id),
        conversation_id: Some(conversation),
        message_id: Some(id),
        reason: Some(reason),
        ..AuditEntry::new(actor, AuditAction::MessageDeleted, ctx.clock.now())
    };
    rows::audit(&mut *tx, &entry).await?;
    delete::bury(ctx, tx, message, (shared.head_seq, reader.floor_seq)).await
}

/// People as operators see them, newest first: those of a role, those who are banned, or all.
pub async fn users(
    ctx: &Context,
    caller: &Caller,
    (role, is_banned): (Option<&str>, bool),
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Account>> {
    let mut db = ctx.db.acquire().await?;
    require_operator(&mut db, caller).await?;
    let banned_at = is_banned.then(|| ctx.clock.now());
    let people = rows::accounts(&mut *db, role, banned_at, read(cursor)?, limit + 1).await?;
    Ok(Page::cut(people, limit, |account| account.profile.id.to_string()))
}

/// Keeps somebody out, until a moment or for good.
pub async fn ban(ctx: &Context, caller: &Caller, user: UserId, until: Option<Time>, reason: String) -> Result<Account> {
    moderation::check_reason(&reason)?;
    let actor = require_operator(&mut *ctx.db.acquire().await?, caller).await?;
    if user == caller.user_id {
        return Err(Error::field("user_id", "oneself", "Nobody can ban themselves."));
    }
    if until.is_some_and(|until| until <= ctx.clock.now()) {
        return Err(Error::field("until", "in_the_past", "Must be in the future."));
    }
    accounts::ban(ctx, actor, user, until, Some(reason)).await?;
    account(ctx, user).await
}

/// Lets somebody in again.
pub async fn unban(ctx: &Context, caller: &Caller, user: UserId, reason: Option<String>) -> Result<()> {
    let actor = require_operator(&mut *ctx.db.acquire().await?, caller).await?;
    accounts::unban(ctx, actor, user, reason).await
}

/// Replaces somebody's roles.
pub async fn set_roles(
    ctx: &Context,
    caller: &Caller,
    user: UserId,
    roles: &[String],
    reason: Option<String>,
) -> Result<Account> {
    let actor = require_operator(&mut *ctx.db.acquire().await?, caller).await?;
    accounts::set_roles(ctx, actor, user, roles, reason).await?;
    account(ctx, user).await
}

async fn account(ctx: &Context, user: UserId) -> Result<Account> {
    rows::account(&ctx.db, user).await?.ok_or(Error::NotFound("user"))
}

/// What was done by those who may do more than others, newest first.
pub async fn audit_log(ctx: &Context, caller: &Caller, cursor: Option<&str>, limit: usize) -> Result<Page<AuditEntry>> {
    let mut db = ctx.db.acquire().await?;
    require_operator(&mut db, caller).await?;
    let entries = rows::audit_log(&mut *db, read(cursor)?, limit + 1).await?;
    Ok(Page::cut(entries, limit, |entry| entry.id.to_string()))
}

/// Whoever is no operator may do nothing here.
async fn require_operator(db: &mut PgConnection, caller: &Caller) -> Result<Actor> {
    operator(db, caller).await?.ok_or(Error::NotAllowed(Reason::NotAllowed))
}

/// The caller as an operator. Asked of the database, so that who was one a moment ago is none.
async fn operator(db: &mut PgConnection, caller: &Caller) -> Result<Option<Actor>> {
    let roles = users::roles(db, &[caller.user_id]).await?;
    let is_operator = roles.iter().any(|(_, roles)| roles.iter().any(|role| role == moderation::OPERATOR));
    Ok(is_operator.then_some(Actor::Operator(caller.user_id)))
}

fn read<T: std::str::FromStr>(cursor: Option<&str>) -> Result<Option<T>> {
    cursor.map(str::parse).transpose().map_err(|_| Error::Malformed("The cursor is not one of ours."))
}
