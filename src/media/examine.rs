//! What there is to be told of a file beyond its type, and what of it is kept: by its kind.

use std::{fs::File, path::Path};

use bytes::Bytes;

use super::{pictures, probe};
use crate::domain::{
    attachment::{AttachmentKind, Details, FileType},
    error::Result,
    policy::rules::Keep,
};

/// What came of looking into a file. By default nothing is known and all of it is kept as it came.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// What can be told of it.
    pub details: Details,
    /// What is kept and served instead of the bytes that came.
    pub instead: Option<Bytes>,
    /// Smaller pictures of it, by their width; those that `details` names.
    pub thumbnails: Vec<(u32, Bytes)>,
}

/// Looks into a file, from its beginning. Takes a core and memory, both bounded: to be called through `Media::open`.
pub fn examine(file: &mut File, file_type: FileType, keep: Keep, program: &Path) -> Result<Examined> {
    match file_type.kind {
        AttachmentKind::Image => pictures::examine(file, file_type, keep, program),
        AttachmentKind::Video | AttachmentKind::Audio | AttachmentKind::VoiceNote | AttachmentKind::File => {
            Ok(Examined { details: probe::details(file, file_type), ..Examined::default() })
        }
    }
}
