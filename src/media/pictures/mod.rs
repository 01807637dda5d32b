//! Pictures: what is kept of them, and smaller ones made of them. Invariant: nothing that a camera or a program says of
//! where, when and by whom a picture was made leaves this room; and none is opened that is more than `bounds` allow.
//!
//! A picture that needs no turning and is of a reasonable size keeps its coded pixels, in a container without all else.
//! One that is to be turned, or larger than screens show, is coded anew. What moves is never coded anew, and neither is
//! AVIF. All is made at once, so that no message waits for it.

mod avif;
pub(super) mod bounds;
mod container;
pub(super) mod flaw;
mod pixels;

use bytes::Bytes;
use image::metadata::Orientation;

use self::{
    bounds::Deadline,
    container::{Stripped, strip},
    flaw::Flaw,
    pixels::Pixels,
};
use super::workshop::{Examined, Refusal};
use crate::domain::{
    attachment::{Details, THUMBNAIL_WIDTHS},
    avatar,
    policy::rules::Keep,
};

/// Looks at a picture: how large it is, what is kept of it, and smaller ones.
pub(super) fn examine(bytes: &[u8], (mime_type, keep): (&str, Keep)) -> Result<Examined, Flaw> {
    let deadline = Deadline::begin();
    let stripped = strip(bytes, mime_type)?;
    let pixels = pixels_of(&stripped, mime_type, deadline)?;
    if let Some(size) = stripped.size {
        let shown = Shown { size, is_moving: stripped.is_moving, kept: stripped.bytes.into() };
        return shown.with(pixels.map(Pixels::in_srgb).as_ref(), deadline);
    }
    let pixels = pixels.ok_or(Flaw::Broken)?;
    let size_as_stripped = pixels.size();
    let longest = if keep == Keep::Original { u32::MAX } else { bounds::KEPT_SIDE };
    let pixels = pixels.within(longest)?.turned(stripped.orientation).in_srgb();
    deadline.check()?;
    let anew = coded_anew(&stripped, &pixels, size_as_stripped, (mime_type, keep))?;
    deadline.check()?;
    let size = if anew.is_some() { pixels.size() } else { size_as_stripped };
    let kept = anew.unwrap_or_else(|| stripped.bytes.into());
    Shown { size, is_moving: stripped.is_moving, kept }.with(Some(&pixels), deadline)
}

/// Makes the squares of which an avatar consists out of a picture, by their sides.
pub(super) fn avatar(bytes: &[u8], mime_type: &str) -> Result<Examined, Refusal> {
    let deadline = Deadline::begin();
    let stripped = strip(bytes, mime_type)?;
    let unknown = || Refusal::Unsupported("This picture is coded in a way that is not known here.".to_owned());
    let mut pixels = pixels_of(&stripped, mime_type, deadline)?.ok_or_else(unknown)?;
    let mut squares = Vec::new();
    let mut orientation = stripped.orientation;
    for side in avatar::SIDES.into_iter().rev() {
        deadline.check()?;
        pixels = pixels.square(side)?.turned(orientation).in_srgb();
        orientation = Orientation::NoTransforms;
        squares.push((side, pixels.webp(pixels::SMALL_QUALITY)?));
    }
    Ok(Examined { thumbnails: squares, ..Examined::default() })
}

/// The pixels of a stripped picture; nothing where they are coded in a way that is not known, which only AVIF can be.
fn pixels_of(stripped: &Stripped, mime_type: &str, deadline: Deadline) -> Result<Option<Pixels>, Flaw> {
    match stripped.size {
        None => Pixels::read(&stripped.bytes, mime_type, deadline).map(Some),
        Some(size) => match avif::read(&stripped.bytes)? {
            Some(pixels) if pixels.size() != size => Err(Flaw::Broken),
            pixels => Ok(pixels),
        },
    }
}

/// How a picture is shown.
struct Shown {
    size: (u32, u32),
    is_moving: bool,
    kept: Bytes,
}

impl Shown {
    /// Shows it with smaller ones, where its pixels are known. What moves has one that does not, however small it is.
    fn with(self, pixels: Option<&Pixels>, deadline: Deadline) -> Result<Examined, Flaw> {
        let (width, height) = self.size;
        let details = Details { width: Some(width), height: Some(height), ..Details::default() };
        let Some(pixels) = pixels else {
            return Ok(Examined { details, instead: Some(self.kept), ..Examined::default() });
        };
        let [.., smallest] = THUMBNAIL_WIDTHS;
        let is_wanted = |thumbnail: &u32| *thumbnail < width || self.is_moving && *thumbnail == smallest;
        let mut thumbnails = Vec::new();
        let mut smaller = None;
        for thumbnail in THUMBNAIL_WIDTHS.into_iter().filter(is_wanted) {
            // Each is made of the one before, since pixels are many.
            let next = smaller.as_ref().unwrap_or(pixels).of_width(thumbnail.min(width))?;
            thumbnails.push((thumbnail, next.webp(pixels::SMALL_QUALITY)?));
            deadline.check()?;
            smaller = Some(next);
        }
        thumbnails.reverse();
        let details = Details {
            blurhash: Some(smaller.as_ref().unwrap_or(pixels).blurhash()?),
            thumbnails: thumbnails.iter().map(|(width, _)| *width).collect(),
            ..details
        };
        Ok(Examined { details, instead: Some(self.kept), thumbnails, ..Examined::default() })
    }
}

/// The picture coded anew, where it must be turned or is worth making smaller.
fn coded_anew(
    stripped: &Stripped,
    pixels: &Pixels,
    size_before: (u32, u32),
    (mime_type, keep): (&str, Keep),
) -> Result<Option<Bytes>, Flaw> {
    let must_turn = stripped.orientation != Orientation::NoTransforms;
    let is_large = size_before.0.max(size_before.1) > bounds::KEPT_SIDE
        || mime_type == "image/jpeg" && stripped.bytes.len() > bounds::KEPT_BYTES;
    let may_shrink = is_large && keep == Keep::Reasonable;
    if stripped.is_moving || !must_turn && !may_shrink {
        return Ok(None);
    }
    let anew = pixels.coded(mime_type)?;
    if anew.len() as u64 > bounds::BYTES {
        return Err(Flaw::TooManyBytes);
    }
    // Pixels that were lost for a few bytes would be lost for nothing.
    let is_worth_it = anew.len() < stripped.bytes.len() / 4 * 3;
    Ok((must_turn || is_worth_it).then_some(anew))
}
