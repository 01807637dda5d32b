//! Showing: URLs that work for a while and for one person, and the bytes behind them.

use std::{ops::Range, time::Duration};

use chrono::DateTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::Context;
use crate::{
    domain::{
        attachment::{Attachment, Rendition, StoredAttachment},
        clock::Time,
        error::{Error, Result},
        ids::{AttachmentId, ConversationId, UserId},
        user::Caller,
    },
    media::vault::{Manner, Reading},
    store::{attachments, users},
};

/// How long a URL is good.
pub const LIFETIME: Duration = Duration::from_mins(15);
/// What a name's letters become `%XX` for in a header (RFC 8187, 3.2.1).
const NOT_IN_HEADERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A file with URLs to its bytes.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The file.
    pub stored: StoredAttachment,
    /// Its bytes.
    pub url: String,
    /// Smaller pictures of it, by their width.
    pub thumbnails: Vec<(u32, String)>,
    /// Until when the URLs are good.
    pub expires_at: Time,
}

/// What a URL of ours says.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where the file is.
    pub conversation_id: ConversationId,
    /// Which file.
    pub id: AttachmentId,
    /// Which of its renditions.
    pub rendition: Rendition,
    /// Who asked for the URL.
    pub user_id: UserId,
    /// Until when it is good, in seconds since 1970.
    pub expires: i64,
    /// What proves the rest.
    pub signature: String,
}

/// A file that may be read.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The file.
    pub stored: StoredAttachment,
    /// How it is to be shown.
    pub manner: Manner,
    rendition: Rendition,
}

/// Signs URLs of those of these files that the caller may see, in the order in which they are asked for.
pub async fn sign(ctx: &Context, caller: &Caller, ids: &[AttachmentId]) -> Result<Vec<Signed>> {
    let now = ctx.clock.now();
    let mut db = ctx.db.acquire().await?;
    let visible = attachments::visible(&mut db, caller.user_id, ids, now).await?;
    drop(db);
    let mut signed = Vec::with_capacity(visible.len());
    for id in ids {
        if let Some(stored) = visible.iter().find(|stored| stored.attachment.id == *id) {
            signed.push(sign_one(ctx, caller.user_id, stored.clone(), now + LIFETIME).await?);
        }
    }
    Ok(signed)
}

/// Signs the URLs of one file.
pub async fn sign_one(ctx: &Context, user: UserId, stored: StoredAttachment, expires_at: Time) -> Result<Signed> {
    let expires_at = DateTime::from_timestamp(expires_at.timestamp(), 0).unwrap_or(expires_at);
    let url = url(ctx, user, &stored, Rendition::Original, expires_at).await?;
    let mut thumbnails = Vec::new();
    for width in &stored.attachment.details.thumbnails {
        thumbnails.push((*width, self::url(ctx, user, &stored, Rendition::Thumbnail(*width), expires_at).await?));
    }
    Ok(Signed { stored, url, thumbnails, expires_at })
}

/// When a URL that is made now ends.
pub fn expiry(ctx: &Context) -> Time {
    ctx.clock.now() + LIFETIME
}

/// The file behind a URL of ours: while the URL is good, and only as long as whoever asked for it may still see it, and is not
/// banned.
pub async fn follow(ctx: &Context, link: &Link) -> Result<Shown> {
    let unknown = || Error::NotFound("file");
    let now = ctx.clock.now();
    let says = says((link.conversation_id, link.id), link.rendition, link.user_id, link.expires);
    if now.timestamp() >= link.expires || !ctx.links.is_signed(&says, &link.signature) {
        return Err(unknown());
    }
    let mut db = ctx.db.acquire().await?;
    let visible = attachments::visible(&mut db, link.user_id, &[link.id], now).await?;
    let is_meant = |stored: &StoredAttachment| stored.conversation_id == link.conversation_id;
    let stored = visible.into_iter().find(is_meant).ok_or_else(unknown)?;
    if !users::may_come_in(&mut *db, link.user_id, now).await? {
        return Err(unknown());
    }
    let manner = manner(&stored.attachment, link.rendition);
    Ok(Shown { stored, manner, rendition: link.rendition })
}

impl Shown {
    /// How many bytes it has.
    pub async fn size(&self, ctx: &Context) -> Result<u64> {
        let size = ctx.media.vault.size(self.stored.blob, self.rendition).await?;
        size.ok_or(Error::NotFound("file"))
    }

    /// Its bytes, or some of them.
    pub async fn read(&self, ctx: &Context, range: Option<Range<u64>>) -> Result<Reading> {
        let reading = ctx.media.vault.get(self.stored.blob, self.rendition, range).await?;
        reading.ok_or(Error::NotFound("file"))
    }

    /// What tells these bytes from any others (an entity tag, RFC 9110, 8.8.3): bytes never change under their name.
    pub fn tag(&self) -> String {
        format!("{}-{}", self.stored.blob, self.rendition.name())
    }
}

/// How a file is to be shown: in place only where nothing in it could run.
pub fn manner(attachment: &Attachment, rendition: Rendition) -> Manner {
    let how = if attachment.is_shown_in_place(rendition) { "inline" } else { "attachment" };
    Manner {
        content_type: attachment.mime_type_of(rendition).to_owned(),
        disposition: format!(
            "{how}; filename=\"{}\"; filename*=UTF-8''{}",
            plain(&attachment.filename),
            utf8_percent_encode(&attachment.filename, NOT_IN_HEADERS)
        ),
    }
}

/// A name for those who know only the plain letters that need no escape (RFC 6266, appendix D).
fn plain(name: &str) -> String {
    let is_plain = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%');
    name.chars().map(|c| Some(c).filter(is_plain).unwrap_or('_')).collect()
}

async fn url(
    ctx: &Context,
    user: UserId,
    stored: &StoredAttachment,
    rendition: Rendition,
    expires_at: Time,
) -> Result<String> {
    let manner = manner(&stored.attachment, rendition);
    if let Some(url) = ctx.media.vault.signed_url(stored.blob, rendition, &manner, LIFETIME).await? {
        return Ok(url);
    }
    let (conversation, id, expires) = (stored.conversation_id, stored.attachment.id, expires_at.timestamp());
    let signature = ctx.links.sign(&says((conversation, id), rendition, user, expires));
    let base = ctx.settings.public_url.as_deref().unwrap_or_default();
    let name = rendition.name();
    let proof = format!("user={user}&expires={expires}&signature={signature}");
    Ok(format!("{base}/api/v1/files/{id}/{name}?conversation={conversation}&{proof}"))
}

/// What is signed. Others may have chosen the same id for a file elsewhere, so its conversation is said, too.
fn says(
    (conversation, id): (ConversationId, AttachmentId),
    rendition: Rendition,
    user: UserId,
    expires: i64,
) -> String {
    format!("{conversation}/{id}/{}/{user}/{expires}", rendition.name())
}
