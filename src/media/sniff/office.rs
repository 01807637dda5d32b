//! Documents of Office, old and new, and what else is in the containers that they come in. Nothing in these is unpacked.

use std::{fs::File, io::BufReader};

use super::{
    types::{self, DOCX, PPTX, XLSX},
    zip::Directory,
};
use crate::domain::error::{Error, Result};

/// How every compound file begins, as old documents are ([MS-CFB], 2.2), and new ones that are locked ([MS-OFFCRYPTO], 2.3.4).
pub const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// How archives begin: with a file, or with the end of what is empty.
pub const ARCHIVES: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// Entries of an archive in which a document is looked for, at most: what has more is taken for the archive that it is.
const ENTRIES: u64 = 0xffff;

/// Which document a compound file is, by what is in its root.
pub fn compound(file: &File, ending: Option<&str>) -> Option<&'static str> {
    let compound = cfb::CompoundFile::open(BufReader::new(file)).ok()?;
    if compound.is_stream("/WordDocument") {
        Some("application/msword")
    } else if compound.is_stream("/Workbook") || compound.is_stream("/Book") {
        Some("application/vnd.ms-excel")
    } else if compound.is_stream("/PowerPoint Document") {
        Some("application/vnd.ms-powerpoint")
    } else if compound.is_stream("/EncryptedPackage") {
        // Which of the new ones it is, only who has the password can tell.
        types::named(ending?).map(|named| named.mime_type).filter(|named| [DOCX, XLSX, PPTX].contains(named))
    } else {
        None
    }
}

/// Which document an archive is, by the names in it, or just an archive.
pub fn archive(file: &File) -> Result<&'static str> {
    const BROKEN: &str = "application/x-broken-zip";
    let Some(directory) = Directory::find(file) else { return Ok(BROKEN) };
    if directory.entries > ENTRIES {
        return Ok("application/zip");
    }
    let mut parts = Parts::default();
    if directory.any(|name| parts.note(name)).is_none() {
        return Ok(BROKEN);
    }
    let Parts { is_package, has_macros, document } = parts;
    match document.filter(|_| is_package) {
        Some(_) if has_macros => Err(Error::UnsupportedFile("Documents with macros are not taken.".to_owned())),
        Some(document) => Ok(document),
        None => Ok("application/zip"),
    }
}

/// What the names in an archive say of it.
#[derive(Debug, Default)]
struct Parts {
    is_package: bool,
    has_macros: bool,
    document: Option<&'static str>,
}

impl Parts {
    /// Takes note of a name (ECMA-376 part 2, 6.2: in any case), and says whether it is clear by now what this is.
    fn note(&mut self, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name).replace('\\', "/").to_ascii_lowercase();
        self.is_package |= name == "[content_types].xml";
        // The main part is called as whoever wrote it likes, but there it is.
        let document = match (name.split_once('/'), name.rsplit_once('.')) {
            (Some(("word", _)), Some((_, "xml"))) => Some(DOCX),
            (Some(("xl", _)), Some((_, "xml"))) => Some(XLSX),
            (Some(("ppt", _)), Some((_, "xml"))) => Some(PPTX),
            _ => None,
        };
        self.document = self.document.or(document);
        // What holds macros is called the same by all who write it.
        self.has_macros |= name.ends_with("/vbaproject.bin") || name.starts_with("xl/macrosheets/");
        self.is_package && self.has_macros && self.document.is_some()
    }
}
