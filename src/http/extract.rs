//! What handlers ask for in their signatures: the context, who is calling, and the parts of a request.

use std::{future::Future, pin::Pin, time::Duration};

use actix_multipart::{Multipart, MultipartConfig};
use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::{StatusCode, header},
    web,
};
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt,
    stream::{LocalBoxStream, unfold},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    intake::{MOUTHFUL, OnDemand},
    pace::Pace,
    problem::Problem,
};
use crate::{
    actions::{Context, sessions},
    domain::{
        error::{AuthFailure, Error},
        page,
        user::Caller,
    },
    wire::json,
};

/// Bytes of a JSON body at most: a message of 16,000 four-byte characters, all escaped, with room to spare.
const BODY_BYTES: usize = 256 * 1024;

/// How long a JSON body may take: less than [`crate::actions::PATIENCE`], so that whoever waits is told for what.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a form at most that are not its file.
const FORM_BYTES: u64 = 64 * 1024;

/// Everything that actions need.
pub type Ctx = web::Data<Context>;

/// A person who proved who they are.
#[derive(Debug)]
pub struct Signed(pub Caller);

/// A JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A body of any size, as long as it goes on coming, and not too slowly. Only the client is waited for: who is slow to take
/// it does not end it.
pub struct Body(pub LocalBoxStream<'static, Result<Bytes, PayloadError>>);

/// A form with files, read field by field as it comes.
pub struct Form {
    /// The fields.
    pub fields: Multipart,
    /// How many bytes a file in it has in any case, as the request says.
    pub least: u64,
}

/// The query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// The variable parts of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl FromRequest for Signed {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let ctx = request.app_data::<Ctx>().expect("boot gives every app its context");
            let token = bearer(&request).ok_or(Error::from(AuthFailure::Unauthenticated))?;
            Ok(Self(sessions::authenticate(ctx, &token).await?))
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let length = declared_length(request);
        let is_empty = length.unwrap_or(0) == 0 && !request.headers().contains_key(header::TRANSFER_ENCODING);
        let payload = payload.take();
        Box::pin(async move {
            if !is_json && !is_empty {
                let says = "The body must be application/json.";
                return Err(Problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", says));
            }
            if length.is_some_and(|length| length > BODY_BYTES as u64) {
                return Err(too_large());
            }
            let mut body = timeout(BODY_PATIENCE, gather(payload)).await.unwrap_or_else(|_| Err(too_slow()))?;
            // No body says the same as one without fields.
            if body.is_empty() {
                body.extend_from_slice(b"{}");
            }
            Ok(Self(json::read(&body)?))
        })
    }
}

impl FromRequest for Form {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let least = declared_length(request).unwrap_or(0).saturating_sub(FORM_BYTES);
        let mut body = Payload::Stream { payload: Body::of(request, payload).0 };
        let fields = Multipart::from_request(request, &mut body).into_inner();
        let fields = fields.expect("what is wrong with a form is told when it is read");
        std::future::ready(Ok(Self { fields, least }))
    }
}

/// How forms are read: with little of each in memory.
pub fn forms() -> MultipartConfig {
    MultipartConfig::new().buffer_limit(MOUTHFUL)
}

impl FromRequest for Body {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self::of(request, payload)))
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let query = web::Query::<T>::from_query(request.query_string());
        std::future::ready(query.map(|query| Self(query.into_inner())).map_err(|error| {
            let says = format!("The query is not understood: {error}.");
            Problem::plain(StatusCode::BAD_REQUEST, "bad_request", says)
        }))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Path<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = web::Path::<T>::from_request(request, payload).into_inner();
        let malformed = Error::Malformed("An id in the path is not a UUID.");
        std::future::ready(parts.map(|parts| Self(parts.into_inner())).map_err(|_| malformed.into()))
    }
}

impl Body {
    fn of(request: &HttpRequest, payload: &mut Payload) -> Self {
        let body = OnDemand::of(request, payload.take());
        let pieces = unfold((body, Pace::default()), async |(mut body, mut pace)| {
            let piece = pace.next(&mut body).await?;
            Some((piece, (body, pace)))
        });
        Self(pieces.fuse().boxed_local())
    }
}

/// The body did not come in time.
pub fn too_slow() -> Problem {
    Problem::plain(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body did not come in time.")
}

/// The rows of a page that a client asked for: 1 to 100, 50 where nothing is said.
pub fn limit(asked: Option<i64>) -> Result<usize, Error> {
    match asked.map(usize::try_from) {
        None => Ok(page::DEFAULT_LIMIT),
        Some(Ok(limit @ 1..=page::MAX_LIMIT)) => Ok(limit),
        Some(_) => Err(Error::field("limit", "out_of_range", format!("Between 1 and {}.", page::MAX_LIMIT))),
    }
}

/// The token in the Authorization header (RFC 6750).
pub fn bearer(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

async fn gather(mut payload: Payload) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Error::Malformed("The body ended early."))?;
        if body.len() + chunk.len() > BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large() -> Problem {
    let says = format!("The body must not exceed {BODY_BYTES} bytes.");
    Problem::plain(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", says)
}

/// How long the body is said to be.
fn declared_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.content_type();
    content_type.eq_ignore_ascii_case("application/json") || content_type.to_ascii_lowercase().ends_with("+json")
}
