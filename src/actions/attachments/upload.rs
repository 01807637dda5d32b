//! Uploading: a file comes in, is told what it is, gets a place in the vault, and belongs to its uploader until a
//! message takes it.

use std::mem::take;

use bytes::Bytes;
use chrono::Duration;
use sqlx::{PgConnection, error::DatabaseError};

use super::{
    super::{Context, require_member, rules::require_may_speak},
    bounds::Bound,
    serve,
};
use crate::{
    domain::{
        attachment::{
            Attachment, AttachmentKind, Details, FileType, Rendition, StoredAttachment, check_waveform, clean_filename,
            redacted_filename,
        },
        clock::Time,
        error::{Conflict, Error, Result},
        ids::{AttachmentId, BlobId, ConversationId},
        limits::Limit,
        member::Standing,
        user::Caller,
    },
    media::{
        staging::{Complete, Staged},
        workshop::{Examined, Wish},
    },
    store::attachments,
};

/// How long what is put into the vault may take from its first byte to whoever needs it.
pub const PATIENCE: Duration = Duration::hours(24);

/// A file that comes in.
#[derive(Debug)]
pub struct Upload {
    conversation: ConversationId,
    staged: Staged,
    bound: Bound,
    is_counted: bool,
}

/// What is known of a file before its bytes come.
#[derive(Clone, Copy, Debug)]
pub struct Coming<'a> {
    /// The client's own id; a retry carries the same.
    pub id: Option<AttachmentId>,
    /// What it is called.
    pub filename: &'a str,
    /// How many bytes it has in any case.
    pub least: u64,
}

/// What is said of a file beside its bytes.
#[derive(Clone, Debug)]
pub struct Said {
    /// The client's own id; a retry carries the same.
    pub id: Option<AttachmentId>,
    /// What it is called.
    pub filename: String,
    /// How loud it is from its beginning to its end.
    pub waveform: Vec<u8>,
}

/// What became of an upload.
#[derive(Clone, Debug)]
pub enum Uploaded {
    /// It is kept.
    New(StoredAttachment),
    /// The same was uploaded before.
    Before(StoredAttachment),
}

/// Makes room for a file; refuses who may not send it before they do.
pub async fn begin(ctx: &Context, caller: &Caller, conversation: ConversationId, coming: Coming<'_>) -> Result<Upload> {
    let mut db = ctx.db.acquire().await?;
    let standing = require_may_attach(ctx, &mut db, caller, conversation, None).await?;
    let bound = Bound::of_named(ctx, &standing.person_roles, coming.filename);
    bound.check(coming.least)?;
    let before = match coming.id {
        Some(id) => attachments::by_id(&mut db, conversation, id).await?,
        None => None,
    };
    if before.as_ref().is_some_and(|before| before.uploader_id != caller.user_id) {
        return Err(Conflict::IdempotencyMismatch.into());
    }
    let is_retry = before.is_some();
    drop(db);
    let staged = ctx.media.stage(bound.most).await?.of(caller.user_id);
    if !is_retry {
        ctx.spend(Limit::Uploads, caller).await?;
    }
    Ok(Upload { conversation, staged, bound, is_counted: !is_retry })
}

/// Refuses who may not put a file of this kind there, or none of any.
pub async fn require_may_attach(
    ctx: &Context,
    db: &mut PgConnection,
    caller: &Caller,
    conversation: ConversationId,
    kind: Option<AttachmentKind>,
) -> Result<Standing> {
    let standing = require_member(db, conversation, caller.user_id).await?;
    let speaking = require_may_speak(ctx, db, &standing, caller.user_id, kind.as_slice()).await;
    match (speaking, kind) {
        // Sound may yet become a voice note.
        (Err(Error::AgainstRules(_)), Some(AttachmentKind::Audio)) => {
            require_may_speak(ctx, db, &standing, caller.user_id, &[AttachmentKind::VoiceNote]).await
        }
        (speaking, _) => speaking,
    }?;
    Ok(standing)
}

impl Upload {
    /// Takes what has come of it.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bound.check(self.staged.size() + bytes.len() as u64)?;
        self.staged.write(bytes).await
    }

    /// Keeps it, now that it has all come.
    pub async fn finish(self, ctx: &Context, caller: &Caller, said: Said) -> Result<Uploaded> {
        let kept = match self.staged.complete() {
            Ok(complete) => keep(ctx, caller, self.conversation, complete, said).await,
            Err(error) => Err(error),
        };
        if self.is_counted && !matches!(kept, Ok(Uploaded::New(_))) {
            ctx.give_back(Limit::Uploads, caller).await;
        }
        kept
    }

    /// Lets it go, since it does not come as it should.
    pub async fn abandon(self, ctx: &Context, caller: &Caller) {
        if self.is_counted {
            ctx.give_back(Limit::Uploads, caller).await;
        }
    }
}

/// Keeps a file that has all come, whichever way.
pub async fn keep(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    complete: Complete,
    said: Said,
) -> Result<Uploaded> {
    check_waveform(&said.waveform)?;
    let said = Said { filename: clean_filename(&said.filename), ..said };
    let wish = Wish::All(ctx.rulebook.rules().pictures);
    let looking = ctx.media.look(complete.again()?, &said.filename, wish).await?;
    let file_type = looking.file_type();
    let mut stored = StoredAttachment {
        attachment: Attachment {
            id: said.id.unwrap_or_else(AttachmentId::new_v7),
            kind: file_type.kind,
            filename: redacted_filename(&said.filename, &ctx.rulebook.rules().redaction),
            mime_type: file_type.mime_type.to_owned(),
            size: complete.size as i64,
            details: Details { waveform: heard(file_type, said.waveform), ..Details::default() },
        },
        conversation_id: conversation,
        uploader_id: caller.user_id,
        sha256: complete.sha256.clone(),
        blob: BlobId::random(),
        message_seq: None,
        created_at: ctx.clock.now(),
    };
    // The bytes may be there already: then nothing is put into the vault, unless they are removed meanwhile; and where files
    // of this type are refused, nobody need look any further.
    if let Some(uploaded) = record(ctx, caller, (&mut stored, complete.size), true).await? {
        return Ok(uploaded);
    }
    let examined = looking.finish().await?;
    let recorded = match deposit(ctx, &mut stored, &complete, examined).await {
        Ok(()) => record(ctx, caller, (&mut stored, complete.size), false).await,
        Err(error) => Err(error),
    };
    if !matches!(recorded, Ok(Some(Uploaded::New(_)))) {
        // Nobody needs what is there now.
        let mut db = ctx.db.acquire().await?;
        attachments::doom(&mut db, &[stored.blob], ctx.clock.now()).await?;
    }
    recorded?.ok_or(Error::Unavailable("The upload took too long; send it again."))
}

/// Writes down a place in the vault before anything is put there; it is removed from then on, unless it is needed by then.
pub async fn claim_place(ctx: &Context, until: Time) -> Result<BlobId> {
    let place = BlobId::random();
    attachments::claim_blob(&mut *ctx.db.acquire().await?, place, until).await?;
    Ok(place)
}

/// Only sound has a waveform.
fn heard(file_type: FileType, said: Vec<u8>) -> Vec<u8> {
    if file_type.kind == AttachmentKind::Audio { said } else { Vec::new() }
}

/// Puts the bytes into the vault, under a name that is written down first.
async fn deposit(ctx: &Context, stored: &mut StoredAttachment, complete: &Complete, examined: Examined) -> Result<()> {
    let Examined { details, traces, instead, thumbnails } = examined;
    complete.erase(traces).await?;
    stored.attachment.details = details.or_waveform(take(&mut stored.attachment.details.waveform));
    stored.attachment.size = instead.as_ref().map_or(complete.size, |bytes| bytes.len() as u64) as i64;
    stored.blob = claim_place(ctx, ctx.clock.now() + PATIENCE).await?;
    let vault = &ctx.media.vault;
    for (width, picture) in thumbnails {
        let rendition = Rendition::Thumbnail(width);
        vault.put_bytes(stored.blob, rendition, picture, &serve::manner(&stored.attachment, rendition)).await?;
    }
    let manner = serve::manner(&stored.attachment, Rendition::Original);
    match instead {
        Some(bytes) => vault.put_bytes(stored.blob, Rendition::Original, bytes, &manner).await,
        None => vault.put_file(stored.blob, complete.again()?, &manner).await,
    }
}

/// Writes a file down of which so many bytes came; nothing where they are not in the vault (any more). With `by_twin`, they
/// are those of a file that is there already.
async fn record(
    ctx: &Context,
    caller: &Caller,
    (stored, came): (&mut StoredAttachment, u64),
    by_twin: bool,
) -> Result<Option<Uploaded>> {
    let (conversation, id) = (stored.conversation_id, stored.attachment.id);
    let mut tx = ctx.db.begin().await?;
    let kind = stored.attachment.kind;
    let standing = require_may_attach(ctx, &mut tx, caller, conversation, Some(kind)).await?;
    if let Some(before) = attachments::by_id(&mut tx, conversation, id).await? {
        let is_same = (before.uploader_id, &before.sha256, &before.attachment.filename)
            == (stored.uploader_id, &stored.sha256, &stored.attachment.filename);
        return if is_same { Ok(Some(Uploaded::Before(before))) } else { Err(Conflict::IdempotencyMismatch.into()) };
    }
    Bound::of(ctx, &standing.person_roles, kind).check(came)?;
    if by_twin {
        let Some(twin) = attachments::twin(&mut tx, conversation, &stored.sha256).await? else { return Ok(None) };
        stored.blob = twin.blob;
        // What is kept of them is what was made of them then.
        stored.attachment.size = twin.attachment.size;
        stored.attachment.details = twin.attachment.details.or_waveform(take(&mut stored.attachment.details.waveform));
    }
    if !attachments::keep_blob(&mut tx, stored.blob).await? {
        return Ok(None);
    }
    let (size, quota) = (stored.attachment.size, ctx.settings.storage_quota_bytes);
    if !attachments::spend_quota(&mut tx, caller.user_id, size, quota).await? {
        return Err(Error::LimitReached { what: "bytes of files", most: quota as usize });
    }
    match attachments::insert(&mut tx, stored).await {
        Ok(()) => {}
        // The same id came twice at once; the other one is first.
        Err(error) if error.as_database_error().is_some_and(DatabaseError::is_unique_violation) => {
            drop(tx);
            return Box::pin(record(ctx, caller, (stored, came), by_twin)).await;
        }
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(Some(Uploaded::New(stored.clone())))
}
