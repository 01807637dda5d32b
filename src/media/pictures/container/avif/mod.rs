//! AVIF (AV1 Image File Format over ISO/IEC 23008-12): boxes in boxes, and items that are pointed to.
//!
//! It is never put together anew: what is removed is overwritten where it is, for places are counted from the file's
//! beginning.

mod boxes;
mod coded;
mod meta;
mod track;

use image::metadata::Orientation;

pub use self::coded::{Coded, Layer, Meaning, View};
use self::{
    boxes::{Part, part, parts},
    meta::Meta,
};
use super::{super::bounds, Flaw, Stripped};

/// Items that tell of anything but the picture: EXIF, XMP, or anything else with a media type or an address.
const TELLING: [&[u8; 4]; 3] = [b"Exif", b"mime", b"uri "];
/// The boxes around what is said of what moves, from the outermost.
const MOVING: [&[u8; 4]; 4] = [b"moov", b"trak", b"mdia", b"minf"];

pub(super) fn strip(bytes: &[u8]) -> Result<Stripped, Flaw> {
    let top = parts(bytes, 0..bytes.len())?;
    let mut kept = bytes.to_vec();
    let size = match part(&top, *b"meta") {
        Ok(place) => {
            let meta = Meta::read(bytes, place)?;
            silence(&mut kept, &meta)?;
            let whole = meta.size_of(meta.primary)?;
            bounds::check_size(whole.0, whole.1)?;
            coded::view(&meta, meta.primary)?.size(whole)
        }
        Err(_) => track::size(bytes, part(&top, *b"moov")?)?,
    };
    blank(&mut kept, &top, &MOVING)?;
    let is_moving = top.iter().any(|(kind, _)| kind == b"moov");
    Ok(Stripped { bytes: kept, orientation: Orientation::NoTransforms, is_moving, size: Some(size) })
}

/// The picture in a stripped file as it is coded, or the first of one that moves and has no still one beside it; nothing
/// where it is of a kind that is not known.
pub(in super::super) fn coded(bytes: &[u8]) -> Result<Option<Coded<'_>>, Flaw> {
    let top = parts(bytes, 0..bytes.len())?;
    match part(&top, *b"meta") {
        Ok(place) => Coded::of(&Meta::read(bytes, place)?),
        Err(_) => track::coded(bytes, part(&top, *b"moov")?),
    }
}

/// Overwrites items that tell of anything but the picture.
fn silence(bytes: &mut [u8], meta: &Meta<'_>) -> Result<(), Flaw> {
    let is_telling = |id| meta.items.get(id).is_some_and(|kind| TELLING.contains(&kind));
    let telling = || meta.places.iter().filter(|(id, _)| is_telling(id)).flat_map(|(_, places)| places);
    // Else one could have the same place overwritten again and again.
    if telling().map(ExactSizeIterator::len).sum::<usize>() > bytes.len() {
        return Err(Flaw::Broken);
    }
    for place in telling() {
        bytes[place.clone()].fill(0);
    }
    Ok(())
}

/// Turns boxes in which anything may be said into empty space, wherever they are.
fn blank(bytes: &mut [u8], within: &[Part], inwards: &[&[u8; 4]]) -> Result<(), Flaw> {
    for (kind, contents) in within {
        match kind {
            b"uuid" | b"udta" | b"free" | b"skip" => {
                // Whether its length takes four bytes or twelve, its name is where the contents or the length begin.
                let name = bytes[..contents.start].windows(4).rposition(|found| found == kind).ok_or(Flaw::Broken)?;
                bytes[name..name + 4].copy_from_slice(b"free");
                bytes[contents.clone()].fill(0);
            }
            kind if inwards.first() == Some(&kind) => {
                blank(bytes, &parts(bytes, contents.clone())?, &inwards[1..])?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
