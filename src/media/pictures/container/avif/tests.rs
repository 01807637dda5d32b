//! What is read of good files, and what comes of bad ones.

use std::fs;

use super::*;

fn part(kind: &[u8], contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    [&(contents.len() as u32 + 8).to_be_bytes()[..], kind, &contents].concat()
}

/// A file of these items, counted from one, and of what says where they are. The first is 3 × 2 and shown upright.
fn file(kinds: &[&[u8; 4]], places: &[u8], behind: &[u8]) -> Vec<u8> {
    let entry = |(kind, id): (&&[u8; 4], u8)| part(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], *kind, b"\0"]);
    let entries: Vec<_> = kinds.iter().zip(1..).map(entry).collect();
    let size = part(b"ispe", &[&[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2]]);
    let properties = part(b"ipco", &[&size, &part(b"irot", &[&[1]])]);
    let associations = part(b"ipma", &[&[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 1, 0x82]]);
    let meta = [
        &[0; 4][..],
        &part(b"pitm", &[&[0, 0, 0, 0, 0, 1]]),
        &part(b"iinf", &[&[0, 0, 0, 0, 0, kinds.len() as u8], &entries.concat()]),
        &part(b"iloc", &[places]),
        &part(b"iprp", &[&properties, &associations]),
    ];
    [part(b"ftyp", &[b"avif\0\0\0\0avifmif1"]), part(b"meta", &meta), part(b"mdat", &[behind])].concat()
}

/// A picture with EXIF of this length behind its pixels.
fn picture(exif: &[u8]) -> Vec<u8> {
    let with = |pixels_at: u32| {
        let place =
            |id, at: u32, length: u32| [&[0, id, 0, 0, 0, 1][..], &at.to_be_bytes(), &length.to_be_bytes()].concat();
        let places = [place(1, pixels_at, 6), place(2, pixels_at + 6, exif.len() as u32)].concat();
        file(&[b"av01", b"Exif"], &[&[0, 0, 0, 0, 0x44, 0, 0, 2], &places[..]].concat(), &[b"pixels", exif].concat())
    };
    with((with(0).len() - 6 - exif.len()) as u32)
}

/// Every file that is shipped.
fn shipped() -> Vec<Vec<u8>> {
    let directory = format!("{}/tests/avif", env!("CARGO_MANIFEST_DIR"));
    fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
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

#[test]
fn what_moves_shows_its_still_picture_or_else_its_first_frame() {
    let moving = include_bytes!("../../../../../tests/avif/moving.avif");
    let meta = moving.windows(4).position(|kind| kind == b"meta").unwrap();
    let alone = [&moving[..meta], b"free", &moving[meta + 4..]].concat();

    let stripped = strip(&alone).unwrap();
    assert_eq!((stripped.is_moving, stripped.size), (true, Some((64, 32))));
    let (still, first) = (coded(moving).unwrap().unwrap(), coded(&stripped.bytes).unwrap().unwrap());
    assert_eq!((still.colors, still.meaning), (first.colors, first.meaning));
    for length in 0..alone.len() {
        strip(&alone[..length]).ok();
        coded(&alone[..length]).ok();
    }
}

#[test]
fn no_place_is_read_or_overwritten_again_and_again() {
    let whole_again_and_again = [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0xff, 0xff];
    assert_eq!(strip(&file(&[b"av01"], &whole_again_and_again, b"pixels")), Err(Flaw::Broken));

    let whole_of_each = [0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 1, 0, 3, 0, 0, 0, 1];
    assert!(strip(&file(&[b"av01", b"hidd", b"hidd"], &whole_of_each, b"pixels")).is_ok());
    assert_eq!(strip(&file(&[b"av01", b"Exif", b"mime"], &whole_of_each, b"pixels")), Err(Flaw::Broken));
}

#[test]
fn boxes_in_boxes_end() {
    let depth = 200_000_u32;
    let nested = (1..=depth).rev().flat_map(|left| [(left * 8).to_be_bytes(), *b"moov"]).collect::<Vec<_>>().concat();
    let many = part(b"free", &[]).repeat(200_000);

    assert!(strip(&[picture(b"where"), nested].concat()).is_ok_and(|stripped| stripped.is_moving));
    assert_eq!(strip(&[picture(b"where"), many].concat()), Err(Flaw::Broken));
}

#[test]
fn what_is_put_together_of_itself_is_not_known() {
    let grid = fs::read(format!("{}/tests/avif/grid.avif", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let references = grid.windows(4).position(|kind| kind == b"dimg").unwrap() + 4;
    assert_eq!(grid[references..references + 6], [0, 1, 0, 8, 0, 2], "the first is of eight");
    let around = [&grid[..references + 5], &[1], &grid[references + 6..]].concat();
    let nowhere = [&grid[..references + 5], &[99], &grid[references + 6..]].concat();
    let fewer = [&grid[..references + 3], &[7], &grid[references + 4..]].concat();

    assert!(coded(&grid).is_ok_and(|coded| coded.is_some()));
    assert!(coded(&around).is_ok_and(|coded| coded.is_none()));
    assert!(coded(&nowhere).is_ok_and(|coded| coded.is_none()));
    assert_eq!(coded(&fewer).err(), Some(Flaw::Broken));
}

#[test]
fn whatever_is_said_nothing_panics() {
    let mut state = 1_u32;
    for good in shipped() {
        assert!(strip(&good).is_ok() && coded(&good).is_ok_and(|coded| coded.is_some()));
        for at in 0..good.len() {
            let mut bad = good.clone();
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            for (place, with) in [(at, state), (at + 1, state >> 8)] {
                bad.get_mut(place).into_iter().for_each(|byte| *byte = (with >> 16) as u8);
                for bytes in [&bad, &good[..at]] {
                    strip(bytes).ok();
                    coded(bytes).ok();
                }
            }
        }
    }
}
