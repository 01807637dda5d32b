//! Streams of a PDF, unpacked (ISO 32000-2, 7.4), but never more than there is room for.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::syntax::{Dictionary, Value};

/// Bytes that all streams together may become.
const ROOM: u64 = 8 * 1024 * 1024;

/// What is left of the room.
pub struct Budget {
    left: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: ROOM }
    }
}

impl Budget {
    /// Unpacks the stream of this dictionary, which begins here.
    pub fn unpack(&mut self, packed: impl Read, dictionary: &Dictionary) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        match dictionary.get(&b"Filter"[..]).map(only) {
            None => {
                let length = dictionary.get(&b"Length"[..])?.integer()?.try_into().ok()?;
                packed.take(self.left.min(length)).read_to_end(&mut bytes).ok()?;
            }
            Some(Value::Name(name)) if name == b"FlateDecode" => {
                ZlibDecoder::new(packed).take(self.left).read_to_end(&mut bytes).ok()?;
            }
            Some(_) => return None,
        }
        self.left -= bytes.len() as u64;
        if self.left == 0 {
            return None;
        }
        match dictionary.get(&b"DecodeParms"[..]).map(only) {
            Some(Value::Dictionary(how)) => unpredict(bytes, how),
            _ => Some(bytes),
        }
    }
}

/// What stands for itself, or alone in a list.
fn only(value: &Value) -> &Value {
    match value {
        Value::Array(values) if values.len() == 1 => &values[0],
        value => value,
    }
}

/// Turns differences between rows into the rows again (as in PNG, 9).
fn unpredict(bytes: Vec<u8>, how: &Dictionary) -> Option<Vec<u8>> {
    let number = |name: &[u8], otherwise| how.get(name).map_or(Some(otherwise), Value::integer);
    match number(b"Predictor", 1)? {
        1 => return Some(bytes),
        10.. if number(b"Colors", 1)? == 1 && number(b"BitsPerComponent", 8)? == 8 => {}
        _ => return None,
    }
    let columns = usize::try_from(number(b"Columns", 1)?).ok().filter(|columns| (1..=1024).contains(columns))?;
    let mut rows = Vec::with_capacity(bytes.len());
    let mut above = vec![0; columns];
    for row in bytes.chunks_exact(columns + 1) {
        let (kind, row) = row.split_first()?;
        let (mut left, mut corner) = (0, 0);
        for (above, byte) in above.iter_mut().zip(row) {
            let here = byte.wrapping_add(match kind {
                0 => 0,
                1 => left,
                2 => *above,
                3 => u8::midpoint(left, *above),
                4 => nearest(left, *above, corner),
                _ => return None,
            });
            (corner, left, *above) = (*above, here, here);
        }
        rows.extend_from_slice(&above);
    }
    Some(rows)
}

/// Whichever of its neighbours is likely the nearest (as in PNG, 9.4).
fn nearest(left: u8, above: u8, corner: u8) -> u8 {
    let likely = i16::from(left) + i16::from(above) - i16::from(corner);
    [left, above, corner].into_iter().min_by_key(|near| (likely - i16::from(*near)).abs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{Write, repeat};

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn said(fields: &[(&str, Value)]) -> Dictionary {
        fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())).collect()
    }

    #[test]
    fn rows_come_back_from_their_differences() {
        let how = said(&[("Predictor", Value::Integer(15)), ("Columns", Value::Integer(3))]);
        let rows = [[0, 1, 2, 3], [1, 1, 1, 1], [2, 1, 1, 1], [3, 1, 1, 1], [4, 1, 1, 1], [4, 0, 0, 9]];

        let unpacked = unpredict(rows.concat(), &how).unwrap();

        let expected = [[1, 2, 3], [1, 2, 3], [2, 3, 4], [2, 3, 4], [3, 4, 5], [3, 4, 14]];
        assert_eq!(unpacked, expected.concat());
        assert_eq!(unpredict(vec![9, 1, 1, 1], &how), None);
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut bomb = ZlibEncoder::new(Vec::new(), Compression::best());
        std::io::copy(&mut repeat(0).take(4 * ROOM), &mut bomb).unwrap();
        bomb.flush().unwrap();
        let bomb = bomb.finish().unwrap();
        let mut budget = Budget::default();

        assert_eq!(budget.unpack(&bomb[..], &said(&[("Filter", Value::Name(b"FlateDecode".to_vec()))])), None);
        assert_eq!(budget.left, 0);
    }
}
