//! Refusals over REST: `application/problem+json` for everything, whoever refused.

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
};

use crate::{
    domain::error::Error,
    wire::{json::Unreadable, problem::ProblemView},
};

/// A refusal on its way out; the request's id is filled in by the middleware that knows it.
#[derive(Debug)]
pub struct Problem {
    view: Box<ProblemView>,
    quota: Option<u32>,
    header: Option<(HeaderName, String)>,
}

impl Problem {
    /// A refusal by the transport itself.
    pub fn plain(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let view = ProblemView::plain(status.as_u16(), title, code, detail.into(), String::new());
        Self { view: Box::new(view), quota: None, header: None }
    }

    /// The same with what its status says in a header.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: &str) -> Self {
        Self { header: Some((name, value.to_owned())), ..self }
    }

    /// What a client sees of it, with the id of its request.
    pub fn view(&self, request_id: &str) -> ProblemView {
        ProblemView { request_id: request_id.to_owned(), ..(*self.view).clone() }
    }

    /// The same refusal as an answer.
    pub fn response(&self, request_id: &str) -> HttpResponse {
        let view = self.view(request_id);
        let mut response = HttpResponseBuilder::new(self.status_code());
        if let Some(seconds) = view.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(quota) = self.quota {
            response.insert_header(("RateLimit-Limit", quota));
            response.insert_header(("RateLimit-Remaining", 0));
            response.insert_header(("RateLimit-Reset", view.retry_after.unwrap_or(1)));
        }
        if let Some(header) = &self.header {
            response.insert_header(header.clone());
        }
        if view.status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.content_type("application/problem+json").json(view)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if let Error::Internal(source) = &error {
            tracing::error!(error = ?source, "A request failed: {source:#}");
        }
        let quota = match error {
            Error::SlowDown { quota, .. } => Some(quota),
            _ => None,
        };
        Self { view: Box::new(ProblemView::of(&error, String::new())), quota, header: None }
    }
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Malformed(says) => {
                Self::plain(StatusCode::BAD_REQUEST, "malformed_json", format!("The body is not JSON: {says}."))
            }
            Unreadable::Unacceptable(error) => error.into(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.view.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.view.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.response("")
    }
}
