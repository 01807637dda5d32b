//! JPEG (ITU T.81, annex B): segments, each behind a marker, and scans between them.

use image::metadata::Orientation;
use memchr::memchr;

use super::{super::bounds, Flaw, Front, Stripped, orientation_of};

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const COM: u8 = 0xfe;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;
const APP15: u8 = 0xef;

/// What a scan costs at least, in pixels.
const LEAST_PIXELS: u64 = 1_000_000;

pub(super) fn strip(bytes: &[u8]) -> Result<Stripped, Flaw> {
    let mut rest = Front(bytes);
    if rest.array()? != [0xff, SOI] {
        return Err(Flaw::Broken);
    }
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend([0xff, SOI]);
    let mut orientation = Orientation::NoTransforms;
    let (mut pixels, mut scans) = (0, 0);
    loop {
        let marker = next_marker(&mut rest)?;
        match marker {
            EOI => break,
            // These stand alone, and mean nothing out of a scan.
            0x01 | 0xd0..=SOI => continue,
            _ => {}
        }
        let length = rest.number(2)?.checked_sub(2).ok_or(Flaw::Broken)? as usize;
        let contents = rest.take(length)?;
        if marker == APP1 && contents.starts_with(b"Exif\0\0") {
            orientation = orientation_of(contents).unwrap_or(orientation);
        }
        if is_frame(marker) {
            let mut frame = Front(contents.get(1..).ok_or(Flaw::Broken)?);
            pixels = frame.number(2)? * frame.number(2)?;
        }
        if shows(marker, contents) {
            kept.extend([0xff, marker]);
            kept.extend((length as u16 + 2).to_be_bytes());
            kept.extend(contents);
        }
        if marker == SOS {
            scans += 1;
            // A scan of a small picture takes its time too.
            if pixels.max(LEAST_PIXELS) * scans > bounds::SCANNED {
                return Err(Flaw::TooSlow);
            }
            kept.extend(scan(&mut rest)?);
        }
    }
    if scans == 0 {
        return Err(Flaw::Broken);
    }
    // What comes after the end, be it a video or the same picture in another size, is not this picture.
    kept.extend([0xff, EOI]);
    Ok(Stripped { bytes: kept, orientation, is_moving: false, size: None })
}

/// The next marker; what some programs leave between segments is passed over, as everybody does.
fn next_marker(rest: &mut Front<'_>) -> Result<u8, Flaw> {
    loop {
        let begin = memchr(0xff, rest.0).ok_or(Flaw::Truncated)?;
        rest.take(begin + 1)?;
        while rest.0.first() == Some(&0xff) {
            rest.take(1)?;
        }
        match rest.byte()? {
            0 => {}
            marker => return Ok(marker),
        }
    }
}

/// The coded pixels up to the next marker that is not part of them.
fn scan<'a>(rest: &mut Front<'a>) -> Result<&'a [u8], Flaw> {
    let mut from = 0;
    loop {
        let at = from + memchr(0xff, &rest.0[from..]).ok_or(Flaw::Truncated)?;
        match rest.0.get(at + 1) {
            None => return Err(Flaw::Truncated),
            Some(0 | 0xd0..=0xd7) => from = at + 2,
            Some(0xff) => from = at + 1,
            Some(_) => return rest.take(at),
        }
    }
}

/// Whether a segment says how many pixels there are (`SOF0` to `SOF15`, in between which there are tables).
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Whether a segment is needed to show the picture as it was meant: of what applications add, how colours are to be
/// read, and that alone.
fn shows(marker: u8, contents: &[u8]) -> bool {
    match marker {
        // Without the small picture that may be in it.
        APP0 => contents.starts_with(b"JFIF\0") && contents.len() == 14,
        APP2 => contents.starts_with(b"ICC_PROFILE\0"),
        APP14 => contents.starts_with(b"Adobe"),
        APP0..=APP15 | COM => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, contents: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, marker];
        bytes.extend((contents.len() as u16 + 2).to_be_bytes());
        bytes.extend(contents);
        bytes
    }

    #[test]
    fn only_what_shows_the_picture_is_kept() {
        let table = segment(0xdb, &[0; 65]);
        let icc = segment(APP2, b"ICC_PROFILE\0\x01\x01profile");
        let (first, second) = (segment(SOS, &[1, 2]), segment(SOS, &[3, 4]));
        let (coded, more) = ([1, 0xff, 0, 2, 0xff, 0xd0, 3], [4, 5]);
        let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let all: Vec<u8> = [
            &[0xff, SOI][..],
            &segment(APP0, b"JFXX\0\x10thumbnail"),
            &segment(APP1, exif),
            &segment(APP1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"),
            &icc,
            &segment(APP2, b"MPF\0other pictures"),
            &table,
            &first,
            &coded,
            &segment(COM, b"said in between"),
            &second,
            &more,
            &[0xff, EOI],
            b"a whole video",
        ]
        .concat();
        let kept: Vec<u8> = [&[0xff, SOI][..], &icc, &table, &first, &coded, &second, &more, &[0xff, EOI]].concat();

        let stripped = strip(&all).unwrap();

        assert_eq!(stripped.bytes, kept);
        assert_eq!(stripped.orientation, Orientation::Rotate90);
        let end = all.len() - b"a whole video".len();
        for length in 0..end {
            assert_eq!(strip(&all[..length]).unwrap_err(), Flaw::Truncated, "{length} of {end}");
        }
    }

    #[test]
    fn how_often_pixels_are_gone_over_is_bounded() {
        let of = |side: u16, scans| {
            let frame = segment(0xc2, &[&[8][..], &side.to_be_bytes(), &side.to_be_bytes(), &[1, 1, 0x11, 0]].concat());
            strip(&[&[0xff, SOI][..], &frame, &segment(SOS, &[0]).repeat(scans), &[0xff, EOI]].concat())
        };

        assert!(of(7_000, 10).is_ok() && of(1_000, 500).is_ok());
        assert_eq!(of(7_000, 11).unwrap_err(), Flaw::TooSlow);
        assert_eq!(of(8, 501).unwrap_err(), Flaw::TooSlow);
    }
}
