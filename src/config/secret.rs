//! Text that must never reach a log.

use std::{convert::Infallible, fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// A secret setting; its `Debug` form says only that there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whoever has to use it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether this is what somebody gave; takes as long whether much of it is right or little.
    pub fn matches(&self, given: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(given)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}
