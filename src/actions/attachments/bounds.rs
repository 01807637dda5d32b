//! How large a file may be: by who brings it and what it is, under the rules that hold now.

use super::super::Context;
use crate::{
    domain::{
        attachment::AttachmentKind,
        error::{Error, Result},
    },
    media::sniff,
};

/// How large some file may be.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// What it is, where that is known.
    kind: Option<AttachmentKind>,
    /// Bytes.
    pub most: u64,
}

impl Bound {
    /// How large a file of this kind may be that somebody of these roles brings.
    pub fn of(ctx: &Context, roles: &[String], kind: AttachmentKind) -> Self {
        Self::of_any(ctx, roles, &[kind])
    }

    /// The same where nothing is known of it yet but its name: what a name says that the bytes do not, is refused.
    pub fn of_named(ctx: &Context, roles: &[String], name: &str) -> Self {
        Self::of_any(ctx, roles, &sniff::kinds_named(name))
    }

    /// Refuses a file of so many bytes where that is more.
    pub fn check(self, bytes: u64) -> Result<()> {
        let Self { kind, most } = self;
        if bytes > most { Err(Error::TooLarge { kind, most }) } else { Ok(()) }
    }

    fn of_any(ctx: &Context, roles: &[String], kinds: &[AttachmentKind]) -> Self {
        // What is known only once a message takes it, is decided then.
        let most = kinds.iter().flat_map(|kind| kind.taken_as()).map(|kind| most(ctx, roles, kind)).max();
        let kind = if let [kind] = kinds { Some(*kind) } else { None };
        Self { kind, most: most.unwrap_or(ctx.settings.attachment_bytes) }
    }
}

/// Bytes of a file at most that is taken as this.
pub fn most(ctx: &Context, roles: &[String], kind: AttachmentKind) -> u64 {
    ctx.rulebook.rules().sizes.most(roles, kind).unwrap_or(ctx.settings.attachment_bytes)
}

/// Bytes of a file at most, whoever brings it and whatever it is.
pub fn most_of_all(ctx: &Context) -> u64 {
    ctx.rulebook.rules().sizes.most_of_all().unwrap_or_default().max(ctx.settings.attachment_bytes)
}
