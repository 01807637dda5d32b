//! Which page of a list a client asks for.

use serde::Deserialize;
use utoipa::IntoParams;

use super::extract;
use crate::domain::{error::Error, ids::UserId};

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
    /// Of a list that is ordered by person: the last one of the page before, and the rows of this one.
    pub fn after_person(&self) -> Result<(Option<UserId>, usize), Error> {
        let malformed = Error::Malformed("The cursor is not one that was given out.");
        let after = self.cursor.as_deref().map(str::parse).transpose().map_err(|_| malformed)?;
        Ok((after, self.limit()?))
    }

    /// The rows of the page.
    pub fn limit(&self) -> Result<usize, Error> {
        extract::limit(self.limit)
    }
}
