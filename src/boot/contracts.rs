//! The generated contracts, for the command line.

use crate::http::docs;

/// `openapi.yaml`.
pub fn openapi() -> String {
    docs::openapi_yaml()
}

/// `asyncapi.yaml`.
pub fn asyncapi() -> String {
    docs::asyncapi_yaml()
}
