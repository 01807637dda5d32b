//! `GET /api/v1/ws`: who may open a socket, and how they prove who they are.
//!
//! Four ways: `Authorization: Bearer`, a one-use `?ticket=`, a subprotocol `bearer.<token>`, or a first `auth` frame.

use std::time::Duration;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    rt, web,
};
use serde::Deserialize;

use super::{
    close::Close,
    hub::Hub,
    origin::AllowedOrigins,
    session,
    socket::{Next, Socket},
    websocket::{self, Refused, Terms},
};
use crate::{
    actions::{Context, in_time, sessions},
    domain::{
        error::{Error, Result},
        user::Caller,
    },
    wire::{
        command::{Authenticate, Command, Request},
        problem::{ProblemView, RequestId},
    },
};

/// How long a socket may take to prove whose it is.
const PROOF_PATIENCE: Duration = Duration::from_secs(5);
/// Frames a second in the long run: more than any device needs, less than a worker could not bear.
const FRAMES_PER_SECOND: u32 = 1_000;

/// The query string.
#[derive(Debug, Deserialize)]
pub struct OpenQuery {
    ticket: Option<String>,
}

/// What proves who opens a socket.
enum Proof {
    Token(String),
    Ticket(String),
    FirstFrame,
}

/// Upgrades a request to a socket, which lives in a task of its own on this worker.
pub async fn open(
    request: HttpRequest,
    payload: web::Payload,
    query: web::Query<OpenQuery>,
    ctx: web::Data<Context>,
    origins: web::Data<AllowedOrigins>,
) -> HttpResponse {
    let hub = request.app_data::<Hub>().expect("boot gives every worker its hub").clone();
    if let Err(refused) = websocket::check(&request) {
        return not_upgraded(&request, refused);
    }
    let proven = match origins.check(request.headers()) {
        Ok(()) => prove(&ctx, proof(request.headers(), query.into_inner())).await,
        Err(error) => Err(error),
    };
    let caller = match proven {
        Ok(caller) => caller,
        Err(error) => return refused(&request, &error),
    };
    let terms = Terms { mailbox_bytes: ctx.settings.mailbox_bytes, frames_per_second: FRAMES_PER_SECOND };
    match websocket::accept(&request, payload, terms) {
        Ok((response, socket)) => {
            match caller {
                Some(caller) => rt::spawn(session::run(ctx, &hub, socket, caller, None)),
                None => rt::spawn(wait_for_proof(ctx, hub, socket)),
            };
            response
        }
        Err(refused) => not_upgraded(&request, refused),
    }
}

/// It is not a proper WebSocket handshake (RFC 6455, 4.2).
fn not_upgraded(request: &HttpRequest, refused: Refused) -> HttpResponse {
    let (status, title, code) = match refused {
        Refused::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, "Upgrade Required", "upgrade_required"),
        Refused::BadHandshake => (StatusCode::BAD_REQUEST, "Bad Request", "bad_request"),
    };
    let view = ProblemView::plain(status.as_u16(), title, code, refused.to_string(), request_id(request));
    let mut response = HttpResponse::build(status);
    if status == StatusCode::UPGRADE_REQUIRED {
        response.insert_header((header::UPGRADE, "websocket"));
        response.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
    }
    response.content_type("application/problem+json").json(view)
}

/// Whoever asks may not.
fn refused(request: &HttpRequest, error: &Error) -> HttpResponse {
    let view = ProblemView::of(error, request_id(request));
    let status = StatusCode::from_u16(view.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if let Some(seconds) = view.retry_after {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    response.content_type("application/problem+json").json(view)
}

fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map_or_else(String::new, |id| id.0.clone())
}

/// The session that follows is a task of its own: in this one it would keep the room for the waiting.
async fn wait_for_proof(ctx: web::Data<Context>, hub: Hub, mut socket: Socket) {
    let Some((proof, reference)) = first_frame(&mut socket).await else { return socket.part().await };
    // A database that takes its time is not held against whoever waits for it.
    match in_time(sessions::authenticate(&ctx, &proof.token)).await {
        Ok(caller) => drop(rt::spawn(session::run(ctx, &hub, socket, caller, reference))),
        Err(error) => {
            socket.mailbox().reply(session::refusal(reference.as_deref(), &error));
            socket.mailbox().close(Close::refusing(&error));
            socket.part().await;
        }
    }
}

/// The proof that the first frame brings, and the frame's `ref`; nothing where the socket ends instead.
async fn first_frame(socket: &mut Socket) -> Option<(Authenticate, Option<String>)> {
    let next = tokio::time::timeout(PROOF_PATIENCE, socket.next()).await;
    let close = match next {
        Ok(Some(Next::Text(text))) => match Request::parse(&text) {
            Ok(Request { command: Ok(Command::Authenticate(proof)), reference }) => return Some((proof, reference)),
            Ok(_) => Close::Unauthenticated,
            Err(_) => Close::NotAnObject,
        },
        Ok(Some(Next::Recheck) | None) => return None,
        Err(_) => Close::Unauthenticated,
    };
    socket.mailbox().close(close);
    None
}

async fn prove(ctx: &Context, proof: Proof) -> Result<Option<Caller>> {
    match proof {
        Proof::Token(token) => sessions::authenticate(ctx, &token).await.map(Some),
        Proof::Ticket(ticket) => ctx.cluster.tickets.redeem(&ticket).await.map(Some),
        Proof::FirstFrame => Ok(None),
    }
}

fn proof(headers: &HeaderMap, query: OpenQuery) -> Proof {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let offered = websocket::offered_protocols(headers).find_map(|protocol| protocol.strip_prefix("bearer."));
    match (bearer.or(offered), query.ticket) {
        (Some(token), _) => Proof::Token(token.to_owned()),
        (None, Some(ticket)) => Proof::Ticket(ticket),
        (None, None) => Proof::FirstFrame,
    }
}
