//! GIF (version 89a): blocks, one after the other.

use image::metadata::Orientation;

use super::{super::bounds, Flaw, Front, Stripped};

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2c;
const TRAILER: u8 = 0x3b;
/// Of the extensions: how long a frame stands and what shows through it, and what applications add.
const CONTROL: u8 = 0xf9;
const APPLICATION: u8 = 0xff;

pub(super) fn strip(bytes: &[u8]) -> Result<Stripped, Flaw> {
    let mut rest = Front(bytes);
    let header: [u8; 13] = rest.array()?;
    if !header.starts_with(b"GIF8") {
        return Err(Flaw::Broken);
    }
    rest.take(table_bytes(header[10]))?;
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(&bytes[..bytes.len() - rest.0.len()]);
    let mut frames = 0;
    // Some programs leave the trailer away; what is whole until then is a whole picture.
    while !rest.0.is_empty() {
        let block = rest.0;
        let shows = match rest.byte()? {
            TRAILER => break,
            IMAGE => {
                frames += 1;
                let descriptor: [u8; 9] = rest.array()?;
                rest.take(table_bytes(descriptor[8]) + 1)?;
                true
            }
            EXTENSION => match rest.byte()? {
                CONTROL => true,
                APPLICATION => rest.0.starts_with(b"\x0bNETSCAPE2.0") || rest.0.starts_with(b"\x0bANIMEXTS1.0"),
                _ => false,
            },
            _ => return Err(Flaw::Broken),
        };
        if frames > bounds::FRAMES {
            return Err(Flaw::TooManyFrames);
        }
        while let length @ 1.. = rest.byte()? {
            rest.take(length.into())?;
        }
        if shows {
            kept.extend(&block[..block.len() - rest.0.len()]);
        }
    }
    if frames == 0 {
        return Err(Flaw::Truncated);
    }
    kept.push(TRAILER);
    Ok(Stripped { bytes: kept, orientation: Orientation::NoTransforms, is_moving: frames > 1, size: None })
}

/// Bytes of the table of colours that follows a byte of flags.
fn table_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    const FRAME: &[u8] = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    const LOOP: &[u8] = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0";
    const CONTROLLED: &[u8] = b"\x21\xf9\x04\0\x0a\0\0\0";

    #[test]
    fn only_what_shows_the_picture_is_kept() {
        let comment = b"\x21\xfe\x07at home\0";
        let xmp = b"\x21\xff\x0bXMP DataXMP\x05where\0";
        let all = [HEADER, LOOP, comment, CONTROLLED, FRAME, xmp, CONTROLLED, FRAME, b";", b"more"].concat();

        let stripped = strip(&all).unwrap();

        assert_eq!(stripped.bytes, [HEADER, LOOP, CONTROLLED, FRAME, CONTROLLED, FRAME, b";"].concat());
        assert!(stripped.is_moving);
        assert!(!strip(&[HEADER, FRAME].concat()).unwrap().is_moving);
        assert_eq!(strip(&all[..all.len() - 7]).unwrap_err(), Flaw::Truncated);
        assert_eq!(strip(&[HEADER, b";"].concat()).unwrap_err(), Flaw::Truncated);
        assert_eq!(strip(&[HEADER, &FRAME.repeat(100_000)].concat()).unwrap_err(), Flaw::TooManyFrames);
    }
}
