//! PNG (W3C, third edition): chunks, the animated kind among them.

use image::metadata::Orientation;

use super::{super::bounds, Flaw, Front, Stripped, orientation_of};

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

pub(super) fn strip(bytes: &[u8]) -> Result<Stripped, Flaw> {
    let mut rest = Front(bytes);
    if rest.array()? != SIGNATURE {
        return Err(Flaw::Broken);
    }
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(SIGNATURE);
    let mut orientation = Orientation::NoTransforms;
    let mut frames = 0;
    loop {
        let whole = rest.0;
        let length = rest.number(4)? as usize;
        let kind = rest.array()?;
        let contents = rest.take(length)?;
        rest.take(4)?;
        match &kind {
            b"eXIf" => orientation = orientation_of(contents).unwrap_or(orientation),
            b"fcTL" => frames += 1,
            _ => {}
        }
        if frames > bounds::FRAMES {
            return Err(Flaw::TooManyFrames);
        }
        if shows(kind) {
            kept.extend(&whole[..length + 12]);
        }
        if &kind == b"IEND" {
            return Ok(Stripped { bytes: kept, orientation, is_moving: frames > 1, size: None });
        }
    }
}

/// Whether a chunk is needed to show the picture as it was meant: the critical ones, those of colours, and those that
/// make it move.
fn shows(kind: [u8; 4]) -> bool {
    let is_critical = kind[0].is_ascii_uppercase();
    is_critical
        || matches!(
            &kind,
            b"tRNS"
                | b"gAMA"
                | b"cHRM"
                | b"sRGB"
                | b"iCCP"
                | b"cICP"
                | b"mDCV"
                | b"cLLI"
                | b"sBIT"
                | b"bKGD"
                | b"pHYs"
                | b"acTL"
                | b"fcTL"
                | b"fdAT"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8], contents: &[u8]) -> Vec<u8> {
        [&(contents.len() as u32).to_be_bytes()[..], kind, contents, b"sum!"].concat()
    }

    #[test]
    fn only_what_shows_the_picture_is_kept() {
        let (header, pixels, end) = (chunk(b"IHDR", &[0; 13]), chunk(b"IDAT", b"pixels"), chunk(b"IEND", b""));
        let text = chunk(b"tEXt", b"Comment\0at home");
        let all = [&SIGNATURE[..], &header, &text, &pixels, &chunk(b"tIME", &[0; 7]), &end, b"more"].concat();

        let stripped = strip(&all).unwrap();

        assert_eq!(stripped.bytes, [&SIGNATURE[..], &header, &pixels, &end].concat());
        assert!(!stripped.is_moving);
        assert_eq!(strip(&all[..all.len() - 10]).unwrap_err(), Flaw::Truncated);
        let moving = [&SIGNATURE[..], &header, &chunk(b"fcTL", &[0; 26]).repeat(2), &pixels, &end].concat();
        assert!(strip(&moving).unwrap().is_moving);
        let endless = [&SIGNATURE[..], &header, &chunk(b"fcTL", &[0; 26]).repeat(bounds::FRAMES + 1), &end].concat();
        assert_eq!(strip(&endless).unwrap_err(), Flaw::TooManyFrames);
    }
}
