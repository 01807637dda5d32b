//! Where sound and moving pictures were recorded: telephones write it into the boxes of which such files are made (ISO/IEC
//! 14496-12), as `©xyz` and as keys of metadata (`QuickTime` File Format), as `loci` (3GPP TS 26.244), or within XMP.
//!
//! Whatever says it is found, not moved: a box that is written over is as large as before, so that all places in the file hold.

use std::{
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

use serde::{Deserialize, Serialize};

use super::boxes::{header, take};

/// Boxes looked at, at most.
const BOXES: usize = 2_000;
/// Boxes within one another, at most.
const DEPTH: usize = 8;
/// Keys of metadata that are read, at most, and bytes of each.
const KEYS: u32 = 256;
const KEY_BYTES: u32 = 256;
/// A box that holds XMP (XMP specification, part 3).
const XMP: [u8; 16] = [0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8, 0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac];

/// A box that says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The byte at which is written of what kind it is.
    pub kind: u64,
    /// The bytes inside.
    pub inside: Range<u64>,
}

/// All boxes that say it, as far as the file can be read.
pub fn traces(file: &mut (impl Read + Seek)) -> Vec<Trace> {
    let mut search = Search { file, boxes_left: BOXES, places: Vec::new(), traces: Vec::new() };
    search.look_until(u64::MAX, 0);
    search.traces
}

struct Search<'a, F> {
    file: &'a mut F,
    boxes_left: usize,
    /// Which of the keys of metadata that were read last are of places.
    places: Vec<u32>,
    traces: Vec<Trace>,
}

impl<F: Read + Seek> Search<'_, F> {
    /// Looks at the boxes that follow one another up to an end, or as far as there are boxes.
    fn look_until(&mut self, end: u64, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        loop {
            let start = self.file.stream_position().ok()?;
            self.boxes_left = self.boxes_left.checked_sub(1)?;
            let (kind, size) = header(self.file)?;
            let next = start.checked_add(size).filter(|next| *next <= end)?;
            self.look_at(kind, start + 4, next, depth);
            self.file.seek(SeekFrom::Start(next)).ok()?;
        }
    }

    fn look_at(&mut self, kind: [u8; 4], place_of_kind: u64, end: u64, depth: usize) -> Option<()> {
        let inside = self.file.stream_position().ok()?;
        let is_of_place = |key: &u32| *key == u32::from_be_bytes(kind);
        let says = match &kind {
            b"moov" | b"trak" | b"udta" | b"ilst" => return self.look_until(end, depth + 1),
            b"meta" => {
                self.pass_version(inside)?;
                return self.look_until(end, depth + 1);
            }
            b"keys" => return self.read_keys(),
            b"\xa9xyz" | b"loci" | b"XMP_" => true,
            b"uuid" => take(self.file)? == XMP,
            // What a key stands for: it is inside of its box, which has the key's number for a kind.
            _ => self.places.iter().any(is_of_place),
        };
        if says {
            self.traces.push(Trace { kind: place_of_kind, inside: inside..end });
        }
        Some(())
    }

    /// Metadata has a version before its boxes, but not as `QuickTime` writes it.
    fn pass_version(&mut self, inside: u64) -> Option<()> {
        let [_, first] = [take::<4>(self.file)?, take::<4>(self.file)?];
        let version = if first == *b"hdlr" { 0 } else { 4 };
        self.file.seek(SeekFrom::Start(inside + version)).ok()?;
        Some(())
    }

    /// Finds out which keys are of places.
    fn read_keys(&mut self) -> Option<()> {
        self.places.clear();
        take::<4>(self.file)?;
        let count = u32::from_be_bytes(take(self.file)?);
        for key in 1..=count.min(KEYS) {
            let size = u32::from_be_bytes(take(self.file)?).checked_sub(8).filter(|size| *size <= KEY_BYTES)?;
            take::<4>(self.file)?;
            let mut name = vec![0; size as usize];
            self.file.read_exact(&mut name).ok()?;
            if String::from_utf8_lossy(&name).contains(".location") {
                self.places.push(key);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::probe::boxes::boxed;

    /// The kinds and insides of what is found.
    fn found(file: &[u8]) -> Vec<(&[u8], &[u8])> {
        let range = |range: Range<u64>| &file[range.start as usize..range.end as usize];
        let traces = traces(&mut Cursor::new(file));
        traces.into_iter().map(|trace| (range(trace.kind..trace.kind + 4), range(trace.inside))).collect()
    }

    #[test]
    fn what_says_where_a_film_was_made_is_found_and_nothing_else() {
        let name = b"com.apple.quicktime.location.ISO6709";
        let key = |name: &[u8]| [&(name.len() as u32 + 8).to_be_bytes()[..], b"mdta", name].concat();
        let keys = [&[0; 4][..], &2_u32.to_be_bytes(), &key(b"com.apple.quicktime.make"), &key(name)].concat();
        let item = |key: u32, words: &[u8]| boxed(&key.to_be_bytes(), &boxed(b"data", &[&[0; 8], words].concat()));
        let items = boxed(b"ilst", &[item(1, b"A make"), item(2, b"+52.5+13.4/")].concat());
        let metadata = [boxed(b"hdlr", &[0; 25]), boxed(b"keys", &keys), items].concat();
        let user_data = [boxed(b"\xa9nam", b"A name"), boxed(b"\xa9xyz", b"+52.5+13.4/"), vec![0; 4]].concat();
        let large = [&1_u32.to_be_bytes()[..], b"loci", &20_u64.to_be_bytes(), b"here"].concat();
        let of_data = [boxed(b"data", &[&[0; 8][..], b"+52.5+13.4/"].concat())].concat();
        for metadata in [metadata.clone(), [&[0; 4][..], &metadata].concat()] {
            let film = boxed(b"moov", &[boxed(b"udta", &user_data), boxed(b"meta", &metadata), large.clone()].concat());
            let other = boxed(b"uuid", &[1; 20]);
            let xmp = boxed(b"uuid", &[&XMP[..], b"<x/>"].concat());
            let file = [boxed(b"ftyp", b"qt  "), film, other, xmp].concat();

            let wanted: [(&[u8], &[u8]); 4] = [
                (b"\xa9xyz", b"+52.5+13.4/"),
                (&2_u32.to_be_bytes(), &of_data),
                (b"loci", b"here"),
                (b"uuid", &[&XMP[..], b"<x/>"].concat()),
            ];
            assert_eq!(found(&file), wanted);
        }
    }

    #[test]
    fn what_is_no_box_is_passed_over() {
        let nested = (0..20).fold(boxed(b"\xa9xyz", b"deep"), |inside, _| boxed(b"udta", &inside));
        let beyond = boxed(b"moov", b"\0\0\0\xff\xa9xyz");
        let endless = [&0_u32.to_be_bytes()[..], b"\xa9xyz"].concat();

        for file in
            [&b""[..], b"\0\0\0\x08", &nested, &beyond, &endless, &boxed(b"meta", b""), &boxed(b"keys", &[9; 40])]
        {
            assert_eq!(found(file), [], "{file:?}");
        }
    }
}
