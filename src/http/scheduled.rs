//! REST for messages to be sent later.

use actix_web::{delete, get, patch};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{self, Ctx, Json, Path, Query, Signed},
};
use crate::{
    actions::scheduled,
    domain::{
        ids::{ConversationId, MessageId},
        scheduled::{PlanFilter, PlanState},
    },
    wire::{
        json::List,
        scheduled::{ChangePlan, PlanView},
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(list_scheduled).service(change_scheduled).service(cancel_scheduled);
}

/// Which of one's plans to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Of which only this has become.
    state: Option<PlanState>,
    /// For one conversation.
    conversation_id: Option<ConversationId>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the messages that you scheduled.
///
/// By their times, whatever became of them. What was sent has no words any more once its message is deleted for everyone.
#[utoipa::path(tag = "scheduled", params(ListQuery), responses((status = 200, body = List<PlanView>)))]
#[get("/scheduled-messages")]
async fn list_scheduled(ctx: Ctx, caller: Signed, query: Query<ListQuery>) -> Outcome<List<PlanView>> {
    let Query(query) = query;
    let filter = PlanFilter { state: query.state, conversation_id: query.conversation_id };
    let limit = extract::limit(query.limit)?;
    let page = scheduled::list(&ctx, &caller.0, filter, query.cursor.as_deref(), limit).await?;
    Ok(Answer::Ok(page.into()))
}

/// Change a message that you scheduled.
///
/// What is to be sent, or when, as long as it is pending. Null clears a field, absent leaves it.
#[utoipa::path(tag = "scheduled", request_body = ChangePlan, responses((status = 200, body = PlanView)))]
#[patch("/scheduled-messages/{message_id}")]
async fn change_scheduled(ctx: Ctx, caller: Signed, id: Path<MessageId>, body: Json<ChangePlan>) -> Outcome<PlanView> {
    Ok(Answer::Ok(scheduled::change(&ctx, &caller.0, id.0, body.0.try_into()?).await?.into()))
}

/// Cancel a message that you scheduled.
///
/// 409 once it was sent; cancelling again changes nothing.
#[utoipa::path(tag = "scheduled", responses((status = 204)))]
#[delete("/scheduled-messages/{message_id}")]
async fn cancel_scheduled(ctx: Ctx, caller: Signed, id: Path<MessageId>) -> Outcome<()> {
    scheduled::cancel(&ctx, &caller.0, id.0).await?;
    Ok(Answer::NoContent)
}
