//! The tracks of a file that is made of boxes (ISO/IEC 14496-12, and `QuickTime` before it).

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// Boxes looked at, at most.
const BOXES: usize = 2_000;

/// What kinds of tracks there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracks {
    /// To be heard.
    pub has_sound: bool,
    /// To be seen.
    pub has_pictures: bool,
}

/// What kinds of tracks there are, as far as it can be read.
pub fn tracks(mut file: &File) -> Tracks {
    let mut tracks = Tracks::default();
    if file.seek(SeekFrom::Start(0)).is_ok() {
        for _ in 0..BOXES {
            if step(file, &mut tracks).is_none() {
                break;
            }
        }
    }
    tracks
}

/// Passes over a box, or goes into it.
fn step(mut file: &File, tracks: &mut Tracks) -> Option<()> {
    let start = file.stream_position().ok()?;
    let size = u32::from_be_bytes(take(file)?);
    let kind: [u8; 4] = take(file)?;
    let size = if size == 1 { u64::from_be_bytes(take(file)?) } else { size.into() };
    match &kind {
        // What is inside comes next.
        b"moov" | b"trak" | b"mdia" => return Some(()),
        b"hdlr" => {
            // After its version, and what QuickTime calls the kind of handler.
            take::<8>(file)?;
            let handler = take(file)?;
            tracks.has_sound |= handler == *b"soun";
            tracks.has_pictures |= handler == *b"vide";
        }
        _ => {}
    }
    // A box that goes on to the end of the file is the last.
    let size = Some(size).filter(|size| *size >= 8)?;
    file.seek(SeekFrom::Start(start.checked_add(size)?)).ok()?;
    Some(())
}

fn take<const N: usize>(mut file: &File) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    pub fn boxed(kind: &[u8], inside: &[u8]) -> Vec<u8> {
        [&(inside.len() as u32 + 8).to_be_bytes()[..], kind, inside].concat()
    }

    pub fn movie(handlers: &[&[u8; 4]]) -> Vec<u8> {
        let track = |handler: &&[u8; 4]| {
            let handler = boxed(b"hdlr", &[&[0; 8][..], *handler, &[0; 12]].concat());
            boxed(b"trak", &[boxed(b"tkhd", &[0; 84]), boxed(b"mdia", &handler)].concat())
        };
        let tracks: Vec<_> = handlers.iter().flat_map(track).collect();
        boxed(b"moov", &[boxed(b"mvhd", &[0; 100]), tracks].concat())
    }

    #[test]
    fn tracks_are_found_behind_whatever_comes_before_them() {
        let told = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            tracks(&file)
        };
        let large = [&1_u32.to_be_bytes()[..], b"mdat", &20_u64.to_be_bytes(), b"data"].concat();

        let both = Tracks { has_sound: true, has_pictures: true };
        assert_eq!(told(&[large, movie(&[b"vide", b"soun"])].concat()), both);
        assert_eq!(told(&movie(&[b"text"])), Tracks::default());
        assert_eq!(told(b"\0\0\0\0moov"), Tracks::default());
        assert_eq!(told(&[&boxed(b"free", b""), &b"\0\0\0\x07mdat"[..]].concat()), Tracks::default());
        assert_eq!(told(b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"), Tracks::default());
    }
}
