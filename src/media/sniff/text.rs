//! Plain text, by all of its bytes: nothing in it is no text, and it is nothing that a browser would take for a page or a
//! shell for a program.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE};

use super::super::trouble;
use crate::domain::error::Result;

/// Bytes that are read at once.
const PIECE: usize = 8 * 1024;
/// Bytes at the beginning in which a browser would look for a page.
const GUESSED_FROM: usize = 512;
/// How DOS marks the end of a text; some programs fill up with it.
const END_MARK: u8 = 0x1a;

/// What a browser that guesses takes for HTML where a file begins with it (<https://mimesniff.spec.whatwg.org>, 7.1), and what
/// else begins pages.
const PAGES: [&str; 28] = [
    "html", "head", "script", "iframe", "h1", "div", "font", "table", "a", "style", "title", "b", "body", "br", "p",
    "svg", "math", "meta", "link", "base", "img", "object", "embed", "form", "frameset", "video", "audio", "template",
];
/// What no text has near its beginning.
const NOT_NEAR_THE_BEGINNING: [&[u8]; 4] = [b"<script", b"<svg", b"<html", b"<!doctype html"];

/// What is known of a text that is being read.
#[derive(Debug, Default)]
struct Judge {
    has_begun: bool,
    has_ended: bool,
}

/// Whether all of it is text in UTF-8, or in UTF-16 that says so.
pub fn is_unicode(file: &mut File) -> Result<bool> {
    Ok(read(file)? == Some(Letters::Unicode))
}

/// Whether all of it is text, also in one of the many older encodings that have no mark of their own.
pub fn is_of_letters(file: &mut File) -> Result<bool> {
    Ok(read(file)?.is_some())
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Unicode,
    Older,
}

fn read(file: &mut File) -> Result<Option<Letters>> {
    let mut mark = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(trouble)?;
    file.by_ref().take(2).read_to_end(&mut mark).map_err(trouble)?;
    file.seek(SeekFrom::Start(0)).map_err(trouble)?;
    match mark.as_slice() {
        [0xff, 0xfe] => in_utf_16(file, UTF_16LE.new_decoder_with_bom_removal()),
        [0xfe, 0xff] => in_utf_16(file, UTF_16BE.new_decoder_with_bom_removal()),
        _ => in_bytes(file),
    }
}

fn in_utf_16(file: &mut File, mut decoder: Decoder) -> Result<Option<Letters>> {
    let mut judge = Judge::default();
    let mut text = vec![0; 4 * PIECE];
    loop {
        let piece = next(file)?;
        let (result, _, written) = decoder.decode_to_utf8_without_replacement(&piece, &mut text, piece.is_empty());
        if result != DecoderResult::InputEmpty || !judge.allows(&text[..written]) {
            return Ok(None);
        }
        if piece.is_empty() {
            return Ok(Some(Letters::Unicode));
        }
    }
}

fn in_bytes(file: &mut File) -> Result<Option<Letters>> {
    let mut judge = Judge::default();
    let (mut decoder, mut is_unicode) = (UTF_8.new_decoder_without_bom_handling(), true);
    let mut text = vec![0; 4 * PIECE];
    loop {
        let piece = next(file)?;
        if is_unicode {
            let (result, ..) = decoder.decode_to_utf8_without_replacement(&piece, &mut text, piece.is_empty());
            is_unicode = result == DecoderResult::InputEmpty;
        }
        // What is no text in the bytes below 128 is none in UTF-8 either, and the other way round.
        if !judge.allows(&piece) {
            return Ok(None);
        }
        if piece.is_empty() {
            return Ok(Some(if is_unicode { Letters::Unicode } else { Letters::Older }));
        }
    }
}

/// The next bytes; nothing at the end.
fn next(file: &mut File) -> Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE);
    file.by_ref().take(PIECE as u64).read_to_end(&mut piece).map_err(trouble)?;
    Ok(piece)
}

impl Judge {
    /// Whether it is still a text with what comes next.
    fn allows(&mut self, piece: &[u8]) -> bool {
        if !self.has_begun && is_markup(piece) {
            return false;
        }
        self.has_begun = true;
        let end = piece.iter().position(|byte| *byte == END_MARK).unwrap_or(piece.len());
        if self.has_ended && end > 0 {
            return false;
        }
        self.has_ended |= end < piece.len();
        piece[..end].iter().all(|byte| is_of_text(*byte)) && piece[end..].iter().all(|byte| *byte == END_MARK)
    }
}

fn is_of_text(byte: u8) -> bool {
    byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)
}

/// Whether a browser that guesses would see HTML, XML or SVG, or a shell a script.
fn is_markup(piece: &[u8]) -> bool {
    let text = piece.strip_prefix("\u{feff}".as_bytes()).unwrap_or(piece).trim_ascii_start();
    let head = text[..text.len().min(GUESSED_FROM)].to_ascii_lowercase();
    let has = |wanted: &[u8]| head.windows(wanted.len()).any(|found| found == wanted);
    head.starts_with(b"#!") || begins_page(&head) || NOT_NEAR_THE_BEGINNING.into_iter().any(has)
}

fn begins_page(head: &[u8]) -> bool {
    let Some(tag) = head.strip_prefix(b"<") else { return false };
    if tag.starts_with(b"!") || tag.starts_with(b"?") {
        return true;
    }
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
    let name = tag.split(ends).next().unwrap_or_default();
    // With a prefix, as in `<svg:svg`.
    let name = name.split(|byte| *byte == b':').next().unwrap_or_default();
    PAGES.iter().any(|page| page.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> Option<Letters> {
        use std::io::Write;

        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        read(&mut file).unwrap()
    }

    fn utf_16(text: &str) -> Vec<u8> {
        let units: Vec<_> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&b"\xff\xfe"[..], &units].concat()
    }

    #[test]
    fn text_is_told_in_the_encodings_in_which_it_is_saved() {
        let big: Vec<_> = "\u{feff}Größe;1\r\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let (long, late) = ("ü€😀".repeat(PIECE), [&vec![b'x'; 3 * PIECE][..], b"\xfc"].concat());
        for (bytes, letters) in [
            ("Größe;1\r\n".as_bytes(), Some(Letters::Unicode)),
            (b"Gr\xf6\xdfe;1 \x80\r\n", Some(Letters::Older)),
            (b"a\tb\x0c\x1b[1m", Some(Letters::Unicode)),
            (b"old\r\n\x1a", Some(Letters::Unicode)),
            (b"old\r\n\x1a\x1a\x1a", Some(Letters::Unicode)),
            (b"old\x1anew", None),
            (b"\x00\x01", None),
            (b"a\x00b\x00", None),
            (&utf_16("Größe;1 😀\r\n"), Some(Letters::Unicode)),
            (&big, Some(Letters::Unicode)),
            (&utf_16(&long), Some(Letters::Unicode)),
            (&[utf_16("odd"), vec![b'x']].concat(), None),
            (&[utf_16("half"), vec![0x3d, 0xd8]].concat(), None),
            (&utf_16("a\u{1}b"), None),
            (long.as_bytes(), Some(Letters::Unicode)),
            (&late, Some(Letters::Older)),
            ("cut €".as_bytes().split_last().unwrap().1, Some(Letters::Older)),
        ] {
            assert_eq!(told(bytes), letters, "{:?}", &bytes[..bytes.len().min(20)]);
        }
    }

    #[test]
    fn nothing_that_begins_a_page_or_a_program_is_text() {
        for page in [
            "<!doctype html><p>x",
            "  \n<HTML>",
            "<script>x()</script>",
            "<a href=x>",
            "<p>",
            "<br/>",
            "<!-- x -->",
            "<svg\tonload=x>",
            "<svg:svg>",
            "\u{feff}<?xml version='1.0'?>",
            "#!/bin/sh\n",
            "name,<script>x()</script>",
        ] {
            assert_eq!(told(page.as_bytes()), None, "{page}");
            assert_eq!(told(&utf_16(page)), None, "{page} in UTF-16");
        }
        for text in ["<3 you all", "<alice> hello\n<bob> hi", "<ada@example.com> wrote:", "<- there", "1 < 2", "<", ""]
        {
            assert_eq!(told(text.as_bytes()), Some(Letters::Unicode), "{text}");
        }
    }
}
