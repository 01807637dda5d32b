//! REST for read state.

use actix_web::{get, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{Ctx, Json, Path, Query, Signed},
    page::PageQuery,
};
use crate::{
    actions::receipts,
    domain::{ids::ConversationId, receipt::ReceiptKind},
    wire::{
        json::List,
        receipts::{MarkDelivered, MarkRead, OwnReceiptView, ReceiptView, UnreadTotalView},
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(mark_read).service(mark_delivered).service(list_receipts).service(get_unread);
}

/// Say how far you have read.
///
/// Everything, where nothing is said. The cursor only moves forward; reading implies that it was delivered.
#[utoipa::path(tag = "read state", request_body = MarkRead, responses((status = 200, body = OwnReceiptView)))]
#[post("/conversations/{conversation_id}/read")]
async fn mark_read(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    body: Json<MarkRead>,
) -> Outcome<OwnReceiptView> {
    let receipt = receipts::advance(&ctx, &caller.0, id.0, ReceiptKind::Read, body.0.try_into()?).await?;
    Ok(Answer::Ok(OwnReceiptView::of(id.0, ReceiptKind::Read, receipt)))
}

/// Say how far messages have reached your device.
#[utoipa::path(tag = "read state", request_body = MarkDelivered, responses((status = 200, body = OwnReceiptView)))]
#[post("/conversations/{conversation_id}/delivered")]
async fn mark_delivered(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    body: Json<MarkDelivered>,
) -> Outcome<OwnReceiptView> {
    let receipt = receipts::advance(&ctx, &caller.0, id.0, ReceiptKind::Delivered, body.0.try_into()?).await?;
    Ok(Answer::Ok(OwnReceiptView::of(id.0, ReceiptKind::Delivered, receipt)))
}

/// List how far each member has come.
#[utoipa::path(tag = "read state", params(PageQuery), responses((status = 200, body = List<ReceiptView>)))]
#[get("/conversations/{conversation_id}/receipts")]
async fn list_receipts(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    query: Query<PageQuery>,
) -> Outcome<List<ReceiptView>> {
    let (after, limit) = query.0.after_person()?;
    Ok(Answer::Ok(receipts::of_conversation(&ctx, &caller.0, id.0, after, limit).await?.into()))
}

/// Count what you have not read.
///
/// Exact, over all conversations and for each that has any.
#[utoipa::path(tag = "read state", responses((status = 200, body = UnreadTotalView)))]
#[get("/unread")]
async fn get_unread(ctx: Ctx, caller: Signed) -> Outcome<UnreadTotalView> {
    Ok(Answer::Ok(receipts::unread(&ctx, &caller.0).await?.into()))
}
