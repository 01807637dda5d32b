//! REST for what people do with a message besides answering it: reacting, and pinning.

use actix_web::{delete, get, put};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{Ctx, Path, Query, Signed},
    page::PageQuery,
};
use crate::{
    actions::messages::{pin, react},
    domain::ids::{ConversationId, MessageId},
    wire::{json::List, messages::MessageView},
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(add_reaction)
        .service(remove_reaction)
        .service(pin_message)
        .service(unpin_message)
        .service(list_pins);
}

/// React to a message.
///
/// With exactly one emoji, percent-encoded in the path; any that Unicode recommends. One that is there already changes
/// nothing. A message has up to 20 kinds of reaction.
#[utoipa::path(tag = "messages", responses((status = 200, body = MessageView)))]
#[put("/conversations/{conversation_id}/messages/{message_id}/reactions/{emoji}")]
async fn add_reaction(
    ctx: Ctx,
    caller: Signed,
    path: Path<(ConversationId, MessageId, String)>,
) -> Outcome<MessageView> {
    let (conversation, id, emoji) = path.0;
    Ok(Answer::Ok(react::add(&ctx, &caller.0, (conversation, id), &emoji).await?.into()))
}

/// Take a reaction back.
///
/// Your own; one that is not there changes nothing.
#[utoipa::path(tag = "messages", responses((status = 204)))]
#[delete("/conversations/{conversation_id}/messages/{message_id}/reactions/{emoji}")]
async fn remove_reaction(ctx: Ctx, caller: Signed, path: Path<(ConversationId, MessageId, String)>) -> Outcome<()> {
    let (conversation, id, emoji) = path.0;
    react::remove(&ctx, &caller.0, (conversation, id), &emoji).await?;
    Ok(Answer::NoContent)
}

/// Pin a message.
///
/// By a group's owner and admins, by its members where `members_may_pin`, by both in a direct conversation. A
/// conversation has up to 50 pins.
#[utoipa::path(tag = "messages", responses((status = 200, body = MessageView)))]
#[put("/conversations/{conversation_id}/messages/{message_id}/pin")]
async fn pin_message(ctx: Ctx, caller: Signed, path: Path<(ConversationId, MessageId)>) -> Outcome<MessageView> {
    Ok(Answer::Ok(pin::pin(&ctx, &caller.0, path.0).await?.into()))
}

/// Unpin a message.
///
/// By whoever may pin.
#[utoipa::path(tag = "messages", responses((status = 204)))]
#[delete("/conversations/{conversation_id}/messages/{message_id}/pin")]
async fn unpin_message(ctx: Ctx, caller: Signed, path: Path<(ConversationId, MessageId)>) -> Outcome<()> {
    pin::unpin(&ctx, &caller.0, path.0).await?;
    Ok(Answer::NoContent)
}

/// List what is pinned.
///
/// The newest pin first.
#[utoipa::path(tag = "messages", params(PageQuery), responses((status = 200, body = List<MessageView>)))]
#[get("/conversations/{conversation_id}/pins")]
async fn list_pins(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    query: Query<PageQuery>,
) -> Outcome<List<MessageView>> {
    let limit = query.0.limit()?;
    Ok(Answer::Ok(pin::list(&ctx, &caller.0, id.0, query.0.cursor.as_deref(), limit).await?.into()))
}
