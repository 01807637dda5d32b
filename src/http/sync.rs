//! REST for "what did I miss?".

use actix_web::post;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{Ctx, Json, Signed},
};
use crate::{
    actions::sync,
    wire::sync::{Sync, SyncView},
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(synchronise);
}

/// Ask what you missed.
///
/// Say how far you are in each conversation that you know; merge the answer's `cursors` into yours, keep its
/// `own_cursor`, and call again while `has_more`. The same after three seconds or three days.
#[utoipa::path(tag = "sync", request_body = Sync, responses((status = 200, body = SyncView)))]
#[post("/sync")]
async fn synchronise(ctx: Ctx, caller: Signed, body: Json<Sync>) -> Outcome<SyncView> {
    Ok(Answer::Ok(sync::sync(&ctx, &caller.0, &body.0.try_into()?).await?.into()))
}
