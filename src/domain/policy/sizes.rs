//! How large files may be, by who brings them and what they are; where nothing is said, as the server's settings have it.

use std::collections::BTreeMap;

use super::rules::{ANY_OTHER, Denial};
use crate::domain::{attachment::AttachmentKind, error::Error};

/// Bytes of a file, by a person's role and then by its kind. [`ANY_OTHER`] stands for whoever has no role of which
/// something is said, and no kind for all of which nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Sizes(pub(super) BTreeMap<String, ByKind>);

/// Bytes of a file by its kind.
pub(super) type ByKind = BTreeMap<Option<AttachmentKind>, u64>;

impl Sizes {
    /// How many bytes a file of this kind may have, where a rule says so: the most generous of somebody's roles counts.
    pub fn most(&self, roles: &[String], kind: AttachmentKind) -> Option<u64> {
        let said = |role: &str| {
            let by_kind = self.0.get(role)?;
            by_kind.get(&Some(kind)).or_else(|| by_kind.get(&None)).copied()
        };
        roles.iter().filter_map(|role| said(role)).max().or_else(|| said(ANY_OTHER))
    }

    /// May somebody have a message take a file of so many bytes as this?
    pub fn may_take(&self, roles: &[String], kind: AttachmentKind, bytes: i64) -> Result<(), Denial> {
        let refused = |most: &u64| bytes.try_into().is_ok_and(|bytes: u64| bytes > *most);
        let Some(most) = self.most(roles, kind).filter(refused) else { return Ok(()) };
        let why = Error::TooLarge { kind: Some(kind), most }.to_string();
        Err(Denial { rule: "attachment_bytes".to_owned(), why })
    }

    /// The most that is said for anybody and anything.
    pub fn most_of_all(&self) -> Option<u64> {
        self.0.values().flat_map(BTreeMap::values).copied().max()
    }
}
