//! Files, as clients see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json;
use crate::domain::{
    attachment::{Attachment, AttachmentKind},
    error::{Error, Result},
    ids::{AttachmentId, ConversationId},
};

/// A file, as its message shows it to everyone.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Attachment)]
pub struct AttachmentView {
    /// Ask `GET /attachments/{id}` for a URL to its bytes.
    pub id: AttachmentId,
    /// How to show it.
    pub kind: AttachmentKind,
    /// What it was called.
    #[schema(example = "beach.jpg")]
    pub filename: String,
    /// Its media type, by its bytes.
    #[schema(example = "image/jpeg")]
    pub mime_type: String,
    /// Bytes.
    #[schema(example = 183_406)]
    pub size: i64,
    /// Pixels across.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How long it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// How loud it is from its beginning to its end, as numbers from 0 to 100, which is the loudest there is in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 100)]
    pub waveform: Vec<u8>,
    /// How many pages it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_count: Option<u32>,
    /// A blurred picture in a few characters (<https://blurha.sh>), to show while the real one loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blurhash: Option<String>,
    /// Where `GET` gives fresh URLs; this path never changes.
    #[schema(example = "/api/v1/attachments/0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")]
    pub path: String,
}

/// A file with URLs by which its bytes can be had for a while.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SignedAttachment)]
pub struct SignedAttachmentView {
    /// The file.
    #[serde(flatten)]
    pub attachment: AttachmentView,
    /// Where it was uploaded to.
    pub conversation_id: ConversationId,
    /// Its bytes.
    pub url: String,
    /// The picture at most 320 pixels wide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
    /// The picture at most 960 pixels wide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_url: Option<String>,
    /// Until when the URLs are good.
    #[serde(serialize_with = "json::time")]
    pub url_expires_at: DateTime<Utc>,
}

/// Files to sign URLs of.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SignAttachments {
    /// At most 100.
    #[schema(max_items = 100)]
    pub ids: Vec<AttachmentId>,
}

/// A file to upload, as `multipart/form-data`.
#[derive(Debug, ToSchema)]
pub struct UploadForm {
    /// Your own UUID; send the same again to retry without doubling. Best before the file: then a retry that can't succeed is
    /// refused before the file comes.
    pub id: Option<AttachmentId>,
    /// How loud the sound in it is: a JSON list of at most 100 numbers from 0 to 100. It is taken where the
    /// server can't tell: not of what it can decode (AAC, FLAC, MP3, PCM, Vorbis; up to five minutes), but of Opus, say.
    #[schema(example = "[0, 12, 100, 43]")]
    pub waveform: Option<String>,
    /// The file, with its name.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// A picture to upload, as `multipart/form-data`.
#[derive(Debug, ToSchema)]
pub struct AvatarForm {
    /// The picture.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// Reads a waveform that is written as text: a JSON list.
pub fn waveform(text: &[u8]) -> Result<Vec<u8>> {
    let says = "Must be a JSON list of numbers from 0 to 100.";
    serde_json::from_slice(text).map_err(|_| Error::field("waveform", "invalid_type", says))
}

impl From<Attachment> for AttachmentView {
    fn from(attachment: Attachment) -> Self {
        Self {
            id: attachment.id,
            kind: attachment.kind,
            filename: attachment.filename,
            mime_type: attachment.mime_type,
            size: attachment.size,
            width: attachment.details.width,
            height: attachment.details.height,
            duration_ms: attachment.details.duration_ms,
            waveform: attachment.details.waveform,
            page_count: attachment.details.page_count,
            blurhash: attachment.details.blurhash,
            path: format!("/api/v1/attachments/{}", attachment.id),
        }
    }
}
