//! Files that are made to do harm: each is refused with its code, or shown so that nothing in it can run.

use image::ImageFormat;
use serde_json::Value;

use crate::harness::{
    camera::{coded, contains, four_fields, jpeg, moving_gif},
    documents::{archive, bomb, document},
    files::{PDF, bytes, kept, read, uploads},
    reply::Reply,
    server::TestServer,
};

const SCRIPT: &str = "<script>alert(document.domain)</script>";
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"><script>alert(2)</script></svg>";
/// What the names of files that are taken end in.
const ENDINGS: &str = "jpg jpeg png gif webp avif mp4 m4v 3gp webm mov mkv avi mp3 m4a weba mka aac ogg opus flac wav aiff amr \
                       pdf doc dot xls ppt docx dotx xlsx pptx ppsx zip rar csv txt log md tsv";

fn utf_16(text: &str) -> Vec<u8> {
    [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

/// A file that is shown in no way in which it could run.
async fn is_harmless(server: &TestServer, file: &Value) -> Reply {
    let shown = read(&server.client, &file["url"], &[]).await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.header("x-content-type-options"), "nosniff");
    assert_eq!(shown.header("content-security-policy"), "default-src 'none'; sandbox");
    let content_type = shown.header("content-type");
    let cannot_run = content_type == "text/plain"
        || content_type == "text/csv"
        || ["image/", "audio/", "video/", "application/pdf", "application/zip"]
            .iter()
            .any(|it| content_type.starts_with(it));
    assert!(cannot_run && !content_type.contains("svg"), "{content_type}");
    let is_alone = ["image/", "audio/", "video/"].iter().any(|it| content_type.starts_with(it));
    assert!(is_alone || shown.header("content-disposition").starts_with("attachment; "), "{shown}");
    shown
}

#[tokio::test]
async fn pages_and_scripted_pictures_are_refused_whatever_they_are_called() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let page = format!("<!DOCTYPE html><html><body>{SCRIPT}</body></html>");

    for ending in ENDINGS.split(' ').chain(["svg", "html", "xml", "js"]) {
        for bytes in [SVG.as_bytes(), page.as_bytes(), &utf_16(SVG), &utf_16(&page)] {
            let reply = uploads(&ada, &group, &format!("picture.{ending}"), bytes).await;
            reply.refused(415, "unsupported_media_type");
        }
    }
    uploads(&ada, &group, "picture", SVG.as_bytes()).await.refused(415, "unsupported_media_type");
    assert_eq!(kept(&server), 0);
}

#[tokio::test]
async fn what_is_two_things_at_once_is_shown_as_the_one_that_cannot_run() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let payload = archive(&["payload.exe"]);
    let (photo, drawing) = (jpeg(&four_fields(40, 30), 90), coded(&four_fields(40, 30), ImageFormat::Png));
    let commented = {
        let gif = moving_gif(8, 8, 2);
        let comment = [&[0x21, 0xfe, SCRIPT.len() as u8], SCRIPT.as_bytes(), &[0]].concat();
        [&gif[..gif.len() - 1], &comment, b";"].concat()
    };

    let pictures: [(&str, Vec<u8>); 4] = [
        ("page.png", [&drawing, SCRIPT.as_bytes()].concat()),
        ("page.jpg", [&photo, SCRIPT.as_bytes()].concat()),
        ("archive.jpg", [&photo, &payload[..]].concat()),
        ("comment.gif", commented),
    ];
    for (name, sent) in pictures {
        let uploaded = uploads(&ada, &group, name, &sent).await.expect(201);
        is_harmless(&server, &uploaded).await;
        let served = bytes(&server.client, &uploaded["url"]).await;
        assert!(!contains(&served, SCRIPT) && !contains(&served, "payload.exe"), "{name}");
    }
    uploads(&ada, &group, "script.gif", b"GIF89a/*\0\0*/=1;alert(1)//").await.refused_for("file");

    let report = [PDF, &payload].concat();
    is_harmless(&server, &uploads(&ada, &group, "report.pdf", &report).await.expect(201)).await;
    uploads(&ada, &group, "report.zip", &report).await.refused(415, "unsupported_media_type");
    let package = [&archive(&["%PDF-1.7"])[..]].concat();
    is_harmless(&server, &uploads(&ada, &group, "report.zip", &package).await.expect(201)).await;
    uploads(&ada, &group, "package.pdf", &package).await.refused(415, "unsupported_media_type");
    let song = [b"ID3\x04\0\0\0\0\0\0", SCRIPT.as_bytes()].concat();
    is_harmless(&server, &uploads(&ada, &group, "song.mp3", &song).await.expect(201)).await;
    let script = b"GIF89a/*\r\n*/=1;alert(1)//";
    let text = is_harmless(&server, &uploads(&ada, &group, "script.txt", script).await.expect(201)).await;
    assert_eq!(text.header("content-type"), "text/plain");
}

#[tokio::test]
async fn archives_are_not_unpacked_whatever_they_say_is_in_them() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let document_names = ["[Content_Types].xml", "word/document.xml"];
    let many = bomb(&document_names, 100_000);
    let mut said = bomb(&document_names, 2);
    let end = said.len() - 42 - 56;
    said[end + 32..end + 40].copy_from_slice(&u64::MAX.to_le_bytes());

    for (name, bytes) in [("bomb.zip", &bomb(&["terabytes"], 1)), ("many.zip", &many), ("said.zip", &said)] {
        let uploaded = uploads(&ada, &group, name, bytes).await.expect(201);
        assert_eq!(uploaded["mime_type"], "application/zip");
        is_harmless(&server, &uploaded).await;
    }
    for (name, bytes) in [("many.docx", &many), ("said.docx", &said), ("cut.zip", &many[..many.len() - 99].to_vec())] {
        uploads(&ada, &group, name, bytes).await.refused(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn documents_with_macros_are_refused_with_the_reason() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for (name, parts) in [
        ("report.docm", ["word/document.xml", "word/vbaProject.bin"]),
        ("report.docx", ["word/vbaProject.bin", "word/document.xml"]),
        ("table.xlsm", ["xl/workbook.xml", "xl/vbaProject.bin"]),
        ("table.xlsx", ["xl/workbook.xml", "xl/macrosheets/sheet1.xml"]),
        ("talk.pptm", ["ppt/presentation.xml", "PPT\\VBAPROJECT.BIN"]),
    ] {
        let problem = uploads(&ada, &group, name, &document(&parts)).await.refused(415, "unsupported_media_type");
        assert_eq!(problem["detail"], "Documents with macros are not taken.", "{name}");
    }
}

#[tokio::test]
async fn a_name_that_could_open_something_else_is_refused_or_cleaned() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;

    for name in ["invoice.desktop", "run.command", "report.exe.", "report.exe . .", "a.pdf.settingcontent-ms", "a.LNK"]
    {
        uploads(&ada, &group, name, PDF).await.refused(415, "unsupported_media_type");
    }
    for (name, shown) in [
        ("..\\..\\up.pdf", "up.pdf"),
        ("/etc/cron.d/up.pdf", "up.pdf"),
        ("....//up.pdf", "up.pdf"),
        ("C:\\\\x\\\\up.pdf. .", "up.pdf"),
        ("up\u{202e}.pdf", "up.pdf"),
        ("Vol. 2", "Vol. 2"),
    ] {
        let uploaded = uploads(&ada, &group, name, PDF).await.expect(201);
        assert_eq!(uploaded["filename"], shown, "{name:?}");
    }
}
