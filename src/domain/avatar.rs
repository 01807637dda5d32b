//! Avatars: the pictures of people and groups, as squares under paths that never show anything else.

use uuid::Uuid;

use super::{attachment::Rendition, ids::BlobId};

/// The sides in pixels of the squares of which an avatar consists, the smallest first.
pub const SIDES: [u32; 2] = [64, 256];

/// Where the largest square is; the others are beside it. A new picture is a new version, so that each may be kept by
/// whoever fetched it for as long as they like.
pub fn path(owner: Uuid, version: BlobId) -> String {
    let [.., largest] = SIDES;
    format!("/api/v1/avatars/{owner}/{version}/{}", Rendition::Thumbnail(largest).name())
}
