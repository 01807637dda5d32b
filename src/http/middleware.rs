//! What every request goes through: an id, one line in the log, one count, and refusals that all look alike.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{self, Poll},
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Bytes,
};
use percent_encoding::percent_decode_str;
use tracing::Instrument;
use uuid::Uuid;

use super::problem::Problem;
use crate::{actions::in_time, telemetry::metrics, wire::problem::RequestId};

/// Characters of a request id that a client may bring.
const ID_CHARACTERS: usize = 128;

/// Wraps every request.
pub async fn observe(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let span = tracing::info_span!("request", id = %id, method = %method);

    let asks_after = asks_after(&mut request);
    let answered = if let Err(says) = text(&request) {
        let problem = Problem::plain(StatusCode::BAD_REQUEST, "bad_request", says);
        request.into_response(problem.response(&id))
    } else {
        let is_of_file = is_of_file(&request);
        // No clone of the request may be held meanwhile: the router writes into it.
        let answering = next.call(request).instrument(span.clone());
        let answered = if is_of_file { Ok(answering.await) } else { in_time(async { Ok(answering.await) }).await };
        match answered.unwrap_or_else(|too_late| Err(Problem::from(too_late).into())) {
            Ok(response) => response.map_into_boxed_body(),
            Err(error) => {
                let mut refusal = refusal(&error, &id);
                name(refusal.headers_mut(), &id);
                span.in_scope(|| note(method.as_str(), "none".to_owned(), refusal.status(), started.elapsed()));
                return Err(InternalError::from_response(error, refusal).into());
            }
        }
    };
    let mut answered = finish(answered, &id);
    if asks_after {
        answered = answered.map_body(|_, body| BoxBody::new(Unsaid(body.size())));
    }
    name(answered.headers_mut(), &id);
    if answered.request().path().starts_with("/api/v1/auth/") {
        // Tokens are for nobody else's cache (RFC 6749, 5.1).
        answered.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let route = answered.request().match_pattern().unwrap_or_else(|| "none".to_owned());
    span.in_scope(|| note(method.as_str(), route, answered.status(), started.elapsed()));
    Ok(answered)
}

/// Gives a response the id of its request.
fn name(headers: &mut HeaderMap, id: &str) {
    let value = HeaderValue::from_str(id).expect("ids are visible ASCII");
    headers.insert(HeaderName::from_static("x-request-id"), value);
}

/// One line in the log, and one count.
fn note(method: &str, route: String, status: StatusCode, took: Duration) {
    let (status, took_ms) = (status.as_u16(), took.as_secs_f64() * 1e3);
    tracing::info!(http.route = route, http.status = status, took_ms, "Answered {status} in {took_ms:.1} ms");
    metrics::http_request(method, route, status, took);
}

/// Gives a refusal its request's id, and turns actix's own bare refusals into problems.
fn finish(response: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let mut with_id = match response.response().error() {
        Some(error) => refusal(error, id),
        None if status == StatusCode::METHOD_NOT_ALLOWED => {
            Problem::plain(status, "method_not_allowed", "The route does not know this method.").response(id)
        }
        None => return response,
    };
    // What was said of it besides stays: which methods there are, which sites may read it, which protocol is spoken.
    let is_new = |(name, _): &(&HeaderName, _)| !with_id.headers().contains_key(*name);
    let besides: Vec<_> = response.headers().iter().filter(is_new).map(|(n, v)| (n.clone(), v.clone())).collect();
    for (name, value) in besides {
        with_id.headers_mut().append(name, value);
    }
    response.into_response(with_id)
}

fn refusal(error: &Error, id: &str) -> HttpResponse {
    if let Some(problem) = error.as_error::<Problem>() {
        return problem.response(id);
    }
    let status = error.as_response_error().status_code();
    let code = if status.is_server_error() { "internal" } else { "bad_request" };
    Problem::plain(status, code, error.to_string()).response(id)
}

/// A file may be large, takes as long to arrive as its sender's network needs, and is looked at as a whole. That it goes on
/// coming is seen to where it is read.
fn is_of_file(request: &ServiceRequest) -> bool {
    let path = request.path();
    path.starts_with("/api/v1/uploads")
        || ["/attachments", "/avatar", "/complete"].iter().any(|end| path.ends_with(end))
}

fn request_id(request: &ServiceRequest) -> String {
    let brought = request.headers().get("X-Request-Id").and_then(|value| value.to_str().ok());
    let usable =
        brought.filter(|id| (1..=ID_CHARACTERS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    usable.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned)
}

/// Whether it only asks after what a GET would answer (RFC 9110, 9.3.2), and is made one; a file that is on its way has
/// a HEAD of its own.
fn asks_after(request: &mut ServiceRequest) -> bool {
    let asks_after = request.method() == Method::HEAD && !request.path().starts_with("/api/v1/uploads/");
    if asks_after {
        request.head_mut().method = Method::GET;
        // Only a GET asks for a part (RFC 9110, 14.2).
        request.headers_mut().remove(header::RANGE);
    }
    asks_after
}

/// Paths and queries are text, and without U+0000, which PostgreSQL can't keep.
fn text(request: &ServiceRequest) -> Result<(), &'static str> {
    for text in [request.uri().path(), request.path(), request.query_string()] {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| "What is asked for is not UTF-8.")?;
        if text.contains('\0') {
            return Err("U+0000 is not allowed in text.");
        }
    }
    Ok(())
}

/// A body of which only the size is said.
struct Unsaid(BodySize);

impl MessageBody for Unsaid {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
