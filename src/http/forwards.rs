//! REST for forwarding messages.

use actix_web::{post, web::ReqData};
use serde_json::value::RawValue;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::Outcome,
    extract::{Ctx, Json, Path, Signed},
    idempotency::{self, Key},
    problem::Problem,
};
use crate::{
    actions::messages::{
        forward::{self, Forwarded},
        send::Sent,
    },
    domain::ids::{ConversationId, MessageId},
    wire::{
        forwards::{ForwardMessage, ForwardedView},
        json::List,
        problem::RequestId,
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(forward_message);
}

/// Forward a message.
///
/// To several conversations at once, as a copy that stays as it is: not edited, and not touched by what becomes of the
/// original. Mentions and replies are not taken along. Answers with one item for each conversation, in your order; where
/// none takes it, with the problem of the first. Send an `Idempotency-Key`, and a retry makes no second copy; ask for those
/// that failed by themselves, with another key.
#[utoipa::path(tag = "messages", params(Key), request_body = ForwardMessage, responses(
    (status = 201, description = "It was sent, to some of them at least.", body = List<ForwardedView>),
    (status = 200, description = "All copies were there already.", body = List<ForwardedView>)))]
#[post("/conversations/{conversation_id}/messages/{message_id}/forward")]
async fn forward_message(
    ctx: Ctx,
    (caller, request_id): (Signed, ReqData<RequestId>),
    path: Path<(ConversationId, MessageId)>,
    key: Key,
    body: Json<ForwardMessage>,
) -> Outcome<Box<RawValue>> {
    let asked = ("forward", path.0, body.0.clone());
    let known_by = key.text();
    idempotency::once(&ctx, &caller.0, key, &asked, async {
        let targets = body.0.conversation_ids;
        let forwarded = forward::forward(&ctx, &caller.0, path.0, targets, known_by.as_deref()).await?;
        let is_new = forwarded.iter().any(|forwarded| matches!(forwarded.outcome, Ok(Sent::New(_))));
        Ok((is_new, List::whole(forwarded.into_iter().map(|forwarded| view(forwarded, &request_id)).collect())))
    })
    .await
}

fn view(Forwarded { conversation_id, outcome }: Forwarded, request_id: &RequestId) -> ForwardedView {
    let (message, error) = match outcome {
        Ok(sent) => (Some(sent.into_message().into()), None),
        Err(error) => (None, Some(Problem::from(error).view(&request_id.0))),
    };
    ForwardedView { conversation_id, message, error }
}
