//! REST for forwarding messages.

use actix_web::{post, web::ReqData};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::Outcome,
    extract::{Ctx, Json, Path, Signed},
    idempotency::{self, Key},
    problem::Problem,
};
use crate::{
    actions::{
        Context,
        idempotency::Turn,
        messages::{
            forward::{self, Forwarded},
            history,
            send::Sent,
        },
    },
    domain::{
        error::Result,
        ids::{ConversationId, MessageId},
        message::Message,
        user::Caller,
    },
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
    (status = 201, description = "It was sent, to some of them at least.", body = List<ForwardedView>)))]
#[post("/conversations/{conversation_id}/messages/{message_id}/forward")]
async fn forward_message(
    ctx: Ctx,
    (caller, request_id): (Signed, ReqData<RequestId>),
    Path(place): Path<(ConversationId, MessageId)>,
    key: Key,
    Json(body): Json<ForwardMessage>,
) -> Outcome<List<ForwardedView>> {
    let (Signed(caller), request_id) = (caller, request_id.into_inner());
    let (asked, words, known_by) = (("forward", place, body.clone()), key.text(), (caller.user_id, key));
    let (here, sender, its_id) = (ctx.clone(), caller.clone(), request_id.clone());
    let carry_out = async move |turn: Turn| {
        let forwarded = forward::forward(&here, &sender, place, body.conversation_ids, words.as_deref()).await?;
        let item =
            |Forwarded { conversation_id, outcome }| item(conversation_id, outcome.map(Sent::into_message), &its_id);
        let items: Vec<_> = forwarded.into_iter().map(item).collect();
        let receipt: Vec<_> = items.iter().map(Receipt::of).collect();
        turn.settle_after(&here, &receipt).await?;
        Ok((true, List::whole(items)))
    };
    let again = async |receipts: Vec<Receipt>| {
        let mut items = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            items.push(receipt.shown(&ctx, &caller, &request_id).await);
        }
        Ok(List::whole(items))
    };
    idempotency::once(&ctx, known_by, &asked, carry_out, again).await
}

/// What is kept of a forward to one conversation: a copy's id and none of its words, or the refusal as it was told.
#[derive(Serialize, Deserialize)]
struct Receipt {
    conversation_id: ConversationId,
    message_id: Option<MessageId>,
    error: Option<Value>,
}

impl Receipt {
    fn of(told: &ForwardedView) -> Self {
        let ForwardedView { conversation_id, message, error } = told;
        let message_id = message.as_ref().map(|message| message.id);
        Self { conversation_id: *conversation_id, message_id, error: error.clone() }
    }

    /// The copy as it is now, if it is still there for the caller.
    async fn shown(self, ctx: &Context, caller: &Caller, request_id: &RequestId) -> ForwardedView {
        let Self { conversation_id, message_id, error } = self;
        let Some(id) = message_id else { return ForwardedView { conversation_id, message: None, error } };
        item(conversation_id, history::one(ctx, caller, conversation_id, id).await, request_id)
    }
}

fn item(conversation_id: ConversationId, outcome: Result<Message>, request_id: &RequestId) -> ForwardedView {
    let (message, error) = match outcome {
        Ok(message) => (Some(message.into()), None),
        Err(error) => (None, Some(json!(Problem::from(error).view(&request_id.0)))),
    };
    ForwardedView { conversation_id, message, error }
}
