//! Which page of a list a client asks for.

use serde::Deserialize;
use utoipa::IntoParams;

use super::extract;
use crate::domain::error::Error;

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The rows of the page.
    pub fn limit(&self) -> Result<usize, Error> {
        extract::limit(self.limit)
    }
}
