//! REST for who is in a conversation.

use actix_web::{delete, get, patch, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{Ctx, Json, Path, Query, Signed},
    idempotency::{self, Key},
    page::PageQuery,
};
use crate::{
    actions::{idempotency::Turn, members},
    domain::{
        ids::{ConversationId, UserId},
        member::{Participant, Role},
    },
    wire::{
        conversations::{AddParticipants, ChangeParticipant, ParticipantView},
        json::List,
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(list_participants).service(add_participants).service(change_participant).service(remove_participant);
}

/// List who is in a conversation.
///
/// In the order in which they came.
#[utoipa::path(tag = "members", params(PageQuery), responses((status = 200, body = List<ParticipantView>)))]
#[get("/conversations/{conversation_id}/participants")]
async fn list_participants(
    ctx: Ctx,
    caller: Signed,
    id: Path<ConversationId>,
    query: Query<PageQuery>,
) -> Outcome<List<ParticipantView>> {
    let (after, limit) = query.0.after_person()?;
    Ok(Answer::Ok(members::list(&ctx, &caller.0, id.0, after, limit).await?.into()))
}

/// Add people to a group.
///
/// By its owners and admins; only an owner makes owners. Answers with those named, whether new or there already:
/// 201 if any of them is new.
#[utoipa::path(tag = "members", params(Key), request_body = AddParticipants, responses(
    (status = 201, description = "Somebody was added.", body = List<ParticipantView>),
    (status = 200, description = "All of them were there already.", body = List<ParticipantView>)))]
#[post("/conversations/{conversation_id}/participants")]
async fn add_participants(
    ctx: Ctx,
    Signed(caller): Signed,
    Path(id): Path<ConversationId>,
    key: Key,
    Json(body): Json<AddParticipants>,
) -> Outcome<List<ParticipantView>> {
    let view = |people: Vec<Participant>| List::whole(people.into_iter().map(ParticipantView::from).collect());
    let (asked, known_by) = (("add", id, body.clone()), (caller.user_id, key));
    let (here, adder) = (ctx.clone(), caller.clone());
    let carry_out = async move |turn: Turn| {
        let role = body.role.unwrap_or(Role::Member);
        let (is_new, added) = members::add(&here, &adder, id, (&body.user_ids, role), &turn).await?;
        Ok((is_new, view(added)))
    };
    let again = async |added: Vec<UserId>| Ok(view(members::named(&ctx, &caller, id, &added).await?));
    idempotency::once(&ctx, known_by, &asked, carry_out, again).await
}

/// Change somebody's role.
///
/// By owners and admins; only an owner changes an owner or makes one.
#[utoipa::path(tag = "members", request_body = ChangeParticipant, responses((status = 200, body = ParticipantView)))]
#[patch("/conversations/{conversation_id}/participants/{user_id}")]
async fn change_participant(
    ctx: Ctx,
    caller: Signed,
    path: Path<(ConversationId, UserId)>,
    body: Json<ChangeParticipant>,
) -> Outcome<ParticipantView> {
    let (id, user) = path.0;
    Ok(Answer::Ok(members::change_role(&ctx, &caller.0, id, user, body.0.role).await?.into()))
}

/// Remove somebody, or leave.
///
/// Owners and admins remove; anybody leaves by naming themselves. The last owner who leaves hands over to the oldest
/// admin, else to the oldest member.
#[utoipa::path(tag = "members", responses((status = 204)))]
#[delete("/conversations/{conversation_id}/participants/{user_id}")]
async fn remove_participant(ctx: Ctx, caller: Signed, path: Path<(ConversationId, UserId)>) -> Outcome<()> {
    let (id, user) = path.0;
    members::remove(&ctx, &caller.0, id, user).await?;
    Ok(Answer::NoContent)
}
