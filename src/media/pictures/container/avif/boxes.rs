//! Boxes (ISO/IEC 14496-12): of which everything in such a file is made.

use std::ops::Range;

use super::super::{
    super::bounds::{AVIF_PARTS, few},
    Flaw, Front,
};

/// A box: what it is, and where its contents are.
pub(super) type Part = ([u8; 4], Range<usize>);

/// The boxes in a place.
pub(super) fn parts(bytes: &[u8], place: Range<usize>) -> Result<Vec<Part>, Flaw> {
    let mut parts = Vec::new();
    let mut rest = Front(bytes.get(place.clone()).ok_or(Flaw::Truncated)?);
    while !rest.0.is_empty() {
        few(parts.len() as u64, AVIF_PARTS)?;
        let whole = rest.0.len();
        let length = rest.number(4)?;
        let kind = rest.array()?;
        let length = match length {
            0 => whole as u64,
            1 => rest.number(8)?,
            length => length,
        };
        let header = whole - rest.0.len();
        let start = place.end - rest.0.len();
        let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(header)).ok_or(Flaw::Broken)?;
        rest.take(length)?;
        parts.push((kind, start..start + length));
    }
    Ok(parts)
}

/// Where the first of these boxes has its contents.
pub(super) fn part(parts: &[Part], wanted: [u8; 4]) -> Result<Range<usize>, Flaw> {
    let found = parts.iter().find(|(kind, _)| *kind == wanted);
    found.map(|(_, place)| place.clone()).ok_or(Flaw::Broken)
}
