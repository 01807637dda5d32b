//! What every request and answer of the tus protocol says beside what it is about.

use std::pin::Pin;

use actix_web::{
    Error, FromRequest, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
};

use crate::{
    domain::user::Caller,
    http::{extract::Signed, problem::Problem},
};

/// The version that is spoken.
pub const VERSION: &str = "1.0.0";

/// Headers of answers that scripts of other sites may read.
pub const HEADERS: [&str; 10] = [
    "Location",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
];

/// A person who proved who they are, and speaks the same version.
#[derive(Debug)]
pub struct Speaker(pub Caller);

impl FromRequest for Speaker {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_spoken = request.headers().get("Tus-Resumable").is_some_and(|version| version == VERSION);
        let signed = Signed::from_request(request, payload);
        Box::pin(async move {
            let Signed(caller) = signed.await?;
            let says = || format!("Tus-Resumable must be {VERSION}.");
            let refusal = || Problem::plain(StatusCode::PRECONDITION_FAILED, "unsupported_version", says());
            is_spoken.then_some(Self(caller)).ok_or_else(refusal)
        })
    }
}

/// Wraps every request, which may mean another method than it could send, and every answer.
pub async fn speak(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.method() == Method::POST
        && let Some(method) = meant_method(&request)
    {
        request.head_mut().method = method;
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    let version = HeaderValue::from_static(VERSION);
    if response.status() == StatusCode::PRECONDITION_FAILED {
        response.headers_mut().insert(HeaderName::from_static("tus-version"), version.clone());
    }
    response.headers_mut().insert(HeaderName::from_static("tus-resumable"), version);
    Ok(response)
}

fn meant_method(request: &ServiceRequest) -> Option<Method> {
    let meant = request.headers().get("X-HTTP-Method-Override")?.to_str().ok()?;
    [Method::PATCH, Method::DELETE, Method::HEAD].into_iter().find(|method| method.as_str() == meant)
}
