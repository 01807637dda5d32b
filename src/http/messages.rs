//! REST for messages.

use actix_web::{delete, get, patch, post};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{self, Ctx, Json, Path, Query, Signed},
    page::PageQuery,
};
use crate::{
    actions::{
        messages::{
            delete as deleting, edit as editing, history,
            send::{self, Sent},
        },
        receipts, scheduled,
    },
    domain::{
        error::{Error, Result},
        ids::{ConversationId, MessageId},
        message::{DeleteFor, Window},
    },
    wire::{
        json::List,
        messages::{EditMessage, EditView, HistoryView, MessageReceiptView, MessageView, SendMessage},
        scheduled::{PlanView, SentView},
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(send_message)
        .service(list_messages)
        .service(get_message)
        .service(edit_message)
        .service(delete_message)
        .service(list_edits)
        .service(list_message_receipts);
}

/// Which part of the history; at most one of the three.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// Those right before this `seq`.
    #[param(minimum = 0)]
    before: Option<i64>,
    /// Those right after this `seq`.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Those on both sides of this `seq`, itself included.
    #[param(minimum = 0)]
    around: Option<i64>,
    /// Messages of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
}

/// For whom to delete.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// `me` hides it from you alone; `everyone` leaves a tombstone.
    #[serde(default, rename = "for")]
    #[param(inline)]
    delete_for: DeleteFor,
}

impl HistoryQuery {
    fn window(&self) -> Result<Window> {
        let named = [("before", self.before), ("after", self.after), ("around", self.around)];
        if let Some((field, _)) = named.into_iter().find(|(_, seq)| seq.is_some_and(i64::is_negative)) {
            return Err(Error::field(field, "out_of_range", "A seq is not negative."));
        }
        match (self.before, self.after, self.around) {
            (None, None, None) => Ok(Window::Newest),
            (Some(seq), None, None) => Ok(Window::Before(seq)),
            (None, Some(seq), None) => Ok(Window::After(seq)),
            (None, None, Some(seq)) => Ok(Window::Around(seq)),
            _ => Err(Error::field("before", "unexpected", "Give at most one of before, after and around.")),
        }
    }
}

/// Send a message.
///
/// Bring your own `id` and send the same again after a lost answer: it is stored once, and answered with 200. With
/// `scheduled_for` it is sent then, and answered with the plan.
#[utoipa::path(tag = "messages", request_body = SendMessage, responses(
    (status = 201, description = "It is committed.", body = MessageView),
    (status = 202, description = "It is planned, or was before.", body = PlanView),
    (status = 200, description = "The same was sent before.", body = MessageView)))]
#[post("/conversations/{conversation_id}/messages")]
async fn send_message(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    body: Json<SendMessage>,
) -> Outcome<SentView> {
    let scheduled_for = body.0.scheduled_for;
    let draft = body.0.into_draft(id.0)?;
    if let Some(time) = scheduled_for {
        let plan = scheduled::plan(&ctx, &caller.0, draft, time).await?;
        return Ok(Answer::Accepted(SentView::Plan(Box::new(plan.into()))));
    }
    let sent = send::send(&ctx, &caller.0, draft).await?;
    let is_new = matches!(sent, Sent::New(_));
    Ok(Answer::created_if(is_new, SentView::Message(Box::new(sent.into_message().into()))))
}

/// Read the history.
///
/// Ascending by `seq`; the newest messages where no place is named.
#[utoipa::path(tag = "messages", params(HistoryQuery), responses((status = 200, body = HistoryView)))]
#[get("/conversations/{conversation_id}/messages")]
async fn list_messages(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    query: Query<HistoryQuery>,
) -> Outcome<HistoryView> {
    let limit = extract::limit(query.0.limit)?;
    Ok(Answer::Ok(history::page(&ctx, &caller.0, id.0, query.0.window()?, limit).await?.into()))
}

/// Get one message.
#[utoipa::path(tag = "messages", responses((status = 200, body = MessageView)))]
#[get("/conversations/{conversation_id}/messages/{message_id}")]
async fn get_message(ctx: Ctx, caller: Signed, path: Path<(ConversationId, MessageId)>) -> Outcome<MessageView> {
    let (conversation, id) = path.0;
    Ok(Answer::Ok(history::one(&ctx, &caller.0, conversation, id).await?.into()))
}

/// Edit a message.
///
/// By its author. What it said before stays readable in its edits.
#[utoipa::path(tag = "messages", request_body = EditMessage, responses((status = 200, body = MessageView)))]
#[patch("/conversations/{conversation_id}/messages/{message_id}")]
async fn edit_message(
    ctx: Ctx,
    caller: Signed,
    path: Path<(ConversationId, MessageId)>,
    body: Json<EditMessage>,
) -> Outcome<MessageView> {
    let (conversation, id) = path.0;
    Ok(Answer::Ok(editing::edit(&ctx, &caller.0, conversation, id, body.0.try_into()?).await?.into()))
}

/// Delete a message.
///
/// For yourself, or for everyone: by its author, or by a group's owners and admins.
#[utoipa::path(tag = "messages", params(DeleteQuery), responses((status = 200, body = MessageView)))]
#[delete("/conversations/{conversation_id}/messages/{message_id}")]
async fn delete_message(
    ctx: Ctx,
    caller: Signed,
    path: Path<(ConversationId, MessageId)>,
    query: Query<DeleteQuery>,
) -> Outcome<MessageView> {
    let (conversation, id) = path.0;
    Ok(Answer::Ok(deleting::delete(&ctx, &caller.0, conversation, id, query.0.delete_for).await?.into()))
}

/// List what a message said before each of its edits.
///
/// Oldest first.
#[utoipa::path(tag = "messages", params(PageQuery), responses((status = 200, body = List<EditView>)))]
#[get("/conversations/{conversation_id}/messages/{message_id}/edits")]
async fn list_edits(
    ctx: Ctx,
    caller: Signed,
    path: Path<(ConversationId, MessageId)>,
    query: Query<PageQuery>,
) -> Outcome<List<EditView>> {
    let limit = query.0.limit()?;
    Ok(Answer::Ok(history::edits(&ctx, &caller.0, path.0, query.0.cursor.as_deref(), limit).await?.into()))
}

/// List when a message reached each of the others.
#[utoipa::path(tag = "messages", params(PageQuery), responses((status = 200, body = List<MessageReceiptView>)))]
#[get("/conversations/{conversation_id}/messages/{message_id}/receipts")]
async fn list_message_receipts(
    ctx: Ctx,
    caller: Signed,
    path: Path<(ConversationId, MessageId)>,
    query: Query<PageQuery>,
) -> Outcome<List<MessageReceiptView>> {
    let (after, limit) = query.0.after_person()?;
    Ok(Answer::Ok(receipts::of_message(&ctx, &caller.0, path.0, after, limit).await?.into()))
}
