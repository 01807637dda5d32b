//! WebP (RFC 9649): chunks in a RIFF file.

use image::metadata::Orientation;

use super::{super::bounds, Flaw, Front, Stripped, orientation_of};

/// In the first byte of `VP8X`: there is EXIF, there is XMP.
const METADATA_FLAGS: u8 = 0x08 | 0x04;

pub(super) fn strip(bytes: &[u8]) -> Result<Stripped, Flaw> {
    let mut rest = Front(bytes);
    if rest.array()? != *b"RIFF" {
        return Err(Flaw::Broken);
    }
    let size = u32::from_le_bytes(rest.array()?) as usize;
    let mut rest = Front(rest.take(size)?);
    if rest.array()? != *b"WEBP" {
        return Err(Flaw::Broken);
    }
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(b"RIFF\0\0\0\0WEBP");
    let mut orientation = Orientation::NoTransforms;
    let mut frames = 0;
    while !rest.0.is_empty() {
        let kind: [u8; 4] = rest.array()?;
        let length = u32::from_le_bytes(rest.array()?);
        let contents = rest.take(length as usize)?;
        if length % 2 == 1 && !rest.0.is_empty() {
            rest.take(1)?;
        }
        let begin = kept.len() + 8;
        match &kind {
            b"EXIF" => orientation = orientation_of(contents).unwrap_or(orientation),
            b"ANMF" => frames += 1,
            _ => {}
        }
        if frames > bounds::FRAMES {
            return Err(Flaw::TooManyFrames);
        }
        if matches!(&kind, b"VP8X" | b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP") {
            kept.extend(kind);
            kept.extend(length.to_le_bytes());
            kept.extend(contents);
            kept.resize(kept.len().next_multiple_of(2), 0);
        }
        if &kind == b"VP8X" {
            *kept.get_mut(begin).ok_or(Flaw::Broken)? &= !METADATA_FLAGS;
        }
    }
    let size = kept.len() as u32 - 8;
    kept[4..8].copy_from_slice(&size.to_le_bytes());
    Ok(Stripped { bytes: kept, orientation, is_moving: frames > 1, size: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8], contents: &[u8]) -> Vec<u8> {
        let mut bytes = [kind, &(contents.len() as u32).to_le_bytes()[..], contents].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        let chunks = chunks.concat();
        [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat()
    }

    #[test]
    fn only_what_shows_the_picture_is_kept() {
        let header = |flags| chunk(b"VP8X", &[flags, 0, 0, 0, 9, 0, 0, 9, 0, 0]);
        let (pixels, frame) = (chunk(b"VP8 ", b"odd"), chunk(b"ANMF", b"a frame"));
        let all = riff(&[header(0x2c), pixels.clone(), chunk(b"EXIF", b"where"), chunk(b"XMP ", b"who")]);

        let stripped = strip(&all).unwrap();

        assert_eq!(stripped.bytes, riff(&[header(0x20), pixels]));
        assert_eq!(strip(&[&all[..], b"more"].concat()).unwrap(), stripped);
        assert_eq!(strip(&all[..all.len() - 1]).unwrap_err(), Flaw::Truncated);
        let moving = riff(&[header(2), frame.clone(), frame.clone()]);
        assert_eq!(strip(&moving).unwrap().bytes, moving);
        assert!(strip(&moving).unwrap().is_moving);
        assert_eq!(strip(&riff(&vec![frame; bounds::FRAMES + 1])).unwrap_err(), Flaw::TooManyFrames);
    }
}
