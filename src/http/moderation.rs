//! REST for reporting, and for operators.

use actix_web::{delete, get, patch, post, put};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{self, Ctx, Json, Path, Query, Signed},
    idempotency::{self, Key},
    page::PageQuery,
};
use crate::{
    actions::{idempotency::Turn, moderation},
    domain::{
        ids::{ConversationId, MessageId, ReportId, UserId},
        moderation::{ReportFilter, ReportState},
    },
    wire::{
        json::List,
        messages::MessageView,
        moderation::{AccountView, AuditEntryView, BanUser, CloseReport, MakeReport, ReportView, SetRoles},
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(make_report)
        .service(list_reports)
        .service(close_report)
        .service(delete_any_message)
        .service(list_accounts)
        .service(set_roles)
        .service(ban_user)
        .service(unban_user)
        .service(read_audit_log);
}

/// Which reports to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReportsQuery {
    /// Of one state.
    state: Option<ReportState>,
    /// About one person.
    user_id: Option<UserId>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which people to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AccountsQuery {
    /// Those of one role.
    role: Option<String>,
    /// Those who are banned now.
    #[serde(default)]
    banned: bool,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Why something is done.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Why {
    /// A sentence for the audit log.
    #[serde(default)]
    #[param(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Report a message or a person.
///
/// A message that you can see, or anybody. Operators see it, and what the message said; nobody else does. The same again while it is open
/// is answered with 200, and without what the message said.
#[utoipa::path(tag = "rules", params(Key), request_body = MakeReport, responses(
    (status = 201, description = "It is reported.", body = ReportView),
    (status = 200, description = "You reported the same before, and it is still open.", body = ReportView)))]
#[post("/reports")]
async fn make_report(ctx: Ctx, Signed(caller): Signed, key: Key, Json(body): Json<MakeReport>) -> Outcome<ReportView> {
    let (asked, known_by) = (("report", body.clone()), (caller.user_id, key));
    let (here, reporter) = (ctx.clone(), caller.clone());
    let carry_out = async move |turn: Turn| {
        let (is_new, report) = moderation::report(&here, &reporter, body.reported()?, body.reason, &turn).await?;
        Ok((is_new, report.into()))
    };
    let again = async |made| Ok(moderation::own_report(&ctx, &caller, made).await?.into());
    idempotency::once(&ctx, known_by, &asked, carry_out, again).await
}

/// List reports.
///
/// Newest first. For operators; others are refused.
#[utoipa::path(tag = "admin", params(ReportsQuery), responses((status = 200, body = List<ReportView>)))]
#[get("/admin/reports")]
async fn list_reports(
    ctx: Ctx,
    Signed(caller): Signed,
    Query(query): Query<ReportsQuery>,
) -> Outcome<List<ReportView>> {
    let filter = ReportFilter { state: query.state, user_id: query.user_id };
    let limit = extract::limit(query.limit)?;
    Ok(Answer::Ok(moderation::reports(&ctx, &caller, filter, query.cursor.as_deref(), limit).await?.into()))
}

/// Close a report.
///
/// What the message said is kept no longer. A report that is closed already stays as it is. For operators.
#[utoipa::path(tag = "admin", request_body = CloseReport, responses((status = 200, body = ReportView)))]
#[patch("/admin/reports/{report_id}")]
async fn close_report(
    ctx: Ctx,
    Signed(caller): Signed,
    Path(id): Path<ReportId>,
    Json(body): Json<CloseReport>,
) -> Outcome<ReportView> {
    Ok(Answer::Ok(moderation::close_report(&ctx, &caller, id, body.state, body.reason).await?.into()))
}

/// Delete anybody's message for everyone.
///
/// Its members are told as of any deletion. For operators.
#[utoipa::path(tag = "admin", params(Why), responses((status = 200, body = MessageView)))]
#[delete("/admin/conversations/{conversation_id}/messages/{message_id}")]
async fn delete_any_message(
    ctx: Ctx,
    Signed(caller): Signed,
    Path((conversation, id)): Path<(ConversationId, MessageId)>,
    Query(why): Query<Why>,
) -> Outcome<MessageView> {
    Ok(Answer::Ok(moderation::delete_message(&ctx, &caller, conversation, id, why.reason).await?.into()))
}

/// List people.
///
/// Newest first, deleted ones too. For operators.
#[utoipa::path(tag = "admin", params(AccountsQuery), responses((status = 200, body = List<AccountView>)))]
#[get("/admin/users")]
async fn list_accounts(
    ctx: Ctx,
    Signed(caller): Signed,
    Query(query): Query<AccountsQuery>,
) -> Outcome<List<AccountView>> {
    let (which, limit) = ((query.role.as_deref(), query.banned), extract::limit(query.limit)?);
    Ok(Answer::Ok(moderation::users(&ctx, &caller, which, query.cursor.as_deref(), limit).await?.into()))
}

/// Replace somebody's roles.
///
/// The communication rules go by the new ones at once. For operators.
#[utoipa::path(tag = "admin", request_body = SetRoles, responses((status = 200, body = AccountView)))]
#[put("/admin/users/{user_id}/roles")]
async fn set_roles(
    ctx: Ctx,
    Signed(caller): Signed,
    Path(id): Path<UserId>,
    Json(body): Json<SetRoles>,
) -> Outcome<AccountView> {
    Ok(Answer::Ok(moderation::set_roles(&ctx, &caller, id, &body.roles, body.reason).await?.into()))
}

/// Ban somebody.
///
/// Their sessions end, and their sockets are closed within a second, on every node. For operators.
#[utoipa::path(tag = "admin", request_body = BanUser, responses((status = 200, body = AccountView)))]
#[put("/admin/users/{user_id}/ban")]
async fn ban_user(
    ctx: Ctx,
    Signed(caller): Signed,
    Path(id): Path<UserId>,
    Json(body): Json<BanUser>,
) -> Outcome<AccountView> {
    Ok(Answer::Ok(moderation::ban(&ctx, &caller, id, body.until, body.reason).await?.into()))
}

/// Let somebody in again.
///
/// For operators.
#[utoipa::path(tag = "admin", params(Why), responses((status = 204)))]
#[delete("/admin/users/{user_id}/ban")]
async fn unban_user(ctx: Ctx, Signed(caller): Signed, Path(id): Path<UserId>, Query(why): Query<Why>) -> Outcome<()> {
    moderation::unban(&ctx, &caller, id, Some(why.reason).filter(|reason| !reason.is_empty())).await?;
    Ok(Answer::NoContent)
}

/// Read the audit log.
///
/// Every privileged act, newest first, those of the command line too. For operators.
#[utoipa::path(tag = "admin", params(PageQuery), responses((status = 200, body = List<AuditEntryView>)))]
#[get("/admin/audit-log")]
async fn read_audit_log(
    ctx: Ctx,
    Signed(caller): Signed,
    Query(page): Query<PageQuery>,
) -> Outcome<List<AuditEntryView>> {
    Ok(Answer::Ok(moderation::audit_log(&ctx, &caller, page.cursor.as_deref(), page.limit()?).await?.into()))
}
