//! REST for the communication rules.

use actix_web::post;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{Ctx, Json, Signed},
};
use crate::{
    actions::policy,
    domain::policy::question::{Question, Ruling},
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(check_policy);
}

/// Ask whether the communication rules let you do something.
///
/// Answers with the rule that decides and why; nothing is done. Other reasons to refuse, such as your role in a conversation, are not
/// asked for.
#[utoipa::path(tag = "rules", request_body = Question, responses((status = 200, body = Ruling)))]
#[post("/policy/check")]
async fn check_policy(ctx: Ctx, Signed(caller): Signed, Json(question): Json<Question>) -> Outcome<Ruling> {
    Ok(Answer::Ok(policy::check(&ctx, &caller, question).await?))
}
