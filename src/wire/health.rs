//! How the server is, for load balancers.

use serde::Serialize;
use utoipa::ToSchema;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthView {
    /// `ok`, or `degraded` (it serves, but not all is well).
    #[schema(example = "ok")]
    pub status: &'static str,
}
