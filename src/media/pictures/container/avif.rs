//! AVIF (AV1 Image File Format over ISO/IEC 23008-12): boxes in boxes, and items that are pointed to.
//!
//! It is never put together anew: what is removed is overwritten where it is, for places are counted from the file's
//! beginning.

use std::ops::Range;

use image::metadata::Orientation;

use super::{super::bounds, Flaw, Front, Stripped};

/// Items that tell of anything but the picture: EXIF, XMP, or anything else with a media type or an address.
const TELLING: [&[u8; 4]; 3] = [b"Exif", b"mime", b"uri "];

/// A box: what it is, and where its contents are.
type Part = ([u8; 4], Range<usize>);

pub(super) fn strip(bytes: &[u8]) -> Result<Stripped, Flaw> {
    let top = parts(bytes, 0..bytes.len())?;
    let (_, meta) = top.iter().find(|(kind, _)| kind == b"meta").ok_or(Flaw::Broken)?;
    let meta = Meta::read(bytes, meta.clone())?;
    let (items, places) = (meta.items(bytes)?, meta.places(bytes)?);
    let size @ (width, height) = meta.size(bytes)?;
    bounds::check_size(width, height)?;
    let mut kept = bytes.to_vec();
    let is_telling = |id: &u64| items.iter().any(|(item, kind)| item == id && TELLING.contains(&kind));
    for (_, place) in places.into_iter().filter(|(id, _)| is_telling(id)) {
        kept.get_mut(place).ok_or(Flaw::Truncated)?.fill(0);
    }
    blank(&mut kept, &top)?;
    let is_moving = top.iter().any(|(kind, _)| kind == b"moov");
    Ok(Stripped { bytes: kept, orientation: Orientation::NoTransforms, is_moving, size: Some(size) })
}

/// The pictures of which a stripped file consists, each as it is coded, where that is all that there is to it: none that is
/// put together of others, and none that moves.
pub(in super::super) fn coded(bytes: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Flaw> {
    let top = parts(bytes, 0..bytes.len())?;
    let (_, meta) = top.iter().find(|(kind, _)| kind == b"meta").ok_or(Flaw::Broken)?;
    let meta = Meta::read(bytes, meta.clone())?;
    let items = meta.items(bytes)?;
    let is_known = |kind: &[u8; 4]| kind == b"av01" || TELLING.contains(&kind);
    if top.iter().any(|(kind, _)| kind == b"moov") || !items.iter().all(|(_, kind)| is_known(kind)) {
        return Ok(None);
    }
    let places = meta.places(bytes)?;
    let pictures = items.iter().filter(|(_, kind)| kind == b"av01");
    let pieces = |id: u64| places.iter().filter(move |(item, _)| *item == id).map(|(_, place)| &bytes[place.clone()]);
    Ok(Some(pictures.map(|(id, _)| pieces(*id).collect::<Vec<_>>().concat()).collect()))
}

/// Turns boxes in which anything may be said into empty space, wherever they are.
fn blank(bytes: &mut [u8], within: &[Part]) -> Result<(), Flaw> {
    for (kind, contents) in within {
        match kind {
            b"moov" | b"trak" | b"mdia" | b"minf" => blank(bytes, &parts(bytes, contents.clone())?)?,
            b"uuid" | b"udta" | b"free" | b"skip" => {
                // Whether its length takes four bytes or twelve, its name is where the contents or the length begin.
                let name = bytes[..contents.start].windows(4).rposition(|found| found == kind).ok_or(Flaw::Broken)?;
                bytes[name..name + 4].copy_from_slice(b"free");
                bytes[contents.clone()].fill(0);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The boxes in a place.
fn parts(bytes: &[u8], place: Range<usize>) -> Result<Vec<Part>, Flaw> {
    let mut parts = Vec::new();
    let mut rest = Front(bytes.get(place.clone()).ok_or(Flaw::Truncated)?);
    while !rest.0.is_empty() {
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

/// What a file says of the items in it.
struct Meta {
    parts: Vec<Part>,
    properties: Vec<Part>,
    associations: Option<Range<usize>>,
}

impl Meta {
    fn read(bytes: &[u8], place: Range<usize>) -> Result<Self, Flaw> {
        // Four bytes of version and flags come first.
        let parts = self::parts(bytes, place.start + 4..place.end)?;
        let mut meta = Self { parts, properties: Vec::new(), associations: None };
        for (kind, place) in self::parts(bytes, meta.part(*b"iprp")?)? {
            match &kind {
                b"ipco" => meta.properties = self::parts(bytes, place)?,
                b"ipma" => meta.associations = Some(place),
                _ => {}
            }
        }
        Ok(meta)
    }

    fn part(&self, wanted: [u8; 4]) -> Result<Range<usize>, Flaw> {
        let found = self.parts.iter().find(|(kind, _)| *kind == wanted);
        found.map(|(_, place)| place.clone()).ok_or(Flaw::Broken)
    }

    /// The size of the main picture as it is shown.
    fn size(&self, bytes: &[u8]) -> Result<(u32, u32), Flaw> {
        let mut primary = Front(&bytes[self.part(*b"pitm")?]);
        let id_bytes = if primary.number(4)? >> 24 == 0 { 2 } else { 4 };
        let primary = primary.number(id_bytes)?;
        let mut size = None;
        let mut is_on_its_side = false;
        for property in self.properties_of(bytes, primary)? {
            let Some((kind, place)) = self.properties.get(property) else { return Err(Flaw::Broken) };
            let mut says = Front(&bytes[place.clone()]);
            match kind {
                b"ispe" => {
                    says.take(4)?;
                    size = Some((says.number(4)? as u32, says.number(4)? as u32));
                }
                b"irot" => is_on_its_side = says.byte()? & 1 == 1,
                _ => {}
            }
        }
        let (width, height) = size.ok_or(Flaw::Broken)?;
        Ok(if is_on_its_side { (height, width) } else { (width, height) })
    }

    /// The properties of an item, by their places in the list.
    fn properties_of(&self, bytes: &[u8], item: u64) -> Result<Vec<usize>, Flaw> {
        let mut rest = Front(&bytes[self.associations.clone().ok_or(Flaw::Broken)?]);
        let version_and_flags = rest.number(4)?;
        let id_bytes = if version_and_flags >> 24 == 0 { 2 } else { 4 };
        let index_bytes = if version_and_flags & 1 == 0 { 1 } else { 2 };
        for _ in 0..rest.number(4)? {
            let id = rest.number(id_bytes)?;
            let count = rest.byte()?;
            let mut indices = Vec::with_capacity(count.into());
            for _ in 0..count {
                // The highest bit says whether it matters. Counted from one; zero is none.
                let index = rest.number(index_bytes)? & !(0x80 << (8 * (index_bytes - 1)));
                indices.extend((index as usize).checked_sub(1));
            }
            if id == item {
                return Ok(indices);
            }
        }
        Err(Flaw::Broken)
    }

    /// Where the pieces of the items are, all of which must be there.
    fn places(&self, bytes: &[u8]) -> Result<Vec<(u64, Range<usize>)>, Flaw> {
        let mut rest = Front(&bytes[self.part(*b"iloc")?]);
        let version = rest.number(4)? >> 24;
        let sizes = rest.number(2)?;
        let [offset_bytes, length_bytes, base_bytes, index_bytes] = [12, 8, 4, 0].map(|by| (sizes >> by & 15) as usize);
        let id_bytes = if version < 2 { 2 } else { 4 };
        let mut places = Vec::new();
        for _ in 0..rest.number(id_bytes)? {
            let id = rest.number(id_bytes)?;
            let within = match (version, if version == 0 { 0 } else { rest.number(2)? & 15 }) {
                (_, 0) => 0..bytes.len(),
                (_, 1) => self.part(*b"idat")?,
                _ => return Err(Flaw::Broken),
            };
            rest.take(2)?;
            let base = rest.number(base_bytes)?;
            for _ in 0..rest.number(2)? {
                if version > 0 {
                    rest.take(index_bytes)?;
                }
                let offset = base.checked_add(rest.number(offset_bytes)?).ok_or(Flaw::Broken)?;
                let start = usize::try_from(offset).ok().and_then(|offset| within.start.checked_add(offset));
                let start = start.ok_or(Flaw::Broken)?;
                let end = match rest.number(length_bytes)? as usize {
                    0 => within.end,
                    length => start.checked_add(length).ok_or(Flaw::Broken)?,
                };
                if start > end || end > within.end {
                    return Err(Flaw::Truncated);
                }
                places.push((id, start..end));
            }
        }
        Ok(places)
    }

    /// The items, and what each is.
    fn items(&self, bytes: &[u8]) -> Result<Vec<(u64, [u8; 4])>, Flaw> {
        let place = self.part(*b"iinf")?;
        let is_short = bytes.get(place.start) == Some(&0);
        let entries = place.start + 4 + if is_short { 2 } else { 4 };
        let mut items = Vec::new();
        for (_, place) in parts(bytes, entries..place.end)? {
            let mut entry = Front(&bytes[place]);
            let id_bytes = match entry.number(4)? >> 24 {
                2 => 2,
                3 => 4,
                _ => return Err(Flaw::Broken),
            };
            let id = entry.number(id_bytes)?;
            entry.take(2)?;
            items.push((id, entry.array()?));
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: &[u8], contents: &[&[u8]]) -> Vec<u8> {
        let contents = contents.concat();
        [&(contents.len() as u32 + 8).to_be_bytes()[..], kind, &contents].concat()
    }

    /// A picture of 3 × 2 that is shown upright, with EXIF of this length behind its pixels.
    fn picture(exif: &[u8]) -> Vec<u8> {
        let kind = part(b"ftyp", &[b"avif\0\0\0\0avifmif1"]);
        let entry = |id, kind: &[u8; 4]| part(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind, b"\0"]);
        let meta = |pixels_at: u32| {
            let place = |id, at: u32, length: u32| {
                [&[0, id, 0, 0, 0, 1][..], &at.to_be_bytes(), &length.to_be_bytes()].concat()
            };
            let size = part(b"ispe", &[&[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2]]);
            let properties = part(b"ipco", &[&size, &part(b"irot", &[&[1]])]);
            let associations = part(b"ipma", &[&[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 1, 0x82]]);
            let (first, second) = (place(1, pixels_at, 6), place(2, pixels_at + 6, exif.len() as u32));
            part(
                b"meta",
                &[
                    &[0; 4],
                    &part(b"pitm", &[&[0, 0, 0, 0, 0, 1]]),
                    &part(b"iinf", &[&[0, 0, 0, 0, 0, 2], &entry(1, b"av01"), &entry(2, b"Exif")]),
                    &part(b"iloc", &[&[0, 0, 0, 0, 0x44, 0, 0, 2], &first, &second]),
                    &part(b"iprp", &[&properties, &associations]),
                ],
            )
        };
        let pixels_at = kind.len() + meta(0).len() + 8;
        [kind, meta(pixels_at as u32), part(b"mdat", &[b"pixels", exif])].concat()
    }

    #[test]
    fn what_tells_of_the_one_who_took_it_is_overwritten() {
        let all = [picture(b"where"), part(b"uuid", &[b"who, as XMP"])].concat();

        let stripped = strip(&all).unwrap();

        assert_eq!(stripped.bytes, [picture(&[0; 5]), part(b"free", &[&[0; 11]])].concat());
        assert_eq!(stripped.size, Some((2, 3)));
        for length in 0..picture(b"where").len() {
            assert!(strip(&all[..length]).is_err(), "{length}");
        }
    }
}
