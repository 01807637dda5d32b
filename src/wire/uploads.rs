//! Files that go straight into the store, as clients announce them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json;
use crate::domain::{
    error::{Error, Result},
    ids::AttachmentId,
};

/// A file that is to go straight into the store.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(as = PresignUpload)]
pub struct Presign {
    /// Your own UUID, which the attachment will have; send the same again for a fresh URL.
    pub id: Option<AttachmentId>,
    /// What it is called.
    #[schema(example = "beach.jpg")]
    pub filename: String,
    /// Bytes.
    #[schema(example = 183_406, minimum = 1)]
    pub size: i64,
    /// How loud the sound in it is from its beginning to its end, as numbers from 0 to 100; taken where the server can't tell.
    #[schema(max_items = 100)]
    pub waveform: Option<Vec<u8>>,
    /// Of its bytes, in hexadecimal; what differs is refused.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub sha256: Option<String>,
}

/// How to put a file into the store.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PresignedUpload)]
pub struct PresignedView {
    /// What to complete afterwards, and the id of the attachment that it becomes.
    pub id: AttachmentId,
    /// Where to send the bytes, and nothing else.
    pub url: String,
    /// How.
    #[schema(example = "PUT")]
    pub method: &'static str,
    /// What to say with them.
    pub headers: BTreeMap<&'static str, &'static str>,
    /// Until when the URL is good.
    #[serde(serialize_with = "json::time")]
    pub expires_at: DateTime<Utc>,
}

impl Presign {
    /// The checksum's bytes.
    pub fn sha256(&self) -> Result<Option<Vec<u8>>> {
        let wrong = || Error::field("sha256", "invalid_format", "Must be 64 hexadecimal digits.");
        let Some(text) = &self.sha256 else { return Ok(None) };
        if text.len() != 64 || !text.bytes().all(|sign| sign.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let byte = |place| u8::from_str_radix(&text[place..place + 2], 16).map_err(|_| wrong());
        (0..64).step_by(2).map(byte).collect::<Result<_>>().map(Some)
    }
}
