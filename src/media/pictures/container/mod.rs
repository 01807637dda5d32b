//! The containers of pictures, taken apart and put together without what tells of the one who took them. What shows
//! the picture is kept byte by byte; what is not known to be needed for that is not kept.

pub(super) mod avif;
mod gif;
mod jpeg;
mod png;
mod webp;

use image::metadata::Orientation;

use super::flaw::Flaw;

/// A picture's file without what does not show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stripped {
    /// What is left.
    pub bytes: Vec<u8>,
    /// How what was removed said that it is to be turned.
    pub orientation: Orientation,
    /// Whether it moves.
    pub is_moving: bool,
    /// Pixels across and down as it is shown, where nobody else can tell.
    pub size: Option<(u32, u32)>,
}

/// Strips a picture of this type.
pub fn strip(bytes: &[u8], mime_type: &str) -> Result<Stripped, Flaw> {
    let stripped = match mime_type {
        "image/jpeg" => jpeg::strip(bytes),
        "image/png" => png::strip(bytes),
        "image/gif" => gif::strip(bytes),
        "image/webp" => webp::strip(bytes),
        "image/avif" => avif::strip(bytes),
        _ => Err(Flaw::Broken),
    }?;
    // What moves is made by programs, and stays as it lies.
    let orientation = if stripped.is_moving { Orientation::NoTransforms } else { stripped.orientation };
    Ok(Stripped { orientation, ..stripped })
}

/// Bytes that are taken from the front, as many as there are.
struct Front<'a>(&'a [u8]);

impl<'a> Front<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Flaw::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Flaw::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        self.array().map(|[byte]| byte)
    }

    /// A number of so many bytes, the largest part first.
    fn number(&mut self, bytes: usize) -> Result<u64, Flaw> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// How EXIF says that the picture is to be turned.
fn orientation_of(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}
