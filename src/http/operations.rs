//! For operators: is it alive, is it ready, how is it doing.

use actix_web::{HttpRequest, HttpResponse, get, http::StatusCode};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    answer::{Answer, Outcome},
    extract::{self, Ctx, Signed},
    problem::Problem,
};
use crate::{
    actions::{attachments::bounds, health},
    domain::error::{AuthFailure, Error},
    telemetry::metrics,
    wire::{health::HealthView, limits::LimitsView},
};

/// Registers the handlers outside `/api/v1`.
pub fn routes(config: &mut ServiceConfig) {
    config.service(live).service(ready).service(read_metrics);
}

/// Registers the handlers within `/api/v1`.
pub fn api_routes(config: &mut ServiceConfig) {
    config.service(get_limits);
}

/// Is the process alive?
#[utoipa::path(tag = "operations", security(()), responses((status = 200, body = HealthView)))]
#[get("/health/live")]
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(HealthView { status: "ok" })
}

/// Can it serve?
///
/// 503 while the database is away; `degraded` while other nodes can't be reached.
#[utoipa::path(tag = "operations", security(()), responses(
    (status = 200, body = HealthView),
    (status = 503, description = "The database is away.")))]
#[get("/health/ready")]
async fn ready(ctx: Ctx) -> Outcome<HealthView> {
    match health::check(&ctx).await {
        health::Health::Ok => Ok(Answer::Ok(HealthView { status: "ok" })),
        health::Health::Degraded => Ok(Answer::Ok(HealthView { status: "degraded" })),
        health::Health::Unavailable => Err(Error::Unavailable("The database does not answer.").into()),
    }
}

/// Read the metrics.
///
/// In Prometheus' text format. From loopback, or with the token that the server was given for it.
#[utoipa::path(tag = "operations", security((), ("bearer" = [])),
    responses((status = 200, body = String, content_type = "text/plain")))]
#[get("/metrics")]
async fn read_metrics(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Problem> {
    // A proxy on this machine stands for somebody elsewhere.
    let is_forwarded = request.headers().contains_key("X-Forwarded-For") || request.headers().contains_key("Forwarded");
    let is_local = !is_forwarded && request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let given = extract::bearer(&request);
    let is_known = ctx.settings.metrics_token.as_ref().zip(given).is_some_and(|(token, given)| token.matches(&given));
    let is_allowed = is_local || is_known;
    if !is_allowed {
        return Err(Error::from(AuthFailure::Unauthenticated).into());
    }
    health::measure(&ctx);
    Ok(HttpResponse::build(StatusCode::OK).content_type("text/plain; version=0.0.4").body(metrics::render()))
}

/// Get the limits.
///
/// How much of anything there may be, and how often you may do it.
#[utoipa::path(tag = "limits", responses((status = 200, body = LimitsView)))]
#[get("/limits")]
async fn get_limits(ctx: Ctx, Signed(caller): Signed) -> Outcome<LimitsView> {
    let (windows, roles) = (ctx.rulebook.rules().windows, &caller.roles);
    let most = |kind| bounds::most(&ctx, roles, kind);
    Ok(Answer::Ok(LimitsView::new(|limit| ctx.quota(limit, roles), most, windows)))
}
