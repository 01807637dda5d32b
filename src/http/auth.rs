//! REST for signing in and out.

use actix_web::{HttpRequest, delete, get, http::header, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    address::client_address,
    answer::{Answer, Outcome},
    extract::{Ctx, Json, Path, Query, Signed},
    idempotency::{self, Key},
    page::PageQuery,
};
use crate::{
    actions::{
        accounts::{self, Registration, Visit},
        idempotency::Turn,
        sessions::{self, SignedIn},
    },
    domain::{
        ids::{SessionId, UserId},
        text,
    },
    wire::{
        auth::{ChangePassword, LogIn, Refresh, Register, SessionView, SignedInView, TicketView},
        json::List,
    },
};

/// Characters of what a device says of itself.
const DEVICE_CHARACTERS: usize = 200;

/// Registers the handlers.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(register)
        .service(login)
        .service(refresh)
        .service(logout)
        .service(list_sessions)
        .service(revoke_session)
        .service(change_password)
        .service(issue_ticket);
}

/// Register an account.
///
/// Its owner is signed in at once. A retry with the same `Idempotency-Key`, which is best chosen at random since nobody is signed in
/// yet, is answered with the same user and another session.
#[utoipa::path(tag = "auth", params(Key), request_body = Register, responses((status = 201, body = SignedInView)), security(()))]
#[post("/auth/register")]
async fn register(ctx: Ctx, request: HttpRequest, key: Key, Json(body): Json<Register>) -> Outcome<SignedInView> {
    let Register { username, password, display_name, email } = body;
    // Not the password, of which no quick hash is kept: it is verified like that of a login.
    let asked = ("register", username.clone(), display_name.clone(), email.clone());
    let registration = Registration { username, password: password.clone(), display_name, email };
    let visit = visit(&ctx, &request);
    accounts::admit(&ctx, &visit).await?;
    let (here, from) = (ctx.clone(), visit.clone());
    let carry_out =
        async move |turn: Turn| Ok((true, view(accounts::register(&here, registration, &from, &turn).await?)));
    let again = async |made| Ok(view(accounts::register_again(&ctx, made, password, &visit).await?));
    idempotency::once(&ctx, (UserId::NOBODY, key), &asked, carry_out, again).await
}

/// Sign in.
#[utoipa::path(tag = "auth", request_body = LogIn, responses((status = 200, body = SignedInView)), security(()))]
#[post("/auth/login")]
async fn login(ctx: Ctx, request: HttpRequest, Json(body): Json<LogIn>) -> Outcome<SignedInView> {
    let signed_in = accounts::login(&ctx, &body.username, body.password, &visit(&ctx, &request)).await?;
    Ok(Answer::Ok(view(signed_in)))
}

/// Get the next access token.
///
/// The refresh token is rotated. The one that was sent stays good, with the same answer, until the new one is first
/// used; after that it ends the session.
#[utoipa::path(tag = "auth", request_body = Refresh, responses((status = 200, body = SignedInView)), security(()))]
#[post("/auth/refresh")]
async fn refresh(ctx: Ctx, Json(body): Json<Refresh>) -> Outcome<SignedInView> {
    Ok(Answer::Ok(view(sessions::refresh(&ctx, &body.refresh_token).await?)))
}

/// Sign out.
///
/// Ends the session and closes its sockets. A token of the host application has no session, and ends by itself.
#[utoipa::path(tag = "auth", responses((status = 204)))]
#[post("/auth/logout")]
async fn logout(ctx: Ctx, Signed(caller): Signed) -> Outcome<()> {
    sessions::logout(&ctx, &caller).await?;
    Ok(Answer::NoContent)
}

/// List my sessions.
#[utoipa::path(tag = "auth", params(PageQuery), responses((status = 200, body = List<SessionView>)))]
#[get("/auth/sessions")]
async fn list_sessions(ctx: Ctx, Signed(caller): Signed, Query(page): Query<PageQuery>) -> Outcome<List<SessionView>> {
    let page = sessions::list(&ctx, &caller, page.cursor.as_deref(), page.limit()?).await?;
    Ok(Answer::Ok(page.map(|session| SessionView::of(session, caller.session_id)).into()))
}

/// End one of my sessions.
///
/// Its sockets are closed within a second.
#[utoipa::path(tag = "auth", params(("id" = SessionId, Path)), responses((status = 204)))]
#[delete("/auth/sessions/{id}")]
async fn revoke_session(ctx: Ctx, Signed(caller): Signed, Path(id): Path<SessionId>) -> Outcome<()> {
    sessions::revoke(&ctx, &caller, id).await?;
    Ok(Answer::NoContent)
}

/// Change my password.
///
/// All my other sessions end.
#[utoipa::path(tag = "auth", request_body = ChangePassword, responses((status = 204)))]
#[post("/auth/password")]
async fn change_password(ctx: Ctx, Signed(caller): Signed, Json(body): Json<ChangePassword>) -> Outcome<()> {
    accounts::change_password(&ctx, &caller, body.current_password, body.new_password).await?;
    Ok(Answer::NoContent)
}

/// Get a ticket for a socket.
///
/// It opens one socket, once, where no header can be set.
#[utoipa::path(tag = "auth", responses((status = 200, body = TicketView)))]
#[post("/auth/ticket")]
async fn issue_ticket(ctx: Ctx, Signed(caller): Signed) -> Outcome<TicketView> {
    let (ticket, expires_in) = sessions::ticket(&ctx, &caller).await?;
    Ok(Answer::Ok(TicketView { ticket, expires_in }))
}

fn view(signed_in: SignedIn) -> SignedInView {
    SignedInView {
        user: signed_in.user.into(),
        access_token: signed_in.access_token,
        token_type: "Bearer",
        expires_in: signed_in.expires_in.as_secs(),
        refresh_token: signed_in.refresh_token,
        session_id: signed_in.session_id,
    }
}

fn visit(ctx: &Ctx, request: &HttpRequest) -> Visit {
    Visit { address: client_address(request, &ctx.settings.trusted_proxies), device: device(request) }
}

/// What the device says of itself, without what could confuse who reads it in a list.
fn device(request: &HttpRequest) -> Option<String> {
    let says = request.headers().get(header::USER_AGENT)?.to_str().ok()?;
    let clean = text::preview(says.trim(), DEVICE_CHARACTERS);
    (!clean.is_empty()).then_some(clean)
}
