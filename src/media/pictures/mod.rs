//! Pictures: what is kept of them, and smaller ones made of them. Invariant: nothing that a camera or a program says of
//! where, when and by whom a picture was made leaves this room; and none is opened that is more than `bounds` allow.
//!
//! A picture that needs no turning and is of a reasonable size keeps its coded pixels, in a container without all else.
//! One that is to be turned, or larger than screens show, is coded anew. What moves is never coded anew, and neither is
//! AVIF, whose pixels are read in a process of its own (`apart`). All is made at once, so that no message waits for it.

pub mod apart;
mod avif;
mod bounds;
mod container;
mod flaw;
mod pixels;

use std::{fs::File, io::Read, path::Path};

use bytes::Bytes;
use image::metadata::Orientation;

use self::{
    bounds::Deadline,
    container::{Stripped, strip},
    flaw::Flaw,
    pixels::Pixels,
};
use super::{examine::Examined, trouble};
use crate::domain::{
    attachment::{AttachmentKind, Details, FileType, THUMBNAIL_WIDTHS},
    avatar,
    error::{Error, Result},
    policy::rules::Keep,
};

/// Looks at a picture: how large it is, what is kept of it, and smaller ones.
pub(super) fn examine(file: &mut File, file_type: FileType, keep: Keep, program: &Path) -> Result<Examined> {
    let bytes = read(file)?;
    look(&bytes, (file_type.mime_type, keep), program)
}

/// Makes the squares of which an avatar consists out of a picture, by their sides.
pub fn avatar(file: &mut File, file_type: FileType, program: &Path) -> Result<Vec<(u32, Bytes)>> {
    if file_type.kind != AttachmentKind::Image {
        return Err(unfit("An avatar is a JPEG, PNG, GIF, WebP or AVIF."));
    }
    let bytes = read(file)?;
    squares(&bytes, file_type.mime_type, program)
}

fn unfit(why: &str) -> Error {
    Error::UnsupportedFile(why.to_owned())
}

fn read(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.by_ref().take(bounds::BYTES + 1).read_to_end(&mut bytes).map_err(trouble)?;
    if bytes.len() as u64 > bounds::BYTES { Err(Flaw::TooManyBytes.into()) } else { Ok(bytes) }
}

fn look(bytes: &[u8], (mime_type, keep): (&str, Keep), program: &Path) -> Result<Examined> {
    let deadline = Deadline::begin();
    let stripped = strip(bytes, mime_type)?;
    let pixels = pixels_of(&stripped, mime_type, program, deadline)?;
    if let Some(size) = stripped.size {
        return Ok(shown(size, pixels.map(Pixels::in_srgb).as_ref(), stripped.bytes.into(), deadline)?);
    }
    let pixels = pixels.ok_or(Flaw::Broken)?;
    let size_as_stripped = pixels.size();
    let longest = if keep == Keep::Original { u32::MAX } else { bounds::KEPT_SIDE };
    let pixels = pixels.within(longest)?.turned(stripped.orientation).in_srgb();
    deadline.check()?;
    let anew = coded_anew(&stripped, &pixels, size_as_stripped, (mime_type, keep))?;
    deadline.check()?;
    let size = if anew.is_some() { pixels.size() } else { size_as_stripped };
    Ok(shown(size, Some(&pixels), anew.unwrap_or_else(|| stripped.bytes.into()), deadline)?)
}

/// The pixels of a stripped picture; nothing where they are coded in a way that is not known, which only AVIF can be.
fn pixels_of(stripped: &Stripped, mime_type: &str, program: &Path, deadline: Deadline) -> Result<Option<Pixels>> {
    match stripped.size {
        None => Ok(Some(Pixels::read(&stripped.bytes, mime_type, deadline)?)),
        Some(size) => match apart::read(program, &stripped.bytes, deadline)? {
            Some(pixels) if pixels.size() != size => Err(Flaw::Broken.into()),
            pixels => Ok(pixels),
        },
    }
}

/// How a picture of this size is shown: with smaller ones, where its pixels are known.
fn shown(
    (width, height): (u32, u32),
    pixels: Option<&Pixels>,
    kept: Bytes,
    deadline: Deadline,
) -> Result<Examined, Flaw> {
    let details = Details { width: Some(width), height: Some(height), ..Details::default() };
    let Some(pixels) = pixels else {
        return Ok(Examined { details, instead: Some(kept), thumbnails: Vec::new() });
    };
    let mut thumbnails = Vec::new();
    let mut smaller = None;
    for thumbnail in THUMBNAIL_WIDTHS.into_iter().filter(|thumbnail| *thumbnail < width) {
        // Each is made of the one before, since pixels are many.
        let next = smaller.as_ref().unwrap_or(pixels).of_width(thumbnail)?;
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
    Ok(Examined { details, instead: Some(kept), thumbnails })
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
    // Pixels that were lost for a few bytes would be lost for nothing.
    let is_worth_it = anew.len() < stripped.bytes.len() / 4 * 3;
    Ok((must_turn || is_worth_it).then_some(anew))
}

fn squares(bytes: &[u8], mime_type: &str, program: &Path) -> Result<Vec<(u32, Bytes)>> {
    let deadline = Deadline::begin();
    let stripped = strip(bytes, mime_type)?;
    let pixels = pixels_of(&stripped, mime_type, program, deadline)?;
    let mut pixels = pixels.ok_or_else(|| unfit("This picture is coded in a way that is not known here."))?;
    let mut squares = Vec::new();
    let mut orientation = stripped.orientation;
    for side in avatar::SIDES.into_iter().rev() {
        deadline.check()?;
        pixels = pixels.square(side)?.turned(orientation).in_srgb();
        orientation = Orientation::NoTransforms;
        squares.push((side, pixels.webp(pixels::SMALL_QUALITY)?));
    }
    Ok(squares)
}
