//! REST for conversations, and one's own settings of them.

use actix_web::{delete, get, patch, post};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{self, Ctx, Json, Path, Query, Signed},
    idempotency::{self, Key},
};
use crate::{
    actions::{conversations, idempotency::Turn, preferences},
    domain::{
        conversation::{ConversationFilter, ConversationKind},
        ids::ConversationId,
    },
    wire::{
        conversations::{
            ChangeConversation, ChangePreferences, OpenConversation, OwnConversationView, PreferencesView,
        },
        json::List,
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(open_conversation)
        .service(list_conversations)
        .service(get_conversation)
        .service(change_conversation)
        .service(delete_conversation)
        .service(change_preferences);
}

/// Which of one's conversations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Archived ones instead of the others.
    archived: Option<bool>,
    /// Of one kind.
    kind: Option<ConversationKind>,
    /// Of one category.
    category: Option<String>,
    /// With (or without) unread messages.
    unread: Option<bool>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Open a conversation.
///
/// A direct one is found where it exists, and answered with 200; what is made is answered with 201.
#[utoipa::path(tag = "conversations", params(Key), request_body = OpenConversation, responses(
    (status = 201, description = "It is new.", body = OwnConversationView),
    (status = 200, description = "The direct conversation was there already.", body = OwnConversationView)))]
#[post("/conversations")]
async fn open_conversation(
    ctx: Ctx,
    Signed(caller): Signed,
    key: Key,
    Json(body): Json<OpenConversation>,
) -> Outcome<OwnConversationView> {
    let (asked, known_by) = (("open", body.clone()), (caller.user_id, key));
    let (here, opener) = (ctx.clone(), caller.clone());
    let carry_out = async move |turn: Turn| {
        let (is_new, own) = conversations::open(&here, &opener, body.try_into()?, &turn).await?;
        Ok((is_new, own.into()))
    };
    let again = async |opened| Ok(conversations::get(&ctx, &caller, opened).await?.into());
    idempotency::once(&ctx, known_by, &asked, carry_out, again).await
}

/// List your conversations.
///
/// Pinned ones first, then by newest activity; archived ones are left out unless asked for.
#[utoipa::path(tag = "conversations", params(ListQuery), responses((status = 200, body = List<OwnConversationView>)))]
#[get("/conversations")]
async fn list_conversations(ctx: Ctx, caller: Signed, query: Query<ListQuery>) -> Outcome<List<OwnConversationView>> {
    let Query(query) = query;
    let after = query.cursor.as_deref().map(conversations::parse_place).transpose()?;
    let filter = ConversationFilter {
        archived: query.archived.unwrap_or(false),
        kind: query.kind,
        category: query.category,
        unread: query.unread,
    };
    let limit = extract::limit(query.limit)?;
    let page = conversations::list(&ctx, &caller.0, &filter, after, limit).await?;
    Ok(Answer::Ok(page.into()))
}

/// Get one conversation.
#[utoipa::path(tag = "conversations", responses((status = 200, body = OwnConversationView)))]
#[get("/conversations/{conversation_id}")]
async fn get_conversation(ctx: Ctx, caller: Signed, id: Path<ConversationId>) -> Outcome<OwnConversationView> {
    Ok(Answer::Ok(conversations::get(&ctx, &caller.0, id.0).await?.into()))
}

/// Change the settings.
///
/// By a group's owners and admins; in a direct conversation both say for how long words stay. Null clears a field, absent leaves it.
#[utoipa::path(tag = "conversations", request_body = ChangeConversation,
    responses((status = 200, body = OwnConversationView)))]
#[patch("/conversations/{conversation_id}")]
async fn change_conversation(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    body: Json<ChangeConversation>,
) -> Outcome<OwnConversationView> {
    Ok(Answer::Ok(conversations::change(&ctx, &caller.0, id.0, body.0.into()).await?.into()))
}

/// Delete a conversation.
///
/// A group, by an owner, is gone for everyone; a direct conversation is cleared for you alone.
#[utoipa::path(tag = "conversations", responses((status = 204)))]
#[delete("/conversations/{conversation_id}")]
async fn delete_conversation(ctx: Ctx, caller: Signed, id: Path<ConversationId>) -> Outcome<()> {
    conversations::delete(&ctx, &caller.0, id.0).await?;
    Ok(Answer::NoContent)
}

/// Change your own settings of a conversation.
///
/// Nobody else learns of them. Null clears a field, absent leaves it.
#[utoipa::path(tag = "conversations", request_body = ChangePreferences,
    responses((status = 200, body = PreferencesView)))]
#[patch("/conversations/{conversation_id}/preferences")]
async fn change_preferences(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    body: Json<ChangePreferences>,
) -> Outcome<PreferencesView> {
    Ok(Answer::Ok(preferences::change(&ctx, &caller.0, id.0, body.0.into()).await?.into()))
}
