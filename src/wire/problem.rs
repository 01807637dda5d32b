//! The one envelope in which every refusal travels, over REST and sockets: RFC 9457 problem details.

use serde::Serialize;
use strum::VariantArray;
use utoipa::{PartialSchema, ToSchema, openapi};

use crate::domain::error::{AuthFailure, Conflict, Error, FieldError, Reason, whole_seconds};

/// The id of a request, in its log lines, its problems and its `X-Request-Id`.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// A refusal, as `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// Always `about:blank`; `code` tells refusals apart.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: &'static str,
    /// The status in words.
    #[schema(example = "Not Found")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// A sentence for people.
    #[schema(example = "There is no such conversation.")]
    pub detail: String,
    /// The stable word by which clients tell refusals apart.
    #[schema(schema_with = code_schema)]
    pub code: &'static str,
    /// To find this request in the logs.
    pub request_id: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Seconds to wait before trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The communication rule that was missed, for `against_rules`; by its place in the server's policy file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "groups.batch.made_by")]
    pub rule: Option<String>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The field's name, with dots into nested ones; empty for the body as a whole.
    pub field: String,
    /// A stable word.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// Codes of refusals that carry data or come from the transport itself.
const OTHER_CODES: [&str; 21] = [
    "against_rules",
    "not_found",
    "username_taken",
    "email_taken",
    "taken",
    "limit_reached",
    "validation_failed",
    "bad_request",
    "malformed_json",
    "method_not_allowed",
    "request_timeout",
    "payload_too_large",
    "unsupported_media_type",
    "unsupported_version",
    "checksum_mismatch",
    "upgrade_required",
    "rate_limited",
    "storage_full",
    "range_not_satisfiable",
    "unavailable",
    "internal",
];

impl ProblemView {
    /// The problem that a refusal is.
    pub fn of(error: &Error, request_id: String) -> Self {
        let (status, title) = status(error);
        let mut problem = Self::plain(status, title, error.code(), error.to_string(), request_id);
        match error {
            Error::Invalid(fields) => problem.errors = fields.iter().cloned().map(FieldProblem::from).collect(),
            Error::SlowDown { retry_after, .. } => problem.retry_after = Some(whole_seconds(*retry_after)),
            Error::Unavailable(_) => problem.retry_after = Some(1),
            Error::AgainstRules(denial) => problem.rule = Some(denial.rule.clone()),
            _ => {}
        }
        if let [field] = problem.errors.as_slice() {
            problem.detail = match field.field.as_str() {
                "" => field.message.clone(),
                name => format!("`{name}`: {}", field.message),
            };
        }
        problem
    }

    /// A problem of the transport itself, such as an unknown route.
    pub fn plain(status: u16, title: &'static str, code: &'static str, detail: String, request_id: String) -> Self {
        let retryable = matches!(status, 408 | 429 | 503) || code == "idempotency_in_progress";
        let (kind, errors) = ("about:blank", Vec::new());
        Self { kind, title, status, detail, code, request_id, retryable, errors, retry_after: None, rule: None }
    }
}

impl From<FieldError> for FieldProblem {
    fn from(error: FieldError) -> Self {
        Self { field: error.field, code: error.code, message: error.message }
    }
}

fn status(error: &Error) -> (u16, &'static str) {
    match error {
        Error::Unauthenticated(_) => (401, "Unauthorized"),
        Error::NotAllowed(_) | Error::AgainstRules(_) => (403, "Forbidden"),
        Error::NotFound(_) => (404, "Not Found"),
        Error::Taken(_) | Error::Conflict(_) | Error::LimitReached { .. } => (409, "Conflict"),
        Error::Invalid(_) => (422, "Unprocessable Content"),
        Error::TooLarge { .. } => (413, "Content Too Large"),
        Error::UnsupportedFile(_) => (415, "Unsupported Media Type"),
        // A status of the tus protocol's own.
        Error::ChecksumMismatch => (460, "Checksum Mismatch"),
        Error::StorageFull => (507, "Insufficient Storage"),
        Error::Malformed(_) => (400, "Bad Request"),
        Error::SlowDown { .. } => (429, "Too Many Requests"),
        Error::Unavailable(_) => (503, "Service Unavailable"),
        Error::Internal(_) => (500, "Internal Server Error"),
    }
}

fn code_schema() -> openapi::RefOr<openapi::Schema> {
    let mut codes: Vec<&'static str> = OTHER_CODES.to_vec();
    codes.extend(AuthFailure::VARIANTS.iter().map(<&'static str>::from));
    codes.extend(Reason::VARIANTS.iter().map(<&'static str>::from));
    codes.extend(Conflict::VARIANTS.iter().map(<&'static str>::from));
    let openapi::RefOr::T(openapi::Schema::Object(mut schema)) = String::schema() else {
        return String::schema();
    };
    schema.enum_values = Some(codes.into_iter().map(Into::into).collect());
    openapi::Schema::Object(schema).into()
}
