//! Every type of file that is taken.

use crate::domain::attachment::{
    AttachmentKind::{Audio, File, Image, Video},
    FileType,
};

/// A text document of Office.
pub const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
/// A table of Office.
pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// A presentation of Office.
pub const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

/// All of them. Templates of documents, and shows, differ from those in their use alone.
pub const TYPES: &[FileType] = &[
    FileType { mime_type: "image/jpeg", kind: Image, endings: &["jpg", "jpeg", "jpe", "jfif"] },
    FileType { mime_type: "image/png", kind: Image, endings: &["png"] },
    FileType { mime_type: "image/gif", kind: Image, endings: &["gif"] },
    FileType { mime_type: "image/webp", kind: Image, endings: &["webp"] },
    FileType { mime_type: "image/avif", kind: Image, endings: &["avif"] },
    FileType { mime_type: "video/mp4", kind: Video, endings: &["mp4", "m4v", "3gp"] },
    FileType { mime_type: "video/x-m4v", kind: Video, endings: &["m4v", "mp4"] },
    FileType { mime_type: "video/3gpp", kind: Video, endings: &["3gp", "3gpp", "mp4"] },
    FileType { mime_type: "video/webm", kind: Video, endings: &["webm"] },
    FileType { mime_type: "video/quicktime", kind: Video, endings: &["mov", "qt"] },
    FileType { mime_type: "video/x-matroska", kind: Video, endings: &["mkv"] },
    FileType { mime_type: "video/x-msvideo", kind: Video, endings: &["avi"] },
    FileType { mime_type: "audio/mpeg", kind: Audio, endings: &["mp3", "mpga"] },
    FileType { mime_type: "audio/m4a", kind: Audio, endings: &["m4a", "m4b", "mp4"] },
    FileType { mime_type: "audio/3gpp", kind: Audio, endings: &["3gp", "3gpp", "3ga", "m4a", "mp4"] },
    FileType { mime_type: "audio/webm", kind: Audio, endings: &["weba", "webm"] },
    FileType { mime_type: "audio/x-matroska", kind: Audio, endings: &["mka", "mkv"] },
    FileType { mime_type: "audio/aac", kind: Audio, endings: &["aac"] },
    FileType { mime_type: "audio/ogg", kind: Audio, endings: &["ogg", "oga", "opus"] },
    FileType { mime_type: "audio/opus", kind: Audio, endings: &["opus", "ogg", "oga"] },
    FileType { mime_type: "audio/x-flac", kind: Audio, endings: &["flac"] },
    FileType { mime_type: "audio/x-wav", kind: Audio, endings: &["wav"] },
    FileType { mime_type: "audio/aiff", kind: Audio, endings: &["aiff", "aif", "aifc"] },
    FileType { mime_type: "audio/amr", kind: Audio, endings: &["amr"] },
    FileType { mime_type: "application/pdf", kind: File, endings: &["pdf"] },
    FileType { mime_type: "application/msword", kind: File, endings: &["doc", "dot"] },
    FileType { mime_type: "application/vnd.ms-excel", kind: File, endings: &["xls", "xlt"] },
    FileType { mime_type: "application/vnd.ms-powerpoint", kind: File, endings: &["ppt", "pps", "pot"] },
    FileType { mime_type: DOCX, kind: File, endings: &["docx", "dotx"] },
    FileType { mime_type: XLSX, kind: File, endings: &["xlsx", "xltx"] },
    FileType { mime_type: PPTX, kind: File, endings: &["pptx", "ppsx", "potx"] },
    FileType { mime_type: "application/zip", kind: File, endings: &["zip"] },
    FileType { mime_type: "application/vnd.rar", kind: File, endings: &["rar"] },
    FileType { mime_type: "text/csv", kind: File, endings: &["csv"] },
    FileType { mime_type: "text/plain", kind: File, endings: &["txt", "text", "log", "md"] },
    FileType { mime_type: "text/tab-separated-values", kind: File, endings: &["tsv"] },
];

/// The first of them whose names end so.
pub fn named(ending: &str) -> Option<&'static FileType> {
    TYPES.iter().find(|known| known.endings.contains(&ending))
}
