//! What a file is, by its bytes. Its name may only agree or disagree. Invariant: nothing is unpacked, and what is read is
//! bounded by the file's size.

mod boxes;
mod office;
mod playing;
mod text;
mod types;
mod zip;

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use super::{probe, trouble};
use crate::domain::{
    attachment::{AttachmentKind, FileType},
    error::{Error, Result},
};
use office::{ARCHIVES, COMPOUND};
use types::TYPES;

/// Bytes at the beginning that are enough to tell most types apart.
const HEAD: usize = 8 * 1024;
/// Letters of what a name can end in, at most.
const ENDING: usize = 20;

/// The type of a file whose name ends so. Refuses what is not taken, and what is not what its name says.
pub fn type_of(file: &mut File, ending: Option<&str>) -> Result<FileType> {
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(trouble)?;
    let mime_type = by_bytes(file, &head, ending)?;
    file.seek(SeekFrom::Start(0)).map_err(trouble)?;
    let Some(taken) = mime_type.and_then(known) else {
        return Err(Error::UnsupportedFile("Files of this type are not taken.".to_owned()));
    };
    match ending {
        Some(ending) if !taken.endings.contains(&ending) => {
            Err(Error::UnsupportedFile(format!("The file is called .{ending}, but its bytes are {}.", taken.mime_type)))
        }
        _ => Ok(taken),
    }
}

/// The type that is called so, where it is taken.
pub(super) fn known(mime_type: &str) -> Option<FileType> {
    TYPES.iter().find(|known| known.mime_type == mime_type).copied()
}

/// What a file of this name can be: anything, where the name does not say.
pub fn kinds_named(name: &str) -> Vec<AttachmentKind> {
    let ending = ending(name);
    let fits = |known: &&FileType| ending.as_deref().is_none_or(|ending| known.endings.contains(&ending));
    let mut kinds: Vec<_> = TYPES.iter().filter(fits).map(|known| known.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// What the bytes are, whether that is taken or not. The name is asked only where they leave a choice.
fn by_bytes(file: &mut File, head: &[u8], ending: Option<&str>) -> Result<Option<&'static str>> {
    let named = ending.and_then(types::named).map(|named| named.mime_type).filter(|named| named.starts_with("text/"));
    // A text may begin with the letters of anything, and older ones have no mark but their name.
    if let Some(named) = named
        && text::is_of_letters(file)?
    {
        return Ok(Some(named));
    }
    if head.starts_with(COMPOUND) {
        return Ok(office::compound(file, ending));
    }
    if ARCHIVES.iter().any(|start| head.starts_with(start)) {
        return office::archive(file).map(Some);
    }
    if let Some(found) = playing::type_of(file, head) {
        return Ok(Some(found));
    }
    Ok(match infer::get(head).map(|found| found.mime_type()) {
        Some(found) if found.starts_with("video/") && probe::is_sound_alone(file) => Some(heard_in(found)),
        Some(found) => Some(found),
        None => text::is_unicode(file)?.then_some("text/plain"),
    })
}

/// What a file is that could have moving pictures in it, and has sound alone: browsers record voices so.
fn heard_in(mime_type: &'static str) -> &'static str {
    match mime_type {
        "video/webm" => "audio/webm",
        "video/x-matroska" => "audio/x-matroska",
        "video/mp4" | "video/x-m4v" => "audio/m4a",
        other => other,
    }
}

/// What a name ends in, where that looks like a type: there is a letter in it, and no space.
pub(super) fn ending(name: &str) -> Option<String> {
    // Where a file is saved, these may be left out at the end.
    let (_, ending) = name.trim_end_matches(['.', ' ']).rsplit_once('.')?;
    let is_one = (1..=ENDING).contains(&ending.len())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && ending.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_one.then(|| ending.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use AttachmentKind::{Audio, File as Other, Image, Video};

    fn told(bytes: &[u8], name: &str) -> Result<&'static str> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        type_of(&mut file, ending(name).as_deref()).map(|found| found.mime_type)
    }

    #[test]
    fn text_is_told_by_all_of_its_bytes() {
        assert_eq!(told(b"hello", "notes.txt").unwrap(), "text/plain");
        assert_eq!(told(b"a,b\n1,2\n", "table.csv").unwrap(), "text/csv");
        assert_eq!(told("ü".repeat(HEAD).as_bytes(), "long.txt").unwrap(), "text/plain");
        assert_eq!(told(b"Gr\xf6\xdfe;1\r\n", "old.csv").unwrap(), "text/csv");
        assert!(told(b"Gr\xf6\xdfe;1\r\n", "old").is_err(), "only its name could say that it is text");
        let late = [&vec![b'x'; 3 * HEAD][..], b"\0"].concat();
        assert!(matches!(told(&late, "late.txt"), Err(Error::UnsupportedFile(_))));
    }

    #[test]
    fn a_text_may_begin_as_files_of_other_types_do() {
        for text in
            ["BMI,weight\n", "MAC Address,IP\n", "BC, the province", "MZ", "GIF89a is a format", "ID3 tags", "%PDF-1.7"]
        {
            assert_eq!(told(text.as_bytes(), "table.csv").unwrap(), "text/csv", "{text}");
        }
        assert!(told(b"ID3 tags", "song.exe").is_err());
    }

    #[test]
    fn pages_pictures_with_scripts_and_programs_are_not_text() {
        for (bytes, name) in [
            (&b"<!doctype html><p>x"[..], "page.txt"),
            (b"  \n<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", "picture.txt"),
            ("\u{feff}<?xml version='1.0'?>".as_bytes(), "data.txt"),
            (b"#!/bin/sh\n", "run.txt"),
            (b"\x7fELF\x02\x01\x01", "tool"),
            (b"MZ\x90\x00\x03", "tool.exe"),
        ] {
            assert!(matches!(told(bytes, name), Err(Error::UnsupportedFile(_))), "{name}");
        }
    }

    #[test]
    fn a_name_that_disagrees_is_refused() {
        let pdf = b"%PDF-1.7\n";
        assert_eq!(told(pdf, "report.pdf").unwrap(), "application/pdf");
        assert_eq!(told(pdf, "report").unwrap(), "application/pdf");
        for name in ["Vol. 2", "Report 1.2", "Minutes of Mon. 3 May", "report.pdf ", "report.pdf.", "REPORT.PDF"] {
            assert_eq!(told(pdf, name).unwrap(), "application/pdf", "{name}");
        }
        for name in ["invoice.desktop", "run.command", "report.exe.", "report.exe .", "pay.settingcontent-ms", "a.7z"] {
            assert!(matches!(told(pdf, name), Err(Error::UnsupportedFile(_))), "{name}");
        }
        let Err(Error::UnsupportedFile(says)) = told(pdf, "photo.jpg") else { panic!("taken") };
        assert!(says.contains(".jpg") && says.contains("application/pdf"), "{says}");
    }

    #[test]
    fn a_name_says_what_a_file_can_be() {
        for (name, kinds) in [
            ("photo.JPG", &[Image][..]),
            ("clip.mp4", &[Video, Audio]),
            ("report.pdf", &[Other]),
            ("report", &[Image, Video, Audio, Other]),
            ("tool.exe", &[]),
        ] {
            assert_eq!(kinds_named(name), kinds, "{name}");
        }
    }
}
