//! Documents and archives, as other programs write them.

use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A document of old Office, or a locked one of new: a compound file with these streams.
pub fn compound(streams: &[&str]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("memory takes it");
    for stream in streams {
        file.create_stream(stream).and_then(|mut stream| stream.write_all(&[7; 5000])).expect("memory takes it");
    }
    file.into_inner().into_inner()
}

/// An archive of files with these names.
pub fn archive(names: &[&str]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let as_it_is = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for name in names {
        archive.start_file(*name, as_it_is).expect("memory takes it");
        archive.write_all(b"<x/>").expect("memory takes it");
    }
    archive.finish().expect("memory takes it").into_inner()
}

/// A document of new Office: an archive with what each has, and these files.
pub fn document(names: &[&str]) -> Vec<u8> {
    archive(&[&["[Content_Types].xml", "_rels/.rels", "docProps/app.xml"], names].concat())
}

/// An archive that is all directory: so many entries, of which each says that there are terabytes in it.
pub fn bomb(first: &[&str], entries: u64) -> Vec<u8> {
    let entry = |name: &str| {
        let size = 20_u64 << 40;
        let large = [&1_u16.to_le_bytes()[..], &8_u16.to_le_bytes(), &size.to_le_bytes()].concat();
        let mut fixed = [0; 46];
        fixed[..4].copy_from_slice(b"PK\x01\x02");
        fixed[24..28].copy_from_slice(&[0xff; 4]);
        fixed[28] = name.len() as u8;
        fixed[30] = large.len() as u8;
        [&fixed[..], name.as_bytes(), &large].concat()
    };
    let mut bytes = b"PK\x03\x04".to_vec();
    let start = bytes.len() as u64;
    for name in first {
        bytes.extend(entry(name));
    }
    let other = entry("x");
    for _ in first.len() as u64..entries {
        bytes.extend_from_slice(&other);
    }
    let at = bytes.len() as u64;
    // The record for so many, how to find it, and the one that comes last.
    bytes.extend([b"PK\x06\x06", &44_u64.to_le_bytes()[..], &[0; 12]].concat());
    for number in [entries, entries, at - start, start] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([b"PK\x06\x07\0\0\0\0", &at.to_le_bytes()[..], &[1, 0, 0, 0]].concat());
    bytes.extend([b"PK\x05\x06\0\0\0\0", &[0xff; 12][..], &[0, 0]].concat());
    bytes
}
