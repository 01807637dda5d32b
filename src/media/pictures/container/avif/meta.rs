//! What a file says of the items in it (ISO/IEC 14496-12, 8.11, and 23008-12).

use std::{collections::BTreeMap, ops::Range};

use super::{
    super::{
        super::bounds::{AVIF_PARTS, few},
        Flaw, Front,
    },
    boxes::{Part, part, parts},
};

/// The items of a file, by their ids.
pub(super) struct Meta<'a> {
    /// The picture that is shown.
    pub(super) primary: u64,
    /// What each is.
    pub(super) items: BTreeMap<u64, [u8; 4]>,
    /// Where the pieces of each are, all of which are there.
    pub(super) places: BTreeMap<u64, Vec<Range<usize>>>,
    bytes: &'a [u8],
    properties: Vec<Part>,
    associations: BTreeMap<u64, Vec<u16>>,
    references: Vec<Reference>,
}

/// How an item points to others.
struct Reference {
    kind: [u8; 4],
    from: u64,
    to: Vec<u64>,
}

impl<'a> Meta<'a> {
    /// Reads what is said in a place.
    pub(super) fn read(bytes: &'a [u8], place: Range<usize>) -> Result<Self, Flaw> {
        // Four bytes of version and flags come first.
        let boxes = parts(bytes, place.start + 4..place.end)?;
        let about = parts(bytes, part(&boxes, *b"iprp")?)?;
        let references = boxes.iter().find(|(kind, _)| kind == b"iref");
        Ok(Self {
            primary: primary(Front(&bytes[part(&boxes, *b"pitm")?]))?,
            items: items(bytes, part(&boxes, *b"iinf")?)?,
            places: places(bytes, &boxes)?,
            bytes,
            properties: parts(bytes, part(&about, *b"ipco")?)?,
            associations: associations(Front(&bytes[part(&about, *b"ipma")?]))?,
            references: references.map_or(Ok(Vec::new()), |(_, place)| self::references(bytes, place.clone()))?,
        })
    }

    /// What is said of an item, each by its kind.
    pub(super) fn properties_of(&self, item: u64) -> Result<Vec<([u8; 4], Front<'a>)>, Flaw> {
        let indices = self.associations.get(&item).map_or(&[][..], Vec::as_slice);
        let properties = indices.iter().map(|index| {
            let (kind, place) = self.properties.get(usize::from(*index)).ok_or(Flaw::Broken)?;
            Ok((*kind, Front(&self.bytes[place.clone()])))
        });
        properties.collect()
    }

    /// The pixels that an item has, across and down.
    pub(super) fn size_of(&self, item: u64) -> Result<(u32, u32), Flaw> {
        let properties = self.properties_of(item)?;
        let (_, mut says) = properties.into_iter().find(|(kind, _)| kind == b"ispe").ok_or(Flaw::Broken)?;
        says.take(4)?;
        Ok((says.number(4)? as u32, says.number(4)? as u32))
    }

    /// The pieces of which an item consists.
    pub(super) fn pieces_of(&self, item: u64) -> Vec<&'a [u8]> {
        self.places.get(&item).into_iter().flatten().map(|place| &self.bytes[place.clone()]).collect()
    }

    /// The items that an item points to in this way.
    pub(super) fn pointed_to(&self, kind: [u8; 4], item: u64) -> &[u64] {
        let found = self.references.iter().find(|found| found.kind == kind && found.from == item);
        found.map_or(&[], |found| found.to.as_slice())
    }

    /// The items that point to an item in this way.
    pub(super) fn pointing_to(&self, kind: [u8; 4], item: u64) -> impl Iterator<Item = u64> {
        self.references
            .iter()
            .filter(move |found| found.kind == kind && found.to.contains(&item))
            .map(|found| found.from)
    }
}

fn primary(mut says: Front<'_>) -> Result<u64, Flaw> {
    let id_bytes = if says.number(4)? >> 24 == 0 { 2 } else { 4 };
    says.number(id_bytes)
}

fn items(bytes: &[u8], place: Range<usize>) -> Result<BTreeMap<u64, [u8; 4]>, Flaw> {
    let is_short = bytes.get(place.start) == Some(&0);
    let entries = place.start + 4 + if is_short { 2 } else { 4 };
    let mut items = BTreeMap::new();
    for (_, place) in parts(bytes, entries..place.end)? {
        let mut entry = Front(&bytes[place]);
        let id_bytes = match entry.number(4)? >> 24 {
            2 => 2,
            3 => 4,
            _ => return Err(Flaw::Broken),
        };
        let id = entry.number(id_bytes)?;
        entry.take(2)?;
        once(&mut items, id, entry.array()?)?;
    }
    Ok(items)
}

fn places(bytes: &[u8], boxes: &[Part]) -> Result<BTreeMap<u64, Vec<Range<usize>>>, Flaw> {
    let mut rest = Front(&bytes[part(boxes, *b"iloc")?]);
    let version = rest.number(4)? >> 24;
    let sizes = rest.number(2)?;
    let [offset_bytes, length_bytes, base_bytes, index_bytes] = [12, 8, 4, 0].map(|by| (sizes >> by & 15) as usize);
    let id_bytes = if version < 2 { 2 } else { 4 };
    let mut places = BTreeMap::new();
    let mut pieces = 0;
    for _ in 0..rest.number(id_bytes)? {
        let id = rest.number(id_bytes)?;
        let within = match (version, if version == 0 { 0 } else { rest.number(2)? & 15 }) {
            (_, 0) => 0..bytes.len(),
            (_, 1) => part(boxes, *b"idat")?,
            _ => return Err(Flaw::Broken),
        };
        rest.take(2)?;
        let base = rest.number(base_bytes)?;
        let mut extents = Vec::new();
        for _ in 0..rest.number(2)? {
            pieces += 1;
            few(pieces, AVIF_PARTS)?;
            if version > 0 {
                rest.take(index_bytes)?;
            }
            let offset = base.checked_add(rest.number(offset_bytes)?).ok_or(Flaw::Broken)?;
            extents.push(extent(&within, offset, rest.number(length_bytes)?)?);
        }
        // What says that it is more than there is repeats itself.
        if extents.iter().map(ExactSizeIterator::len).sum::<usize>() > bytes.len() {
            return Err(Flaw::Broken);
        }
        once(&mut places, id, extents)?;
    }
    Ok(places)
}

fn extent(within: &Range<usize>, offset: u64, length: u64) -> Result<Range<usize>, Flaw> {
    let start = usize::try_from(offset).ok().and_then(|offset| within.start.checked_add(offset)).ok_or(Flaw::Broken)?;
    let end = match usize::try_from(length).map_err(|_| Flaw::Broken)? {
        0 => within.end,
        length => start.checked_add(length).ok_or(Flaw::Broken)?,
    };
    if start > end || end > within.end { Err(Flaw::Truncated) } else { Ok(start..end) }
}

/// The properties of each item, by their places in the list.
fn associations(mut rest: Front<'_>) -> Result<BTreeMap<u64, Vec<u16>>, Flaw> {
    let version_and_flags = rest.number(4)?;
    let id_bytes = if version_and_flags >> 24 == 0 { 2 } else { 4 };
    let index_bytes = if version_and_flags & 1 == 0 { 1 } else { 2 };
    let mut associations = BTreeMap::new();
    let count = rest.number(4)?;
    few(count, AVIF_PARTS)?;
    for _ in 0..count {
        let id = rest.number(id_bytes)?;
        let mut indices = Vec::new();
        for _ in 0..rest.byte()? {
            // The highest bit says whether it matters. Counted from one; zero is none.
            let index = rest.number(index_bytes)? & !(0x80 << (8 * (index_bytes - 1)));
            indices.extend((index as u16).checked_sub(1));
        }
        once(&mut associations, id, indices)?;
    }
    Ok(associations)
}

fn references(bytes: &[u8], place: Range<usize>) -> Result<Vec<Reference>, Flaw> {
    let mut says = Front(bytes.get(place.clone()).ok_or(Flaw::Truncated)?);
    let id_bytes = if says.number(4)? >> 24 == 0 { 2 } else { 4 };
    let mut references = Vec::new();
    for (kind, place) in parts(bytes, place.start + 4..place.end)? {
        let mut says = Front(&bytes[place]);
        let from = says.number(id_bytes)?;
        let count = says.number(2)?;
        let to = (0..count).map(|_| says.number(id_bytes)).collect::<Result<_, _>>()?;
        references.push(Reference { kind, from, to });
    }
    Ok(references)
}

/// What is said twice of an item could be read in two ways.
fn once<T>(known: &mut BTreeMap<u64, T>, id: u64, said: T) -> Result<(), Flaw> {
    if known.insert(id, said).is_some() { Err(Flaw::Broken) } else { Ok(()) }
}
