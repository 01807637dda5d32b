//! The names in a ZIP archive ([APPNOTE], 4.3), of which nothing is unpacked. However many there are, none is kept.
//!
//! [APPNOTE]: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
};

/// The record at the end, without its comment.
const END: usize = 22;
/// Bytes in which the record at the end is looked for: with the longest comment.
const TAIL: u64 = END as u64 + 0xffff;
/// What stands before the record at the end where numbers are too large for it.
const LOCATOR: usize = 20;
/// The part of an entry that is always there.
const ENTRY: usize = 46;

/// Where the names of an archive are.
#[derive(Debug)]
pub struct Directory<'a> {
    file: &'a File,
    /// How many entries there are, as the archive says.
    pub entries: u64,
    start: u64,
}

impl<'a> Directory<'a> {
    /// Finds it; nothing where this is no archive, or a broken one.
    pub fn find(file: &'a File) -> Option<Self> {
        let mut reader = file;
        let length = reader.seek(SeekFrom::End(0)).ok()?;
        let from = reader.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
        let mut tail = Vec::new();
        reader.read_to_end(&mut tail).ok()?;
        let at = (0..=tail.len().checked_sub(END)?).rev().find(|at| is_end(&tail[*at..]))?;
        let end = &tail[at..];
        let (mut entries, mut size, mut start) = (u64::from(u16_at(end, 10)), u32_at(end, 12), u32_at(end, 16));
        let mut ends_at = from + at as u64;
        if let Some(large) = at.checked_sub(LOCATOR).and_then(|at| Large::find(file, &tail[at..])) {
            (entries, size, start, ends_at) = (large.entries, large.size, large.start, large.at);
        }
        // Something may stand before the archive, which it does not count.
        let shift = ends_at.checked_sub(size.checked_add(start)?)?;
        let found = Self { file, entries, start: start + shift };
        (entries == 0 || found.reader()?.is_at_entry()).then_some(found)
    }

    /// Whether any name in it is so. Nothing where it breaks off.
    pub fn any(&self, mut is_so: impl FnMut(&[u8]) -> bool) -> Option<bool> {
        let mut reader = self.reader()?;
        let mut name = Vec::new();
        for _ in 0..self.entries {
            reader.next(&mut name)?;
            if is_so(&name) {
                return Some(true);
            }
        }
        Some(false)
    }

    fn reader(&self) -> Option<Entries<'a>> {
        let mut reader = BufReader::new(self.file);
        reader.seek(SeekFrom::Start(self.start)).ok()?;
        Some(Entries(reader))
    }
}

/// The record at the end of a large archive (4.3.14).
struct Large {
    entries: u64,
    size: u64,
    start: u64,
    at: u64,
}

impl Large {
    fn find(mut file: &File, locator: &[u8]) -> Option<Self> {
        if !locator.starts_with(b"PK\x06\x07") {
            return None;
        }
        let at = u64_at(locator, 8);
        let mut record = [0; 56];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut record).ok()?;
        let is_one = record.starts_with(b"PK\x06\x06");
        is_one.then(|| Self { entries: u64_at(&record, 32), size: u64_at(&record, 40), start: u64_at(&record, 48), at })
    }
}

/// The entries of a directory, one after the other (4.3.12).
struct Entries<'a>(BufReader<&'a File>);

impl Entries<'_> {
    fn is_at_entry(&mut self) -> bool {
        self.fixed().is_some()
    }

    /// Reads the next entry's name.
    fn next(&mut self, name: &mut Vec<u8>) -> Option<()> {
        let fixed = self.fixed()?;
        name.resize(u16_at(&fixed, 28).into(), 0);
        self.0.read_exact(name).ok()?;
        let besides = u32::from(u16_at(&fixed, 30)) + u32::from(u16_at(&fixed, 32));
        self.0.seek_relative(besides.into()).ok()
    }

    fn fixed(&mut self) -> Option<[u8; ENTRY]> {
        let mut fixed = [0; ENTRY];
        self.0.read_exact(&mut fixed).ok()?;
        fixed.starts_with(b"PK\x01\x02").then_some(fixed)
    }
}

/// Whether an archive ends with this: the record at its end, and the comment that it says it has.
fn is_end(tail: &[u8]) -> bool {
    tail.starts_with(b"PK\x05\x06") && tail.len() >= END + usize::from(u16_at(tail, 20))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u16_at(bytes, at)) | u64::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) | u32_at(bytes, at + 4) << 32
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn entry(name: &str) -> Vec<u8> {
        let mut fixed = [0; ENTRY];
        fixed[..4].copy_from_slice(b"PK\x01\x02");
        fixed[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
        fixed[30] = 3;
        [&fixed, name.as_bytes(), b"xyz"].concat()
    }

    fn end(entries: u16, size: usize, start: usize, comment: &str) -> Vec<u8> {
        let (size, start) = ((size as u32).to_le_bytes(), (start as u32).to_le_bytes());
        let (entries, length) = (entries.to_le_bytes(), (comment.len() as u16).to_le_bytes());
        [b"PK\x05\x06\0\0\0\0", &entries[..], &entries, &size, &start, &length, comment.as_bytes()].concat()
    }

    fn names(bytes: &[u8]) -> Option<Vec<String>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut names = Vec::new();
        Directory::find(&file)?.any(|name| {
            names.push(String::from_utf8_lossy(name).into_owned());
            false
        })?;
        Some(names)
    }

    #[test]
    fn names_are_found_wherever_the_directory_is() {
        let directory = [entry("a.txt"), entry("b/c.txt")].concat();
        let both = Some(vec!["a.txt".to_owned(), "b/c.txt".to_owned()]);
        let said = |comment| [vec![7; 9], directory.clone(), end(2, directory.len(), 9, comment)].concat();

        assert_eq!(names(&said("")), both);
        assert_eq!(names(&said("PK\u{5}\u{6} is how it ends")), both);
        assert_eq!(names(&[b"something else".to_vec(), said("")].concat()), both);
        assert_eq!(names(&[said(""), b"something after".to_vec()].concat()), both);
        assert_eq!(names(&end(0, 0, 0, "")), Some(vec![]));

        let mut large = [0; 56];
        large[..4].copy_from_slice(b"PK\x06\x06");
        large[32] = 2;
        large[40] = directory.len() as u8;
        let at = (directory.len() as u64).to_le_bytes();
        let locator = [b"PK\x06\x07\0\0\0\0", &at[..], &[1, 0, 0, 0]].concat();
        let ends = [&large[..], &locator, &end(0xffff, 0xffff_ffff, 0xffff_ffff, "")].concat();
        assert_eq!(names(&[directory.clone(), ends].concat()), both);
    }

    #[test]
    fn a_broken_directory_is_none() {
        let directory = entry("a.txt");
        for broken in [
            b"PK\x03\x04".to_vec(),
            end(1, 40, 0, ""),
            [directory.clone(), end(2, directory.len(), 0, "")].concat(),
            [directory.clone(), end(1, directory.len(), 1, "")].concat(),
            [directory, end(0xffff, 0xffff_ffff, 0xffff_ffff, "")].concat(),
        ] {
            assert_eq!(names(&broken), None, "{broken:?}");
        }
    }
}
