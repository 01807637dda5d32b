//! Every type of file that is taken, as other programs write it, on every store.

use serde_json::json;

use super::server;
use crate::{
    harness::{
        camera::{coded, four_fields, jpeg, moving_gif},
        documents::{archive, compound, document},
        files::{PDF, bytes, media, read, uploads},
        server::TestServer,
    },
    pictures::avif::shipped,
};

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

/// An empty archive of RAR 4, and one of RAR 5.
const RAR_4: &[u8] = b"Rar!\x1a\x07\0\xcf\x90s\0\0\r\0\0\0\0\0\0\0\xc4={\0@\x07\0";
const RAR_5: &[u8] = b"Rar!\x1a\x07\x01\0\x33\x92\xb5\xe5\n\x01\x05\x06\0\x05\x01\x01\x80\x80\0\x1dwVQ\x03\x05\x04\0";

/// Sound or moving pictures that call themselves by another brand.
fn branded(name: &str, brand: &[u8; 4]) -> Vec<u8> {
    let mut bytes = media(name);
    assert_eq!(&bytes[4..8], b"ftyp");
    bytes[8..12].copy_from_slice(brand);
    bytes
}

fn utf_16(text: &str) -> Vec<u8> {
    [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

fn pictures() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    use image::ImageFormat::{Png, WebP};

    vec![
        ("photo.jpg", jpeg(&four_fields(40, 30), 90), "image/jpeg"),
        ("photo.JPEG", jpeg(&four_fields(40, 30), 80), "image/jpeg"),
        ("photo.png", coded(&four_fields(40, 30), Png), "image/png"),
        ("photo.gif", moving_gif(40, 30, 3), "image/gif"),
        ("photo.webp", coded(&four_fields(40, 30), WebP), "image/webp"),
        ("photo.avif", shipped("fields"), "image/avif"),
    ]
}

fn documents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let (locked, package) = (compound(&["/EncryptionInfo", "/EncryptedPackage"]), archive(&["a.txt", "b/c.txt"]));
    vec![
        ("report.pdf", PDF.to_vec(), "application/pdf"),
        ("report.doc", compound(&["/WordDocument", "/1Table"]), "application/msword"),
        ("table.xls", compound(&["/Workbook"]), "application/vnd.ms-excel"),
        ("table 95.xls", compound(&["/Book"]), "application/vnd.ms-excel"),
        ("talk.ppt", compound(&["/Current User", "/PowerPoint Document"]), "application/vnd.ms-powerpoint"),
        ("report.docx", document(&["word/document.xml"]), DOCX),
        ("online.docx", document(&["word/document2.xml"]), DOCX),
        ("letter.dotx", document(&["word/styles.xml", "word/document.xml"]), DOCX),
        ("table.xlsx", document(&["xl/workbook.xml"]), XLSX),
        ("budget.xltx", document(&["xl/workbook.xml", "xl/theme/theme1.xml"]), XLSX),
        ("talk.pptx", document(&["ppt/presentation.xml"]), PPTX),
        ("show.ppsx", document(&["ppt/presentation.xml", "ppt/slides/slide1.xml"]), PPTX),
        ("design.potx", document(&["ppt/presentation.xml", "ppt/theme/theme1.xml"]), PPTX),
        ("locked.docx", locked.clone(), DOCX),
        ("locked.xlsx", [&locked[..], b"1"].concat(), XLSX),
        ("locked.pptx", [&locked[..], b"2"].concat(), PPTX),
        ("all.zip", package, "application/zip"),
        ("none.zip", archive(&[]), "application/zip"),
        ("old.rar", RAR_4.to_vec(), "application/vnd.rar"),
        ("new.rar", RAR_5.to_vec(), "application/vnd.rar"),
    ]
}

fn texts() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        ("notes.txt", "Grüße 👋".into(), "text/plain"),
        ("old.txt", b"Gr\xfc\xdfe aus K\xf6ln \x80\r\n\x1a".to_vec(), "text/plain"),
        ("unicode.txt", utf_16("Grüße 👋\r\n"), "text/plain"),
        ("love.txt", b"<3 to all".to_vec(), "text/plain"),
        ("chat.log", b"<alice> hello\n<bob> hi\n".to_vec(), "text/plain"),
        ("about.txt", b"How a report begins:\n%PDF-1.7\n".to_vec(), "text/plain"),
        ("README.md", "# Größe\n".into(), "text/plain"),
        ("table.csv", "Name;Größe\r\n".into(), "text/csv"),
        ("excel.csv", b"Name;Gr\xf6\xdfe\r\nJ\xfcrgen;1,80\r\n".to_vec(), "text/csv"),
        ("health.csv", b"BMI,weight\r\n22,70\r\n".to_vec(), "text/csv"),
        ("network.csv", b"MAC Address,IP\r\n".to_vec(), "text/csv"),
        ("excel.tsv", utf_16("Name\tGröße\r\n"), "text/tab-separated-values"),
    ]
}

fn sounds() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let tagged = |name: &str| [b"ID3\x04\0\0\0\0\0\x05\0\0\0\0\0", &media(name)[..]].concat();
    vec![
        ("voice.mp3", media("voice.mp3"), "audio/mpeg"),
        ("tagged.mp3", tagged("voice.mp3"), "audio/mpeg"),
        ("voice.m4a", media("voice.m4a"), "audio/m4a"),
        ("stream.m4a", branded("voice.m4a", b"dash"), "audio/m4a"),
        ("old phone.3gp", branded("voice.m4a", b"3gp4"), "audio/3gpp"),
        ("voice.aac", media("voice.aac"), "audio/aac"),
        ("tagged.aac", tagged("voice.aac"), "audio/aac"),
        ("voice.ogg", media("voice.ogg"), "audio/ogg"),
        ("voice.opus", media("voice.opus"), "audio/opus"),
        ("voice.flac", media("voice.flac"), "audio/x-flac"),
        ("tagged.flac", tagged("voice.flac"), "audio/x-flac"),
        ("voice.wav", media("voice.wav"), "audio/x-wav"),
        ("voice.amr", [&b"#!AMR\n"[..], &[0x3c; 320]].concat(), "audio/amr"),
        ("voice.aiff", [&b"FORM\0\0\0\x0eAIFFSSND\0\0\0\x02\0\0"[..], &[0; 8]].concat(), "audio/aiff"),
        ("voice.weba", media("voice.webm"), "audio/webm"),
        ("voice.mka", media("voice.mka"), "audio/x-matroska"),
    ]
}

fn videos() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let mut older = media("clip.mov");
    older[4..8].copy_from_slice(b"skip");
    vec![
        ("clip.mp4", media("clip.mp4"), "video/mp4"),
        ("camera.mp4", branded("clip.mp4", b"XAVC"), "video/mp4"),
        ("newer.mp4", branded("clip.mp4", b"iso8"), "video/mp4"),
        ("clip.m4v", branded("clip.mp4", b"M4V "), "video/x-m4v"),
        ("phone.3gp", branded("clip.mp4", b"3gp5"), "video/3gpp"),
        ("clip.mov", media("clip.mov"), "video/quicktime"),
        ("older.mov", older, "video/quicktime"),
        ("clip.webm", media("clip.webm"), "video/webm"),
        ("clip.mkv", media("clip.mkv"), "video/x-matroska"),
        ("clip.avi", b"RIFF\x10\0\0\0AVI LIST\x04\0\0\0hdrl".to_vec(), "video/x-msvideo"),
    ]
}

async fn takes(server: &TestServer, kind: &str, files: Vec<(&str, Vec<u8>, &str)>) {
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    for (name, sent, mime_type) in files {
        let uploaded = uploads(&ada, &group, name, &sent).await.expect(201);

        assert_eq!((&uploaded["kind"], &uploaded["mime_type"]), (&json!(kind), &json!(mime_type)), "{name}");
        assert_eq!(uploaded["filename"], name);
        let shown = read(&server.client, &uploaded["url"], &[("range", "bytes=0-0")]).await;
        assert_eq!(shown.header("content-type"), mime_type, "{name}");
        let how = if kind == "file" { "attachment; " } else { "inline; " };
        assert!(shown.header("content-disposition").starts_with(how), "{name}: {shown}");
        if kind != "image" {
            assert!(bytes(&server.client, &uploaded["url"]).await == sent, "{name} is kept as it came");
        }
    }
}

#[tokio::test]
async fn pictures_of_every_type_are_taken() {
    takes(&server().await, "image", pictures()).await;
}

#[tokio::test]
async fn documents_and_archives_of_every_type_are_taken() {
    takes(&server().await, "file", documents()).await;
}

#[tokio::test]
async fn texts_are_taken_in_the_encodings_in_which_they_are_saved() {
    takes(&server().await, "file", texts()).await;
}

#[tokio::test]
async fn sound_of_every_type_is_taken() {
    takes(&server().await, "audio", sounds()).await;
}

#[tokio::test]
async fn moving_pictures_of_every_type_are_taken() {
    takes(&server().await, "video", videos()).await;
}
