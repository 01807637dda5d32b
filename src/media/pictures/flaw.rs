//! Why a picture is not taken: what is wrong with it, or what it would cost to look at it.

use std::io;

use image::ImageError;
use serde::{Deserialize, Serialize};

use super::bounds;
use crate::domain::error::Error;

/// Why a picture is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Flaw {
    /// It ends before it should.
    #[error("The picture is cut off.")]
    Truncated,
    /// It is not what it begins as.
    #[error("The picture is damaged.")]
    Broken,
    /// The file is too large to be opened.
    #[error("A picture's file may have at most {} bytes.", bounds::BYTES)]
    TooManyBytes,
    /// It would take too much memory.
    #[error("A picture may have at most {} million pixels and {} on a side.", bounds::PIXELS / 1_000_000, bounds::SIDE)]
    TooManyPixels,
    /// It moves for too long.
    #[error("A picture may have at most {} frames.", bounds::FRAMES)]
    TooManyFrames,
    /// It would take too much time.
    #[error("The picture takes too long to open.")]
    TooSlow,
}

impl Flaw {
    fn code(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Broken => "broken",
            Self::TooManyBytes => "too_many_bytes",
            Self::TooManyPixels => "too_many_pixels",
            Self::TooManyFrames => "too_many_frames",
            Self::TooSlow => "too_slow",
        }
    }
}

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        Self::field("file", flaw.code(), flaw.to_string())
    }
}

impl From<ImageError> for Flaw {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooManyPixels,
            ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Truncated,
            ImageError::IoError(error) if error.kind() == io::ErrorKind::TimedOut => Self::TooSlow,
            _ => Self::Broken,
        }
    }
}
