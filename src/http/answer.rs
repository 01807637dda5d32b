//! What handlers answer with when all went well.

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, http::StatusCode};
use serde::Serialize;

use super::problem::Problem;

/// What a handler returns.
pub type Outcome<T> = Result<Answer<T>, Problem>;

/// A success.
#[derive(Debug)]
pub enum Answer<T> {
    /// 200 with the thing.
    Ok(T),
    /// 201 with the new thing.
    Created(T),
    /// 202 with what will come of it.
    Accepted(T),
    /// 204.
    NoContent,
}

impl<T> Answer<T> {
    /// 201 where it was made, 200 where it was there already.
    pub fn created_if(is_new: bool, thing: T) -> Self {
        if is_new { Self::Created(thing) } else { Self::Ok(thing) }
    }

    /// The answer to a retry of what made the thing: as at first, when it was new.
    #[must_use]
    pub fn as_at_first(self) -> Self {
        if let Self::Ok(thing) = self { Self::Created(thing) } else { self }
    }
}

impl<T: Serialize> Responder for Answer<T> {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Ok(thing) => HttpResponse::Ok().json(thing),
            Self::Created(thing) => HttpResponse::build(StatusCode::CREATED).json(thing),
            Self::Accepted(thing) => HttpResponse::Accepted().json(thing),
            Self::NoContent => HttpResponse::NoContent().finish(),
        }
    }
}
