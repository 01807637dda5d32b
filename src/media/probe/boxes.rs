//! The boxes of which films are made (ISO/IEC 14496-12, 4.2), and `QuickTime`'s before them.

use std::io::Read;

/// What a box is, and its size with its header.
pub fn header(file: &mut impl Read) -> Option<([u8; 4], u64)> {
    let size = u64::from(u32::from_be_bytes(take(file)?));
    let kind = take(file)?;
    let (size, least) = if size == 1 { (u64::from_be_bytes(take(file)?), 16) } else { (size, 8) };
    // A box that goes on to the end of the file is the last.
    (size >= least).then_some((kind, size))
}

/// The next bytes.
pub fn take<const N: usize>(file: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// A box, for tests.
#[cfg(test)]
pub fn boxed(kind: &[u8], inside: &[u8]) -> Vec<u8> {
    [&(inside.len() as u32 + 8).to_be_bytes()[..], kind, inside].concat()
}
