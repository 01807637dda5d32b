//! Whether a video is shown on its side, as telephones record it: said in a matrix of its track (ISO/IEC 14496-12, 8.3.2),
//! which readers of sound and pictures pass over.

use std::io::{Read, Seek, SeekFrom};

use super::boxes::{header, take};

/// Boxes looked at, at most.
const BOXES: usize = 1_000;
/// Where the matrix is in a header of version 0, from the version on.
const MATRIX: i64 = 40;
/// How much longer the times before it are in version 1.
const LONGER: i64 = 12;

/// Whether the first track that has pictures is turned by a quarter.
pub fn is_on_its_side(file: &mut (impl Read + Seek)) -> bool {
    find(file).unwrap_or_default()
}

fn find(file: &mut (impl Read + Seek)) -> Option<bool> {
    for _ in 0..BOXES {
        let start = file.stream_position().ok()?;
        let (kind, size) = header(file)?;
        match &kind {
            // What is inside comes next.
            b"moov" | b"trak" => continue,
            b"tkhd" => {
                if let Some(is_turned) = turned(file) {
                    return Some(is_turned);
                }
            }
            _ => {}
        }
        file.seek(SeekFrom::Start(start.checked_add(size)?)).ok()?;
    }
    None
}

/// Whether a track is turned by a quarter; nothing where it has no pictures.
fn turned(file: &mut (impl Read + Seek)) -> Option<bool> {
    let [version, ..] = take::<4>(file)?;
    file.seek(SeekFrom::Current(MATRIX - 4 + if version == 1 { LONGER } else { 0 })).ok()?;
    let mut matrix = [0; 9];
    for number in &mut matrix {
        *number = i32::from_be_bytes(take(file)?);
    }
    let (width, height) = (u32::from_be_bytes(take(file)?), u32::from_be_bytes(take(file)?));
    let [a, b, _, c, d, ..] = matrix;
    (width > 0 && height > 0).then_some(a == 0 && d == 0 && b != 0 && c != 0)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::probe::boxes::boxed;

    fn track(version: u8, matrix: [i32; 9], width: u32) -> Vec<u8> {
        let times = vec![0; if version == 1 { 32 } else { 20 }];
        let matrix: Vec<_> = matrix.iter().flat_map(|number| number.to_be_bytes()).collect();
        let size = [(width << 16).to_be_bytes(), (width << 16).to_be_bytes()].concat();
        let inside = [&[version, 0, 0, 7][..], &times, &[0; 16], &matrix, &size].concat();
        boxed(b"trak", &boxed(b"tkhd", &inside))
    }

    #[test]
    fn only_a_quarter_turn_of_pictures_counts() {
        const ONE: i32 = 0x1_0000;
        let straight = [ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30];
        let quarter = [0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30];
        let half = [-ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30];
        let told = |tracks: &[Vec<u8>]| {
            let file = [boxed(b"ftyp", b"isom"), boxed(b"free", &[0; 99]), boxed(b"moov", &tracks.concat())].concat();
            is_on_its_side(&mut Cursor::new(file))
        };

        assert!(told(&[track(0, quarter, 640)]) && told(&[track(1, quarter, 640)]));
        assert!(told(&[track(0, straight, 0), track(0, quarter, 640)]), "sound has no side");
        assert!(!told(&[track(0, straight, 640)]) && !told(&[track(0, half, 640)]) && !told(&[]));
        assert!(!is_on_its_side(&mut Cursor::new(b"\0\0\0\0moov")) && !is_on_its_side(&mut Cursor::new(b"")));
    }
}
