//! The pixels of AVIF, where they can be had within bounds. A decoder reads all that it is given, however little of that is
//! shown, and can't be stopped: so what is coded is looked at first.

use oxideav_av1::{
    obu::{ObuIter, ObuType},
    sequence_header::parse_sequence_header,
};
use oxideav_avif::{DecodeOptions, decode_with};

use super::{
    bounds::{AVIF_PICTURES, AVIF_PIXELS},
    container::avif::coded,
    flaw::Flaw,
    pixels::Pixels,
};

/// The pixels of a stripped file that is shown in this size; nothing where they can't be had.
pub(super) fn read(bytes: &[u8], size: (u32, u32)) -> Result<Option<Pixels>, Flaw> {
    let Some(pictures) = coded(bytes)? else { return Ok(None) };
    if pictures.len() > AVIF_PICTURES || !pictures.iter().all(|picture| is_bounded(picture)) {
        return Ok(None);
    }
    let options = DecodeOptions::new().with_max_pixels(Some(AVIF_PIXELS)).with_threads(Some(1));
    let decoded = decode_with(bytes, &options).ok().filter(|decoded| (decoded.width(), decoded.height()) == size);
    let rgba = decoded.and_then(|decoded| Some((decoded.try_to_rgba8().ok()?, decoded.metadata.icc)));
    Ok(rgba.and_then(|(rgba, profile)| Pixels::of_rgba(size, rgba, profile)))
}

/// Whether a coded picture is one frame of few enough pixels.
fn is_bounded(coded: &[u8]) -> bool {
    let (mut headers, mut frames) = (0, 0);
    for part in ObuIter::new(coded) {
        let Ok(part) = part else { return false };
        match part.obu_type {
            ObuType::SequenceHeader => {
                let Ok(header) = parse_sequence_header(part.payload) else { return false };
                let pixels =
                    (u64::from(header.max_frame_width_minus_1) + 1) * (u64::from(header.max_frame_height_minus_1) + 1);
                headers += usize::from(pixels <= AVIF_PIXELS);
            }
            ObuType::Frame | ObuType::FrameHeader => frames += 1,
            ObuType::TileList => return false,
            _ => {}
        }
    }
    (headers, frames) == (1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_frame_of_few_pixels_is_read() {
        let fields = include_bytes!("../../../tests/media/fields.avif");
        let large = include_bytes!("../../../tests/media/large.avif");
        let first = |bytes| coded(bytes).unwrap().and_then(|pictures| pictures.into_iter().next()).unwrap();

        assert!(is_bounded(&first(fields)) && read(fields, (400, 200)).unwrap().is_some());
        assert!(!is_bounded(&[first(fields), first(fields)].concat()));
        assert!(!is_bounded(&first(large)) && read(large, (8_000, 6_000)).unwrap().is_none());
        assert!(read(fields, (200, 400)).unwrap().is_none(), "what it says elsewhere is what is believed");
        assert!(coded(include_bytes!("../../../tests/media/moving.avif")).unwrap().is_none());
    }
}
