//! How many pages a PDF has (ISO 32000-2). Only what leads to that number is read: the readers that there are take in all
//! that a file refers to, and a small one can refer to more than there is room for.

mod syntax;
mod unpack;

use std::io::{Read, Seek, SeekFrom};

use self::{
    syntax::{Dictionary, Syntax, Value},
    unpack::Budget,
};

/// Bytes at the end in which a file says where to begin.
const TAIL: u64 = 2 * 1024;
/// Bytes at the beginning in which a file says what it is.
const HEAD: usize = 1024;
/// Bytes of one object that are read.
const OBJECT: usize = 1024 * 1024;
/// Times that a file was written on without being written anew, at most, and parts of one of its tables.
const SECTIONS: usize = 64;
/// Bytes of one entry of a table.
const ENTRY: u64 = 20;

/// How many pages a file has; nothing where it is locked or broken.
pub fn page_count(file: impl Read + Seek) -> Option<u32> {
    let mut document = Document { file, base: 0, sections: Vec::new(), budget: Budget::default() };
    let trailer = document.open()?;
    if trailer.contains_key(&b"Encrypt"[..]) {
        return None;
    }
    let catalog = document.dictionary(trailer.get(&b"Root"[..])?)?;
    let pages = document.dictionary(catalog.get(&b"Pages"[..])?)?;
    let count = match pages.get(&b"Count"[..])? {
        Value::Reference(number) => document.object(*number, true)?,
        value => value.clone(),
    };
    u32::try_from(count.integer()?).ok().filter(|count| *count > 0)
}

/// A file, and where its objects are.
struct Document<F> {
    file: F,
    /// Where it begins, after what somebody put before it.
    base: u64,
    /// The latest first.
    sections: Vec<Section>,
    budget: Budget,
}

/// Where some objects are.
enum Section {
    /// Parts of a table: the first number, how many there are, and where its lines are.
    Table(Vec<(u32, u32, u64)>),
    /// Parts of a packed table, the widths of its columns, and its bytes.
    Packed(Vec<(u32, u32)>, [usize; 3], Vec<u8>),
}

/// Where one object is.
enum Place {
    /// At this byte.
    At(u64),
    /// In this other object, under its own number.
    In(u32),
}

impl<F: Read + Seek> Document<F> {
    /// Reads all tables; answers with what the latest says of the whole.
    fn open(&mut self) -> Option<Dictionary> {
        let head = self.read(0, HEAD)?;
        self.base = head.windows(5).position(|bytes| bytes == b"%PDF-")? as u64;
        let end = self.file.seek(SeekFrom::End(0)).ok()?;
        let from = end.saturating_sub(TAIL).checked_sub(self.base)?;
        let tail = self.read(from, TAIL as usize)?;
        let word = tail.windows(9).rposition(|bytes| bytes == b"startxref")?;
        let mut next = Syntax::of(&tail[word + 9..]).value()?.integer();
        let mut latest = None;
        while let Some(at) = next {
            if self.sections.len() >= SECTIONS {
                return None;
            }
            let trailer = self.section(at.try_into().ok()?)?;
            if let Some(Value::Integer(beside)) = trailer.get(&b"XRefStm"[..]) {
                self.section((*beside).try_into().ok()?)?;
            }
            next = trailer.get(&b"Prev"[..]).and_then(Value::integer);
            latest.get_or_insert(trailer);
        }
        latest
    }

    fn section(&mut self, at: u64) -> Option<Dictionary> {
        let bytes = self.read(at, OBJECT)?;
        let text = bytes.trim_ascii_start();
        match text.strip_prefix(b"xref") {
            Some(rest) => self.table(at + (bytes.len() - rest.len()) as u64),
            None => self.packed_table(at),
        }
    }

    /// Notes where the lines of a table are, and answers with the dictionary after them.
    fn table(&mut self, mut at: u64) -> Option<Dictionary> {
        let mut parts = Vec::new();
        while parts.len() < SECTIONS {
            let bytes = self.read(at, OBJECT)?;
            let mut syntax = Syntax::of(&bytes);
            if syntax.skips(b"trailer") {
                self.sections.push(Section::Table(parts));
                return syntax.value()?.into_dictionary();
            }
            let first = syntax.value()?.integer()?.try_into().ok()?;
            let count: u32 = syntax.value()?.integer()?.try_into().ok()?;
            syntax.skip_space();
            let lines = at + syntax.position() as u64;
            parts.push((first, count, lines));
            at = lines.checked_add(u64::from(count) * ENTRY)?;
        }
        None
    }

    fn packed_table(&mut self, at: u64) -> Option<Dictionary> {
        let (dictionary, bytes) = self.stream(at)?;
        let widths = dictionary.get(&b"W"[..])?.integers()?;
        let [first, second, third] = *widths.first_chunk()?;
        let width = |width: i64| usize::try_from(width).ok().filter(|width| *width <= 8);
        let widths = [width(first)?, width(second)?, width(third)?];
        let index = match dictionary.get(&b"Index"[..]) {
            Some(index) => index.integers()?,
            None => vec![0, dictionary.get(&b"Size"[..])?.integer()?],
        };
        let part = |pair: &[i64]| Some((pair[0].try_into().ok()?, pair[1].try_into().ok()?));
        let parts: Option<Vec<_>> = index.chunks_exact(2).map(part).collect();
        self.sections.push(Section::Packed(parts?, widths, bytes));
        Some(dictionary)
    }

    /// An object; `nested` where it may be in another.
    fn object(&mut self, number: u32, nested: bool) -> Option<Value> {
        match self.find(number)? {
            Place::At(at) => {
                let bytes = self.read(at, OBJECT)?;
                Syntax::of(&bytes).object()
            }
            Place::In(container) if nested => self.packed_object(container, number),
            Place::In(_) => None,
        }
    }

    fn dictionary(&mut self, reference: &Value) -> Option<Dictionary> {
        let Value::Reference(number) = reference else { return None };
        self.object(*number, true)?.into_dictionary()
    }

    /// An object in a stream of many.
    fn packed_object(&mut self, container: u32, number: u32) -> Option<Value> {
        let Place::At(at) = self.find(container)? else { return None };
        let (dictionary, bytes) = self.stream(at)?;
        let first = usize::try_from(dictionary.get(&b"First"[..])?.integer()?).ok()?;
        let mut index = Syntax::of(bytes.get(..first)?);
        loop {
            let (found, offset) = (index.value()?.integer()?, index.value()?.integer()?);
            if found == i64::from(number) {
                let at = first.checked_add(usize::try_from(offset).ok()?)?;
                return Syntax::of(bytes.get(at..)?).value();
            }
        }
    }

    /// The stream at a byte, unpacked.
    fn stream(&mut self, at: u64) -> Option<(Dictionary, Vec<u8>)> {
        let bytes = self.read(at, OBJECT)?;
        let mut syntax = Syntax::of(&bytes);
        let dictionary = syntax.object()?.into_dictionary()?;
        let start = at + syntax.stream()? as u64;
        self.file.seek(SeekFrom::Start(self.base.checked_add(start)?)).ok()?;
        let unpacked = self.budget.unpack(&mut self.file, &dictionary)?;
        Some((dictionary, unpacked))
    }

    fn find(&mut self, number: u32) -> Option<Place> {
        for section in 0..self.sections.len() {
            match &self.sections[section] {
                Section::Table(parts) => {
                    let part = parts.iter().find(|(first, count, _)| holds(*first, *count, number));
                    let Some(&(first, _, lines)) = part else { continue };
                    let line = self.read(lines + u64::from(number - first) * ENTRY, ENTRY as usize)?;
                    let at = str::from_utf8(line.get(..10)?).ok()?.parse().ok()?;
                    return (line.get(17) == Some(&b'n')).then_some(Place::At(at));
                }
                Section::Packed(parts, widths, bytes) => {
                    if let Some(line) = line_of(parts, widths, number) {
                        return place(bytes.get(line..)?, widths);
                    }
                }
            }
        }
        None
    }

    fn read(&mut self, at: u64, most: usize) -> Option<Vec<u8>> {
        self.file.seek(SeekFrom::Start(self.base.checked_add(at)?)).ok()?;
        let mut bytes = Vec::new();
        (&mut self.file).take(most as u64).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

fn holds(first: u32, count: u32, number: u32) -> bool {
    number.checked_sub(first).is_some_and(|offset| offset < count)
}

/// At which byte of a packed table the line of an object begins.
fn line_of(parts: &[(u32, u32)], widths: &[usize; 3], number: u32) -> Option<usize> {
    let mut before = 0_usize;
    for (first, count) in parts {
        if holds(*first, *count, number) {
            return before.checked_add((number - first) as usize)?.checked_mul(widths.iter().sum());
        }
        before = before.checked_add(*count as usize)?;
    }
    None
}

fn place(line: &[u8], widths: &[usize; 3]) -> Option<Place> {
    let [first, second, _] = *widths;
    let kind = if first == 0 { 1 } else { number(line.get(..first)?) };
    let value = number(line.get(first..first + second)?);
    match kind {
        1 => Some(Place::At(value)),
        2 => Some(Place::In(value.try_into().ok()?)),
        _ => None,
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
