//! What came back from a call, and what a test may ask of it.

use reqwest::{Response, header::HeaderMap};
use serde_json::{Map, Value, json};

/// An answer, with what it answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The call, for failure messages.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON where it is that, else a string; null where there is none.
    pub body: Value,
}

impl Reply {
    /// Reads a response to its end.
    pub async fn read(asked: String, response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap_or_else(|error| panic!("{asked}: the body broke off: {error}"));
        let body = match text.as_str() {
            "" => Value::Null,
            _ => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        Self { asked, status, headers, body }
    }

    /// The body, if the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert!(self.status == status, "{} should answer {status}, but:\n{self}", self.asked);
        self.body
    }

    /// The problem, if it is this one and in the contract's envelope.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let is_it = self.status == status && self.body["code"] == code;
        assert!(is_it, "{} should be refused with {status} {code}, but:\n{self}", self.asked);
        self.check_envelope();
        self.body
    }

    /// The problem with this status, whatever its code.
    #[track_caller]
    pub fn refused_with(self, status: u16) -> Value {
        let code = self.body["code"].as_str().unwrap_or_default().to_owned();
        self.refused(status, &code)
    }

    /// The problem, which must be one of 422 about this field.
    #[track_caller]
    pub fn refused_for(self, field: &str) -> Value {
        let asked = self.asked.clone();
        let problem = self.refused(422, "validation_failed");
        let named = super::each(&problem["errors"], "field");
        assert!(named.contains(&&json!(field)), "{asked} should be refused for `{field}`, but:\n{problem:#}");
        problem
    }

    /// A header's text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and body for a snapshot, without what differs each time.
    pub fn shape(&self) -> Value {
        json!({"status": self.status, "body": redacted(&self.body)})
    }

    #[track_caller]
    fn check_envelope(&self) {
        let problem = &self.body;
        let is_whole = self.header("content-type").starts_with("application/problem+json")
            && problem["type"].is_string()
            && problem["title"].is_string()
            && problem["detail"].is_string()
            && problem["retryable"].is_boolean()
            && problem["status"] == self.status
            && problem["request_id"] == self.header("x-request-id");
        assert!(is_whole, "{} should be refused in the envelope of RFC 9457, but:\n{self}", self.asked);
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{:#}", self.status, self.headers, self.body)
    }
}

/// JSON for a snapshot: ids, times and tokens are replaced by what they are.
pub fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(redacted_text(text)),
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (redacted_text(name), redacted_field(name, value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn redacted_field(name: &str, value: &Value) -> Value {
    let is_secret = matches!(name, "access_token" | "refresh_token" | "ticket" | "own_cursor" | "next_cursor");
    if is_secret && value.is_string() { json!(format!("[{name}]")) } else { redacted(value) }
}

fn redacted_text(text: &str) -> String {
    if uuid::Uuid::try_parse(text).is_ok() {
        return "[id]".to_owned();
    }
    if is_time(text) {
        return "[time]".to_owned();
    }
    text.to_owned()
}

/// RFC 3339 in UTC with milliseconds or finer.
pub fn is_time(text: &str) -> bool {
    let fraction = text.strip_suffix('Z').and_then(|text| text.split_once('.')).map(|(_, fraction)| fraction);
    let is_fine = fraction.is_some_and(|digits| digits.len() >= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    is_fine && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}
