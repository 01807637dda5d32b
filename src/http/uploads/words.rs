//! The headers of the tus protocol, read.

use std::collections::HashMap;

use actix_web::{
    HttpMessage, HttpRequest,
    http::{StatusCode, header::HeaderMap},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    actions::uploads::Announced,
    domain::{
        error::{Error, Result},
        upload::Checksum,
    },
    http::problem::Problem,
    wire::attachments,
};

/// Bytes of `Upload-Metadata` at most.
const METADATA_BYTES: usize = 4 * 1024;

/// What an upload says of itself.
pub fn announced(headers: &HeaderMap) -> Result<Announced, Problem> {
    let size = number(headers, "Upload-Length")?;
    let metadata = text(headers, "Upload-Metadata").unwrap_or_default();
    if metadata.len() > METADATA_BYTES {
        let says = format!("Upload-Metadata must not exceed {METADATA_BYTES} bytes.");
        return Err(Problem::plain(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", says));
    }
    let mut words = read_metadata(metadata)?;
    let not_an_id = |field| move |_| Error::field(field, "invalid_type", "Must be a UUID.");
    let missing = |field| move || Error::field(field, "required", "Upload-Metadata must say it.");
    let conversation = words.remove("conversation_id").ok_or_else(missing("conversation_id"))?;
    Ok(Announced {
        id: words.remove("id").map(|id| id.parse()).transpose().map_err(not_an_id("id"))?,
        conversation_id: conversation.parse().map_err(not_an_id("conversation_id"))?,
        filename: words.remove("filename").ok_or_else(missing("filename"))?,
        size,
        metadata: metadata.to_owned(),
        waveform: words
            .remove("waveform")
            .map_or(Ok(Vec::new()), |waveform| attachments::waveform(waveform.as_bytes()))?,
        sha256: None,
    })
}

/// A header that is a number, as bytes are counted.
pub fn number(headers: &HeaderMap, name: &str) -> Result<i64, Problem> {
    let number = text(headers, name).and_then(|text| text.parse().ok()).filter(|number| *number >= 0);
    let says = || format!("{name} must be a number of bytes.");
    number.ok_or_else(|| Problem::plain(StatusCode::BAD_REQUEST, "bad_request", says()))
}

/// What is said of the body's bytes.
pub fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(value) = headers.get("Upload-Checksum") else { return Ok(None) };
    let read = || {
        let (algorithm, sum) = value.to_str().ok()?.split_once(' ')?;
        Checksum::new(algorithm, BASE64_STANDARD.decode(sum.trim()).ok()?)
    };
    let says = || format!("Upload-Checksum must be one of {} and a sum in Base64.", Checksum::ALGORITHMS.join(", "));
    read().map(Some).ok_or_else(|| Problem::plain(StatusCode::BAD_REQUEST, "bad_request", says()))
}

/// Whether the body is bytes of an upload.
pub fn brings_bytes(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/offset+octet-stream")
}

/// `name Base64, name, …`, each name once.
fn read_metadata(metadata: &str) -> Result<HashMap<&str, String>> {
    let malformed = || Error::Malformed("Upload-Metadata is not understood.");
    let mut words = HashMap::new();
    for pair in metadata.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = BASE64_STANDARD.decode(value.trim()).map_err(|_| malformed())?;
        let value = String::from_utf8(value).map_err(|_| malformed())?;
        if value.contains('\0') || words.insert(name, value).is_some() {
            return Err(malformed());
        }
    }
    Ok(words)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_names_with_what_they_stand_for_in_base64() {
        let words = read_metadata("filename d29ybGQucGRm,is_confidential, id  YQ==").unwrap();

        let said = |name| words.get(name).map(String::as_str);
        assert_eq!((said("filename"), said("is_confidential"), said("id")), (Some("world.pdf"), Some(""), Some("a")));
        for wrong in ["filename !", "filename d29y bGQ=", "a YQ==,a YQ==", "a /w==", "a AA=="] {
            assert!(read_metadata(wrong).is_err(), "{wrong}");
        }
        assert!(read_metadata("").unwrap().is_empty());
    }
}
