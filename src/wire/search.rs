//! Found messages, as clients see them.

use serde::Serialize;
use utoipa::ToSchema;

use super::messages::MessageView;
use crate::domain::search::{Found, highlight::Highlight};

/// A message that was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = FoundMessage)]
pub struct FoundMessageView {
    /// The message.
    pub message: MessageView,
    /// How well it fits, 0 to 1; 0 where no words were looked for.
    #[schema(example = 0.303_963)]
    pub rank: f64,
    /// Why it was found.
    pub highlight: HighlightView,
}

/// Why a message was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Highlight)]
pub struct HighlightView {
    /// A part of the body around what was found first: plain text on one line, with … where it was cut. The name of the file
    /// where only that fits.
    #[schema(example = "See you at eight.")]
    pub snippet: String,
    /// What was found in the body: from and up to, in Unicode scalars; ascending, at most 100.
    #[schema(example = json!([[4, 7]]))]
    pub ranges: Vec<(usize, usize)>,
}

impl From<Found> for FoundMessageView {
    fn from(found: Found) -> Self {
        Self { message: found.message.into(), rank: found.rank, highlight: found.highlight.into() }
    }
}

impl From<Highlight> for HighlightView {
    fn from(highlight: Highlight) -> Self {
        Self { snippet: highlight.snippet, ranges: highlight.ranges }
    }
}
