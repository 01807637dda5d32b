//! Sound and moving pictures where the first bytes alone do not say it: behind a tag, in frames, or in boxes.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use super::boxes;

/// Tags before the sound that are passed over, at most.
const TAGS: usize = 8;
/// The head of a tag (ID3v2.4, 3.1), and of what may stand at its end.
const TAG_HEAD: usize = 10;

/// What it is, where it is one of these.
pub fn type_of(file: &File, head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"ID3") {
        // Sound with this tag and nothing that tells more is what the tag was made for.
        return Some(behind_tags(file).and_then(|sound| in_frames(&sound)).unwrap_or("audio/mpeg"));
    }
    if head.starts_with(b"FORM") && matches!(head.get(8..12), Some(b"AIFF" | b"AIFC")) {
        return Some("audio/aiff");
    }
    in_frames(head).or_else(|| in_boxes(file, head))
}

/// The first bytes behind the tags.
fn behind_tags(mut file: &File) -> Option<[u8; TAG_HEAD]> {
    let mut place = 0;
    for _ in 0..TAGS {
        let mut head = [0; TAG_HEAD];
        file.seek(SeekFrom::Start(place)).ok()?;
        file.read_exact(&mut head).ok()?;
        if !head.starts_with(b"ID3") {
            return Some(head);
        }
        // Seven bits of each byte count.
        let size = head[6..].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
        let has_end = head[5] & 0x10 != 0;
        place += size + TAG_HEAD as u64 * if has_end { 2 } else { 1 };
    }
    None
}

fn in_frames(sound: &[u8]) -> Option<&'static str> {
    if sound.starts_with(b"fLaC") {
        return Some("audio/x-flac");
    }
    let &[0xff, second, third, ..] = sound else { return None };
    let (layer, rate, bits) = (second >> 1 & 3, third >> 2 & 15, third >> 4);
    // ISO/IEC 14496-3, 1.A.3.2: one layer, and thirteen rates.
    if second & 0xf6 == 0xf0 {
        return (rate < 13).then_some("audio/aac");
    }
    // ISO/IEC 11172-3, 2.4.2.3, and MPEG 2.5: the third layer, no version, rate or speed that is not given.
    let version = second >> 3 & 3;
    let is_frame = second & 0xe0 == 0xe0 && layer == 1 && version != 1 && bits != 15 && rate & 3 != 3;
    is_frame.then_some("audio/mpeg")
}

/// What is in boxes, if there are tracks in it: whoever made it may have called it by a name of his own.
fn in_boxes(file: &File, head: &[u8]) -> Option<&'static str> {
    let brand = match head.get(4..8)? {
        b"ftyp" => head.get(8..12)?,
        // QuickTime is older than brands.
        b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" => b"qt  ",
        _ => return None,
    };
    let tracks = boxes::tracks(file);
    if !tracks.has_sound && !tracks.has_pictures {
        return None;
    }
    Some(match (brand, tracks.has_pictures) {
        (b"qt  ", _) => "video/quicktime",
        // A book has pictures of its chapters.
        ([b'M', b'4', b'A' | b'B' | b'P', _], _) => "audio/m4a",
        ([b'M', b'4', b'V', _], true) => "video/x-m4v",
        ([b'3', b'g', ..], true) => "video/3gpp",
        ([b'3', b'g', ..], false) => "audio/3gpp",
        (_, true) => "video/mp4",
        (_, false) => "audio/m4a",
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn told(bytes: &[u8]) -> Option<&'static str> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        type_of(&file, bytes)
    }

    fn tag(size: u8, inside: &[u8]) -> Vec<u8> {
        [b"ID3\x04\0\0\0\0\0", &[size][..], &vec![0; size.into()], inside].concat()
    }

    fn with_brand(brand: &[u8], handlers: &[&[u8; 4]]) -> Vec<u8> {
        let ftyp = boxes::tests::boxed(b"ftyp", &[brand, &[0; 4]].concat());
        [ftyp, boxes::tests::movie(handlers)].concat()
    }

    #[test]
    fn sound_is_told_behind_tags_and_by_its_frames() {
        for (bytes, mime_type) in [
            (tag(20, b"fLaC\0\0\0\x22\0\0"), Some("audio/x-flac")),
            (tag(20, b"\xff\xf1\x50\x80\0\0\0\0\0\0"), Some("audio/aac")),
            (tag(20, &tag(3, b"\xff\xfb\x90\x64\0\0\0\0\0\0")), Some("audio/mpeg")),
            (tag(20, b""), Some("audio/mpeg")),
            (b"\xff\xfa\x90\x64".to_vec(), Some("audio/mpeg")),
            (b"\xff\xe3\x18\xc4".to_vec(), Some("audio/mpeg")),
            (b"\xff\xf0\x50\x80".to_vec(), Some("audio/aac")),
            (b"\xff\xf8\x50\x80".to_vec(), Some("audio/aac")),
            (b"\xff\xf0\x7c\x80".to_vec(), None),
            (b"\xff\xfe<\0".to_vec(), None),
            (b"\xff\xff\xff\xff".to_vec(), None),
            (b"\xff\xd8\xff\xe0".to_vec(), None),
            (b"FORM\0\0\0\x04AIFC".to_vec(), Some("audio/aiff")),
        ] {
            assert_eq!(told(&bytes), mime_type, "{bytes:?}");
        }
    }

    #[test]
    fn what_plays_in_boxes_is_told_by_its_tracks() {
        let (sound, pictures): (&[u8; 4], &[u8; 4]) = (b"soun", b"vide");
        for (brand, handlers, mime_type) in [
            (b"XAVC", &[pictures, sound][..], Some("video/mp4")),
            (b"iso9", &[pictures], Some("video/mp4")),
            (b"dash", &[sound], Some("audio/m4a")),
            (b"3gp5", &[pictures, sound], Some("video/3gpp")),
            (b"3gp4", &[sound], Some("audio/3gpp")),
            (b"M4B ", &[sound, pictures], Some("audio/m4a")),
            (b"M4VH", &[sound, pictures], Some("video/x-m4v")),
            (b"qt  ", &[sound, pictures], Some("video/quicktime")),
            (b"heic", &[b"pict"], None),
            (b"XAVC", &[], None),
        ] {
            assert_eq!(told(&with_brand(brand, handlers)), mime_type, "{}", brand.escape_ascii());
        }
        for first in [&b"wide"[..], b"free", b"skip", b"mdat"] {
            let old = [boxes::tests::boxed(first, b""), boxes::tests::movie(&[pictures])].concat();
            assert_eq!(told(&old), Some("video/quicktime"));
        }
        assert_eq!(told(b"The wide open sea"), None);
    }
}
