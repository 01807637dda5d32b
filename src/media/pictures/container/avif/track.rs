//! The first frame of what moves, where no still picture is beside it (ISO/IEC 14496-12, 8).

use std::ops::Range;

use super::{
    super::{super::bounds, Flaw, Front},
    boxes::{Part, part, parts},
    coded::{Coded, Layer, View, color},
};

/// Bytes of a sample's description before the boxes in it, and where its size is in them.
const DESCRIBED: usize = 78;
const SIZE_AT: usize = 24;

/// Pixels across and down, whatever they are coded in.
pub(super) fn size(bytes: &[u8], moov: Range<usize>) -> Result<(u32, u32), Flaw> {
    let (_, description) = description(bytes, &table(bytes, moov)?)?;
    let size = described_size(bytes, description)?;
    bounds::check_size(size.0, size.1)?;
    Ok(size)
}

/// The first frame of the first track of pictures; nothing where it is of a kind that is not known.
pub(super) fn coded(bytes: &[u8], moov: Range<usize>) -> Result<Option<Coded<'_>>, Flaw> {
    let table = table(bytes, moov)?;
    let (kind, description) = description(bytes, &table)?;
    if kind != *b"av01" {
        return Ok(None);
    }
    let about = parts(bytes, description.start + DESCRIBED..description.end)?;
    let (meaning, profile) = color(about.iter().map(|(kind, place)| (*kind, Front(&bytes[place.clone()]))))?;
    let start = usize::try_from(start(bytes, &table)?).map_err(|_| Flaw::Broken)?;
    let end = start.checked_add(length(bytes, &table)?).ok_or(Flaw::Broken)?;
    let first = bytes.get(start..end).ok_or(Flaw::Truncated)?;
    let colors = Layer::whole(described_size(bytes, description)?, vec![first])?;
    Ok(Some(Coded { colors, alpha: None, is_premultiplied: false, meaning, profile, view: View::WHOLE }))
}

/// What is said of the frames of the first track of pictures.
fn table(bytes: &[u8], moov: Range<usize>) -> Result<Vec<Part>, Flaw> {
    for (_, track) in parts(bytes, moov)?.into_iter().filter(|(kind, _)| kind == b"trak") {
        let media = parts(bytes, part(&parts(bytes, track)?, *b"mdia")?)?;
        let handler = part(&media, *b"hdlr")?;
        if bytes[handler].get(8..12) == Some(b"pict") {
            let information = parts(bytes, part(&media, *b"minf")?)?;
            return parts(bytes, part(&information, *b"stbl")?);
        }
    }
    Err(Flaw::Broken)
}

/// How the first frames are coded, and what is said of that.
fn description(bytes: &[u8], table: &[Part]) -> Result<Part, Flaw> {
    // Eight bytes of version, flags and number come first.
    let place = part(table, *b"stsd")?;
    parts(bytes, place.start + 8..place.end)?.into_iter().next().ok_or(Flaw::Broken)
}

fn described_size(bytes: &[u8], description: Range<usize>) -> Result<(u32, u32), Flaw> {
    let mut says = Front(&bytes[description]);
    says.take(SIZE_AT)?;
    Ok((says.number(2)? as u32, says.number(2)? as u32))
}

/// Where the first chunk is.
fn start(bytes: &[u8], table: &[Part]) -> Result<u64, Flaw> {
    let (offset_bytes, place) =
        part(table, *b"stco").map_or_else(|_| part(table, *b"co64").map(|place| (8, place)), |place| Ok((4, place)))?;
    let mut says = Front(&bytes[place]);
    says.take(8)?;
    says.number(offset_bytes)
}

/// How long the first sample is.
fn length(bytes: &[u8], table: &[Part]) -> Result<usize, Flaw> {
    let mut says = Front(&bytes[part(table, *b"stsz")?]);
    says.take(4)?;
    let of_all = says.number(4)?;
    says.take(4)?;
    Ok(if of_all == 0 { says.number(4)? } else { of_all } as usize)
}
