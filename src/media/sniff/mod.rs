//! What a file is, by its bytes. Its name may only agree or disagree.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use super::{probe, trouble};
use crate::domain::{
    attachment::{
        AttachmentKind::{self, Audio, File as Other, Image, Video},
        FileType,
    },
    error::{Error, Result},
};

/// Bytes at the beginning that are enough to tell most types apart.
const HEAD: usize = 8 * 1024;
/// How every compound file begins, as old Office documents are ([MS-CFB], 2.2).
const COMPOUND: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Every type that is taken.
const TYPES: [FileType; 32] = [
    FileType { mime_type: "image/jpeg", kind: Image, endings: &["jpg", "jpeg", "jpe", "jfif"] },
    FileType { mime_type: "image/png", kind: Image, endings: &["png"] },
    FileType { mime_type: "image/gif", kind: Image, endings: &["gif"] },
    FileType { mime_type: "image/webp", kind: Image, endings: &["webp"] },
    FileType { mime_type: "image/avif", kind: Image, endings: &["avif"] },
    FileType { mime_type: "video/mp4", kind: Video, endings: &["mp4", "m4v"] },
    FileType { mime_type: "video/x-m4v", kind: Video, endings: &["m4v", "mp4"] },
    FileType { mime_type: "video/webm", kind: Video, endings: &["webm"] },
    FileType { mime_type: "video/quicktime", kind: Video, endings: &["mov", "qt"] },
    FileType { mime_type: "video/x-matroska", kind: Video, endings: &["mkv"] },
    FileType { mime_type: "audio/mpeg", kind: Audio, endings: &["mp3", "mpga"] },
    FileType { mime_type: "audio/m4a", kind: Audio, endings: &["m4a", "mp4"] },
    FileType { mime_type: "audio/webm", kind: Audio, endings: &["weba", "webm"] },
    FileType { mime_type: "audio/x-matroska", kind: Audio, endings: &["mka", "mkv"] },
    FileType { mime_type: "audio/aac", kind: Audio, endings: &["aac"] },
    FileType { mime_type: "audio/ogg", kind: Audio, endings: &["ogg", "oga", "opus"] },
    FileType { mime_type: "audio/opus", kind: Audio, endings: &["opus", "ogg", "oga"] },
    FileType { mime_type: "audio/x-flac", kind: Audio, endings: &["flac"] },
    FileType { mime_type: "audio/x-wav", kind: Audio, endings: &["wav"] },
    FileType { mime_type: "audio/amr", kind: Audio, endings: &["amr"] },
    FileType { mime_type: "application/pdf", kind: Other, endings: &["pdf"] },
    FileType { mime_type: "application/msword", kind: Other, endings: &["doc", "dot"] },
    FileType { mime_type: "application/vnd.ms-excel", kind: Other, endings: &["xls"] },
    FileType { mime_type: "application/vnd.ms-powerpoint", kind: Other, endings: &["ppt", "pps"] },
    FileType { mime_type: DOCX, kind: Other, endings: &["docx"] },
    FileType { mime_type: XLSX, kind: Other, endings: &["xlsx"] },
    FileType { mime_type: PPTX, kind: Other, endings: &["pptx"] },
    FileType { mime_type: "application/zip", kind: Other, endings: &["zip"] },
    FileType { mime_type: "application/vnd.rar", kind: Other, endings: &["rar"] },
    FileType { mime_type: "text/csv", kind: Other, endings: &["csv"] },
    FileType { mime_type: "text/plain", kind: Other, endings: &["txt", "text", "log", "md"] },
    FileType { mime_type: "text/tab-separated-values", kind: Other, endings: &["tsv"] },
];

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

/// The type of a file that is called so. Refuses what is not taken, what is empty, and what is not what its name says.
pub fn type_of(file: &mut File, name: &str) -> Result<FileType> {
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(trouble)?;
    if head.is_empty() {
        return Err(Error::field("file", "empty", "The file is empty."));
    }
    file.seek(SeekFrom::Start(0)).map_err(trouble)?;
    let ending = ending(name);
    let mime_type = match infer::get(&head).map(|found| found.mime_type()) {
        _ if head.starts_with(COMPOUND) => old_office(file),
        _ if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") => Some(archive(file)),
        Some(found) if found.starts_with("video/") && probe::is_sound_alone(file) => Some(heard_in(found)),
        Some(found) => Some(found),
        None => text(file, ending.as_deref())?,
    };
    file.seek(SeekFrom::Start(0)).map_err(trouble)?;
    let taken = mime_type.and_then(|found| TYPES.into_iter().find(|known| known.mime_type == found));
    let Some(taken) = taken else {
        return Err(Error::UnsupportedFile("Files of this type are not taken.".to_owned()));
    };
    match ending {
        Some(ending) if !taken.endings.contains(&ending.as_str()) => {
            Err(Error::UnsupportedFile(format!("The file is called .{ending}, but its bytes are {}.", taken.mime_type)))
        }
        _ => Ok(taken),
    }
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

/// What a file is that could have moving pictures in it, and has sound alone: browsers record voices so.
fn heard_in(mime_type: &'static str) -> &'static str {
    match mime_type {
        "video/webm" => "audio/webm",
        "video/x-matroska" => "audio/x-matroska",
        "video/mp4" | "video/x-m4v" => "audio/m4a",
        other => other,
    }
}

/// What a name ends in, where that looks like a type.
fn ending(name: &str) -> Option<String> {
    let (_, ending) = name.rsplit_once('.')?;
    let looks_like_one = (1..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    looks_like_one.then(|| ending.to_ascii_lowercase())
}

/// Which of the old Office documents it is, by the class of its root.
fn old_office(file: &File) -> Option<&'static str> {
    let compound = cfb::CompoundFile::open(file).ok()?;
    if compound.is_stream("/WordDocument") {
        Some("application/msword")
    } else if compound.is_stream("/Workbook") || compound.is_stream("/Book") {
        Some("application/vnd.ms-excel")
    } else if compound.is_stream("/PowerPoint Document") {
        Some("application/vnd.ms-powerpoint")
    } else {
        None
    }
}

/// Which of the new Office documents it is, by the names in it, or just an archive. Nothing in it is unpacked.
fn archive(file: &File) -> &'static str {
    let Ok(archive) = zip::ZipArchive::new(file) else { return "application/x-broken-zip" };
    let has = |wanted: &str| archive.file_names().any(|name| name.is_ok_and(|name| name == wanted));
    match () {
        () if !has("[Content_Types].xml") => "application/zip",
        () if has("word/document.xml") => DOCX,
        () if has("xl/workbook.xml") => XLSX,
        () if has("ppt/presentation.xml") => PPTX,
        () => "application/zip",
    }
}

/// Plain text in UTF-8 all through, and nothing that a browser would take for a page or a program.
fn text(file: &mut File, ending: Option<&str>) -> Result<Option<&'static str>> {
    let mut bytes = Vec::new();
    let mut pending = 0;
    let mut is_first = true;
    loop {
        bytes.resize(pending + HEAD, 0);
        let read = file.read(&mut bytes[pending..]).map_err(trouble)?;
        bytes.truncate(pending + read);
        if read == 0 {
            break;
        }
        let valid = match str::from_utf8(&bytes) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Ok(None),
        };
        if bytes[..valid].iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)) {
            return Ok(None);
        }
        if is_first && is_markup(&bytes[..valid]) {
            return Ok(None);
        }
        is_first = false;
        bytes.drain(..valid);
        pending = bytes.len();
    }
    if pending > 0 {
        return Ok(None);
    }
    Ok(Some(match ending {
        Some("csv") => "text/csv",
        Some("tsv") => "text/tab-separated-values",
        _ => "text/plain",
    }))
}

/// Whether a browser that guesses would see HTML, XML or SVG, or a shell a script.
fn is_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii_start();
    let head = String::from_utf8_lossy(&head[..head.len().min(512)]).to_ascii_lowercase();
    head.starts_with('<') || head.starts_with("#!") || head.contains("<script") || head.contains("<svg")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn told(bytes: &[u8], name: &str) -> Result<&'static str> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        type_of(&mut file, name).map(|found| found.mime_type)
    }

    #[test]
    fn text_is_told_by_all_of_its_bytes() {
        assert_eq!(told(b"hello", "notes.txt").unwrap(), "text/plain");
        assert_eq!(told(b"a,b\n1,2\n", "table.csv").unwrap(), "text/csv");
        assert_eq!(told("ü".repeat(HEAD).as_bytes(), "long.txt").unwrap(), "text/plain");
        let mut late = vec![b'x'; 3 * HEAD];
        late.push(0xff);
        assert!(matches!(told(&late, "late.txt"), Err(Error::UnsupportedFile(_))));
        late.pop();
        late.push(0xc3);
        assert!(matches!(told(&late, "cut.txt"), Err(Error::UnsupportedFile(_))));
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
        assert_eq!(told(pdf, "Vol. 2").unwrap(), "application/pdf");
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

    #[test]
    fn an_empty_file_is_no_file() {
        assert!(matches!(told(b"", "empty.txt"), Err(Error::Invalid(_))));
    }
}
