//! Files that messages carry: what they are, what is allowed, and what is kept of them.

use std::iter;

use serde::{Deserialize, Serialize};

use super::{
    clock::Time,
    error::{Error, Result},
    ids::{AttachmentId, BlobId, ConversationId, UserId},
    limits,
    message::MessageKind,
    policy::redaction::Redaction,
};

/// The widths of the smaller pictures that are made of one that is wider, the largest first.
pub const THUMBNAIL_WIDTHS: [u32; 2] = [960, 320];

/// What can be attached to a message, by how it is shown.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    sqlx::Type,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AttachmentKind {
    /// A picture.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Sound that was spoken for this message: what the sound in a voice note is.
    VoiceNote,
    /// Anything else, to be opened elsewhere.
    File,
}

impl AttachmentKind {
    /// What a message may take it as: sound may have been spoken for that message.
    pub fn taken_as(self) -> impl Iterator<Item = Self> {
        iter::once(self).chain((self == Self::Audio).then_some(Self::VoiceNote))
    }
}

/// A type of file that is taken, as its bytes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileType {
    /// The media type (RFC 6838).
    pub mime_type: &'static str,
    /// How it is shown.
    pub kind: AttachmentKind,
    /// What its name ends in, the usual ending first.
    pub endings: &'static [&'static str],
}

/// What can be told of a file without opening it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Pixels across.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How long it plays, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// How loud it is from its beginning to its end: at most 100 numbers from 0 to 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waveform: Vec<u8>,
    /// How many pages it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_count: Option<u32>,
    /// A blurred picture in a few characters (<https://blurha.sh>), to show while the real one loads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blurhash: Option<String>,
    /// The widths in pixels of the smaller pictures that there are of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thumbnails: Vec<u32>,
}

/// A file as its message shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// The client's own id, or one that the server made.
    pub id: AttachmentId,
    /// How it is shown.
    pub kind: AttachmentKind,
    /// What it was called, cleaned.
    pub filename: String,
    /// Its media type, by its bytes.
    pub mime_type: String,
    /// Bytes.
    pub size: i64,
    /// What can be told of it.
    pub details: Details,
}

/// A file as it is kept.
#[derive(Clone, Debug)]
pub struct StoredAttachment {
    /// As its message shows it.
    pub attachment: Attachment,
    /// Where it was uploaded to.
    pub conversation_id: ConversationId,
    /// Who uploaded it.
    pub uploader_id: UserId,
    /// Of its bytes as they were uploaded.
    pub sha256: Vec<u8>,
    /// Where its bytes are in the store.
    pub blob: BlobId,
    /// The message that took it.
    pub message_seq: Option<i64>,
    /// When it was uploaded.
    pub created_at: Time,
}

/// One of the files that are kept for an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rendition {
    /// What was uploaded.
    Original,
    /// A smaller picture of this width.
    Thumbnail(u32),
}

impl Details {
    /// The same with the waveform that its uploader says it has, where none could be told.
    #[must_use]
    pub fn or_waveform(self, said: Vec<u8>) -> Self {
        if self.waveform.is_empty() { Self { waveform: said, ..self } } else { self }
    }
}

/// Refuses what is no waveform.
pub fn check_waveform(said: &[u8]) -> Result<()> {
    if said.len() <= limits::WAVEFORM_BARS && said.iter().all(|bar| *bar <= 100) {
        return Ok(());
    }
    let says = format!("At most {} numbers from 0 to 100.", limits::WAVEFORM_BARS);
    Err(Error::field("waveform", "out_of_range", says))
}

impl Rendition {
    /// The name under which a blob keeps it, which is also its name in a URL.
    pub fn name(self) -> String {
        match self {
            Self::Original => "original".to_owned(),
            Self::Thumbnail(width) => format!("{width}.webp"),
        }
    }

    /// The rendition of that name.
    pub fn named(name: &str) -> Option<Self> {
        if name == "original" {
            return Some(Self::Original);
        }
        name.strip_suffix(".webp")?.parse().ok().map(Self::Thumbnail)
    }
}

impl Attachment {
    /// The media type of one of its files.
    pub fn mime_type_of(&self, rendition: Rendition) -> &str {
        match rendition {
            Rendition::Original => &self.mime_type,
            Rendition::Thumbnail(_) => "image/webp",
        }
    }

    /// Whether a browser may show it in place: nothing that could run in it.
    pub fn is_shown_in_place(&self, rendition: Rendition) -> bool {
        rendition != Rendition::Original || self.kind != AttachmentKind::File
    }
}

/// A name that can be shown and saved anywhere: without directories, control characters, marks that turn text around and
/// dots at its ends, and no longer than a name may be. Its end, which says what it is, is kept.
pub fn clean_filename(given: &str) -> String {
    let turns_text = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !c.is_control() && !turns_text(*c)).collect();
    // At the end they are left out by whatever saves it, and something else would be the end.
    let is_left_out = |c: char| c == '.' || c.is_whitespace();
    let kept = kept.trim_end_matches(is_left_out).trim_start().trim_start_matches('.').trim_start();
    if kept.is_empty() {
        return "file".to_owned();
    }
    let characters: Vec<char> = kept.chars().collect();
    let over = characters.len().saturating_sub(limits::FILENAME_CHARACTERS);
    let end = kept.rfind('.').map_or(characters.len(), |dot| kept[..dot].chars().count()).max(over);
    characters[..end - over].iter().chain(&characters[end..]).collect()
}

/// The same name without what is taken out of texts. Its end, which says what it is, is kept where that is no part of it.
pub fn redacted_filename(name: &str, redaction: &Redaction) -> String {
    let (stem, end) = name.rfind('.').map_or((name, ""), |dot| name.split_at(dot));
    redaction.text(&format!("{}{end}", redaction.text(stem))).into_owned()
}

/// What files are in a message of this kind; refuses those that it can't carry.
pub fn kinds_in(kind: MessageKind, attachments: &[Attachment]) -> Result<Vec<AttachmentKind>> {
    let all = |wanted| attachments.iter().all(|attachment| attachment.kind == wanted);
    let fits = match kind {
        MessageKind::Image => all(AttachmentKind::Image),
        MessageKind::Video => all(AttachmentKind::Video),
        MessageKind::Audio => all(AttachmentKind::Audio),
        MessageKind::VoiceNote => all(AttachmentKind::Audio) && attachments.len() == 1,
        MessageKind::Text | MessageKind::File | MessageKind::Location | MessageKind::System => true,
    };
    if !fits {
        return Err(Error::field("attachment_ids", "wrong_kind", "A message of this kind can't carry these files."));
    }
    let is_spoken = kind == MessageKind::VoiceNote;
    Ok(attachments.iter().map(|file| if is_spoken { AttachmentKind::VoiceNote } else { file.kind }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_keep_their_end() {
        for (given, kept) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\photo.jpg", "photo.jpg"),
            ("  .htaccess ", "htaccess"),
            ("", "file"),
            ("../", "file"),
            ("...", "file"),
            ("report.exe. . ", "report.exe"),
            ("a\u{0}b\n.txt", "ab.txt"),
            ("harmless\u{202e}gpj.exe", "harmlessgpj.exe"),
            ("Überstunden für März.xlsx", "Überstunden für März.xlsx"),
        ] {
            assert_eq!(clean_filename(given), kept, "{given:?}");
        }
        let long = clean_filename(&format!("{}.tar.gz", "ü".repeat(1_000)));
        assert_eq!(long.chars().count(), limits::FILENAME_CHARACTERS);
        assert!(long.ends_with("ü.gz"), "{long}");
        assert_eq!(clean_filename(&".x".repeat(1_000)).chars().count(), limits::FILENAME_CHARACTERS);
    }

    #[test]
    fn names_keep_their_end_without_what_is_taken_out() {
        let redaction = Redaction { phone_numbers: true, email_addresses: true };
        for (name, left) in [
            ("Holiday 2026.jpg", "Holiday 2026.jpg"),
            ("ada@example.com.pdf", "•••.pdf"),
            ("CV of ada@example.com", "CV of •••"),
            ("call +49 89 1234567.txt", "call •••.txt"),
            ("9876543210.jpg", "•••.jpg"),
            ("notes.9876543210", "notes.•••"),
        ] {
            assert_eq!(redacted_filename(name, &redaction), left, "{name}");
            assert_eq!(redacted_filename(name, &Redaction::default()), name);
        }
    }

    #[test]
    fn renditions_are_found_by_their_names() {
        for rendition in [Rendition::Original, Rendition::Thumbnail(320)] {
            assert_eq!(Rendition::named(&rendition.name()), Some(rendition));
        }
        assert_eq!(Rendition::named("../original"), None);
        assert_eq!(Rendition::named("-1.webp"), None);
    }
}
