//! Places on earth, as people send them.

use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Result},
    limits,
    policy::redaction::Redaction,
    text,
};

/// A place on earth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Location {
    /// Degrees north, −90 to 90.
    pub latitude: f64,
    /// Degrees east, −180 to 180.
    pub longitude: f64,
    /// What the place is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Location {
    /// The same without what is taken out of texts.
    #[must_use]
    pub fn redacted(self, redaction: &Redaction) -> Self {
        Self { label: redaction.option(self.label), ..self }
    }

    /// Refuses what is nowhere on earth.
    pub fn check(&self) -> Result<()> {
        if !(-90.0..=90.0).contains(&self.latitude) {
            return Err(Error::field("location.latitude", "out_of_range", "Between -90 and 90."));
        }
        if !(-180.0..=180.0).contains(&self.longitude) {
            return Err(Error::field("location.longitude", "out_of_range", "Between -180 and 180."));
        }
        self.label.as_ref().map_or(Ok(()), |label| text::check_length("location.label", label, limits::NAME_CHARACTERS))
    }
}
