//! REST for presence.

use actix_web::{get, put};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{Ctx, Json, Query, Signed},
};
use crate::{
    actions::presence,
    domain::{error::Error, ids::UserId},
    wire::{
        json::List,
        presence::{PresenceView, SetPresence},
    },
};

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config.service(look_up_presence).service(set_presence);
}

/// Whose presence.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PresenceQuery {
    /// Up to 100 people, comma-separated.
    #[param(value_type = Vec<UserId>, style = Form, explode = false, min_items = 1, max_items = 100)]
    user_ids: String,
}

/// See who is there.
///
/// Shown of those who share a conversation with you, unless blocked; the others are left out.
#[utoipa::path(tag = "presence", params(PresenceQuery), responses((status = 200, body = List<PresenceView>)))]
#[get("/presence")]
async fn look_up_presence(ctx: Ctx, caller: Signed, query: Query<PresenceQuery>) -> Outcome<List<PresenceView>> {
    let ids = query.0.user_ids.split(',').map(|id| id.trim().parse()).collect::<Result<Vec<_>, _>>();
    let ids = ids.map_err(|_| Error::Malformed("A user id is not a UUID."))?;
    let found = presence::look_up(&ctx, &caller.0, &ids).await?;
    Ok(Answer::Ok(List::whole(found.into_iter().map(PresenceView::from).collect())))
}

/// Choose how to seem.
///
/// Holds for all of your sockets; REST alone makes nobody online.
#[utoipa::path(tag = "presence", request_body = SetPresence, responses((status = 200, body = PresenceView)))]
#[put("/presence")]
async fn set_presence(ctx: Ctx, caller: Signed, body: Json<SetPresence>) -> Outcome<PresenceView> {
    Ok(Answer::Ok(presence::set(&ctx, &caller.0, body.0.status).await?.into()))
}
