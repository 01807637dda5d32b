//! How a picture is coded: of which pieces, how they are put together, and how the whole is shown (ISO/IEC 23008-12, 6.5
//! and 6.6).

use image::metadata::Orientation;

use super::{
    super::{super::bounds, Flaw, Front},
    meta::Meta,
};

/// What says that an item is how much shows through another.
const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0"];

/// A picture as it is coded.
pub struct Coded<'a> {
    /// Its colours.
    pub colors: Layer<'a>,
    /// How much shows through it.
    pub alpha: Option<Layer<'a>>,
    /// Whether the colours are darker by how much shows through them.
    pub is_premultiplied: bool,
    /// What its numbers stand for, where that is said beside them.
    pub meaning: Option<Meaning>,
    /// In which colours they are.
    pub profile: Option<Vec<u8>>,
    /// How it is shown.
    pub view: View,
}

/// Pictures side by side that are one.
#[derive(Debug, PartialEq)]
pub struct Layer<'a> {
    /// Pixels across and down.
    pub size: (u32, u32),
    /// How many there are in a row.
    across: u32,
    /// Pixels across and down of each.
    pub tile_size: (u32, u32),
    /// The pieces of each, as one reads.
    tiles: Vec<Vec<&'a [u8]>>,
}

/// What the numbers of a picture stand for (ITU-T H.273).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Which colours are meant.
    pub primaries: u16,
    /// How colours become numbers.
    pub matrix: u16,
    /// Whether every number is used.
    pub is_full: bool,
}

/// How a picture is shown: first a part is cut out, then it is turned, and then mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The part: from the left and the top, across and down.
    pub part: Option<[u32; 4]>,
    /// How it is turned.
    pub turn: Orientation,
    /// How it is mirrored.
    pub mirror: Orientation,
}

impl View {
    /// The picture as it lies.
    pub const WHOLE: Self = Self { part: None, turn: Orientation::NoTransforms, mirror: Orientation::NoTransforms };

    /// Pixels across and down as it is shown.
    pub fn size(&self, whole: (u32, u32)) -> (u32, u32) {
        let (width, height) = self.part.map_or(whole, |[_, _, width, height]| (width, height));
        match self.turn {
            Orientation::Rotate90 | Orientation::Rotate270 => (height, width),
            _ => (width, height),
        }
    }
}

impl<'a> Coded<'a> {
    /// The main picture of a file; nothing where it is of a kind that is not known.
    pub(super) fn of(meta: &Meta<'a>) -> Result<Option<Self>, Flaw> {
        let Some(colors) = Layer::of(meta, meta.primary)? else { return Ok(None) };
        let mut through = None;
        for item in meta.pointing_to(*b"auxl", meta.primary) {
            if is_alpha(meta, item)? {
                through = Some(item);
                break;
            }
        }
        let alpha = through.map(|item| Layer::of(meta, item)).transpose()?;
        if alpha.as_ref().is_some_and(Option::is_none) {
            return Ok(None);
        }
        let alpha = alpha.flatten();
        if alpha.as_ref().is_some_and(|alpha| alpha.size != colors.size) {
            return Err(Flaw::Broken);
        }
        let (meaning, profile) = color(meta.properties_of(meta.primary)?.into_iter())?;
        let is_premultiplied = through.is_some_and(|alpha| meta.pointed_to(*b"prem", meta.primary).contains(&alpha));
        let view = view(meta, meta.primary)?;
        Ok(Some(Self { colors, alpha, is_premultiplied, meaning, profile, view }))
    }
}

impl<'a> Layer<'a> {
    /// The pieces of each, and the part of the whole that it shows: from the left and the top, across and down.
    pub fn tiles(&self) -> impl Iterator<Item = ([u32; 4], &[&'a [u8]])> {
        let ((width, height), (tile_width, tile_height)) = (self.size, self.tile_size);
        self.tiles.iter().zip(0..).map(move |(pieces, nth): (_, u32)| {
            let (left, top) = (nth % self.across * tile_width, nth / self.across * tile_height);
            ([left, top, tile_width.min(width - left), tile_height.min(height - top)], pieces.as_slice())
        })
    }

    /// An item as it is coded; nothing where it is of a kind that is not known. What is put together of others is never put
    /// together of such, so that nothing goes round in circles.
    fn of(meta: &Meta<'a>, item: u64) -> Result<Option<Self>, Flaw> {
        let size = meta.size_of(item)?;
        match meta.items.get(&item).ok_or(Flaw::Broken)? {
            b"av01" => Ok(Some(Self::whole(size, meta.pieces_of(item))?)),
            b"grid" => Self::of_grid(meta, item, size),
            _ => Ok(None),
        }
    }

    /// One picture alone.
    pub(super) fn whole(size: (u32, u32), pieces: Vec<&'a [u8]>) -> Result<Self, Flaw> {
        bounds::check_size(size.0, size.1)?;
        Ok(Self { size, across: 1, tile_size: size, tiles: vec![pieces] })
    }

    fn of_grid(meta: &Meta<'a>, item: u64, size: (u32, u32)) -> Result<Option<Self>, Flaw> {
        let said = meta.pieces_of(item).concat();
        let mut says = Front(&said);
        let [_, flags, rows, columns] = says.array()?;
        let (down, across) = (u32::from(rows) + 1, u32::from(columns) + 1);
        let number_bytes = if flags & 1 == 0 { 2 } else { 4 };
        let says_size = (says.number(number_bytes)? as u32, says.number(number_bytes)? as u32);
        let tiles = meta.pointed_to(*b"dimg", item);
        if says_size != size || tiles.len() != (across * down) as usize {
            return Err(Flaw::Broken);
        }
        if tiles.iter().any(|tile| meta.items.get(tile) != Some(b"av01")) {
            return Ok(None);
        }
        let tile_size = meta.size_of(tiles[0])?;
        bounds::check_size(size.0, size.1)?;
        bounds::check_size(tile_size.0, tile_size.1)?;
        let covers = |whole: u32, tile: u32, count: u32| (tile * (count - 1) + 1..=tile * count).contains(&whole);
        let fits = covers(size.0, tile_size.0, across) && covers(size.1, tile_size.1, down);
        for tile in tiles {
            if !fits || meta.size_of(*tile)? != tile_size {
                return Err(Flaw::Broken);
            }
        }
        let tiles = tiles.iter().map(|tile| meta.pieces_of(*tile)).collect();
        Ok(Some(Self { size, across, tile_size, tiles }))
    }
}

/// What is said of the numbers of a picture, and of its colours.
pub(super) fn color<'a>(
    said: impl Iterator<Item = ([u8; 4], Front<'a>)>,
) -> Result<(Option<Meaning>, Option<Vec<u8>>), Flaw> {
    let (mut meaning, mut profile) = (None, None);
    for (_, mut says) in said.filter(|(kind, _)| kind == b"colr") {
        match &says.array()? {
            b"nclx" => {
                let [primaries, _, matrix] = [says.array()?, says.array()?, says.array()?].map(u16::from_be_bytes);
                meaning = Some(Meaning { primaries, matrix, is_full: says.byte()? >> 7 == 1 });
            }
            b"prof" | b"rICC" => profile = Some(says.0.to_vec()),
            _ => {}
        }
    }
    Ok((meaning, profile))
}

fn is_alpha(meta: &Meta<'_>, item: u64) -> Result<bool, Flaw> {
    let names =
        meta.properties_of(item)?.into_iter().filter(|(kind, _)| kind == b"auxC").map(|(_, says)| says.0.get(4..));
    Ok(names.flatten().any(|name| ALPHA.iter().any(|alpha| name.starts_with(alpha))))
}

/// How an item is shown.
pub(super) fn view(meta: &Meta<'_>, item: u64) -> Result<View, Flaw> {
    let size = meta.size_of(item)?;
    let mut view = View::WHOLE;
    for (kind, mut says) in meta.properties_of(item)? {
        match &kind {
            b"clap" => view.part = part(says, size)?,
            // So many quarters against the clock.
            b"irot" => {
                view.turn = match says.byte()? & 3 {
                    0 => Orientation::NoTransforms,
                    1 => Orientation::Rotate270,
                    2 => Orientation::Rotate180,
                    _ => Orientation::Rotate90,
                }
            }
            b"imir" if says.byte()? & 1 == 0 => view.mirror = Orientation::FlipVertical,
            b"imir" => view.mirror = Orientation::FlipHorizontal,
            _ => {}
        }
    }
    Ok(view)
}

/// The part of a picture that is to be shown (ISO/IEC 14496-12, 12.1.4). One that can't be cut out is not, as in browsers.
fn part(mut says: Front<'_>, (width, height): (u32, u32)) -> Result<Option<[u32; 4]>, Flaw> {
    let mut fraction =
        || says.array().map(i32::from_be_bytes).and_then(|over| Ok((over.into(), says.number(4)? as i64)));
    let [across, down, right, low] = [fraction()?, fraction()?, fraction()?, fraction()?];
    let side = |(length, (over, under)): ((i64, i64), (i64, i64)), whole: u32| {
        let whole = i64::from(whole);
        let exact = |(over, under): (i64, i64)| over.checked_div(under).filter(|whole| whole * under == over);
        let length = exact(length).filter(|length| (1..=whole).contains(length))?;
        // How far its middle is from that of the picture, and its beginning from that of the picture.
        let start = exact((2 * over + (whole - length) * under, 2 * under))?;
        (0..=whole - length).contains(&start).then_some((start as u32, length as u32))
    };
    let sides = side((across, right), width).zip(side((down, low), height));
    Ok(sides.map(|((left, width), (top, height))| [left, top, width, height]))
}
