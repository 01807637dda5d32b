//! Files that do not come in one piece through this server: in parts that are resumed on any node, or straight into the
//! store. Both are announced first, and kept like any other file once they are there.

pub mod direct;
pub mod receive;
pub mod turns;

use chrono::Duration;
use sqlx::PgConnection;

use super::{
    Context,
    attachments::{
        bounds::Bound,
        upload::{Said, Uploaded, keep, require_may_attach},
    },
};
use crate::{
    domain::{
        attachment::{check_waveform, clean_filename},
        clock::Time,
        error::{Conflict, Error, Result},
        ids::{AttachmentId, BlobId, ConversationId},
        limits::{self, Limit},
        upload::Upload,
        user::Caller,
    },
    media::staging::Complete,
    store::{
        OnConstraint,
        attachments::{claim_blob, doom},
        personal, uploads as rows,
    },
};

/// How long an upload may take.
const LIFETIME: Duration = Duration::days(1);
/// How long what has come of it stays beyond that, for who is just putting it together.
const LINGERING: Duration = Duration::hours(1);
/// Late uploads forgotten in one transaction.
const AT_ONCE: i64 = 100;

/// What is said of a file before it comes.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The client's own id; a retry carries the same.
    pub id: Option<AttachmentId>,
    /// Where to.
    pub conversation_id: ConversationId,
    /// What it is called.
    pub filename: String,
    /// Bytes.
    pub size: i64,
    /// What the client wrote of it, to be read again.
    pub metadata: String,
    /// How loud it is from its beginning to its end.
    pub waveform: Vec<u8>,
    /// Of its bytes, where the client knows.
    pub sha256: Option<Vec<u8>>,
}

/// Announces a file that comes in parts. The same finds what is there of it.
pub async fn announce(ctx: &Context, caller: &Caller, announced: Announced) -> Result<Upload> {
    admit(ctx, caller, announced, None).await
}

/// One's own upload, to see how far it is.
pub async fn find(ctx: &Context, caller: &Caller, id: AttachmentId) -> Result<Upload> {
    let mut db = ctx.db.acquire().await?;
    find_in(&mut db, caller, id, ctx.clock.now()).await
}

/// Ends an upload, and forgets what has come of it. A file that is there stays.
pub async fn end(ctx: &Context, caller: &Caller, id: AttachmentId) -> Result<()> {
    let upload = find(ctx, caller, id).await?;
    if discard(ctx, caller, &upload).await? { Ok(()) } else { Err(Conflict::WrongOffset.into()) }
}

/// Forgets uploads that are late; to be called again while it says that there may be more.
pub async fn forget_late(ctx: &Context) -> Result<bool> {
    let mut db = ctx.db.acquire().await?;
    Ok(rows::remove_late(&mut db, ctx.clock.now(), AT_ONCE).await? == AT_ONCE as u64)
}

/// Ends the uploads of somebody who deleted their account; to be called again while it says that there may be more.
pub async fn end_erased(ctx: &Context) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let Some(user) = rows::claim_erased(&mut tx).await? else { return Ok(false) };
    // What comes now is not added any more.
    rows::lock_all(&mut tx, user).await?;
    let now = ctx.clock.now();
    let parts = rows::remove_all_parts(&mut tx, user).await?;
    doom(&mut tx, &parts, now).await?;
    let places = rows::remove_all(&mut tx, user).await?;
    doom(&mut tx, &places, now + LINGERING).await?;
    tx.commit().await?;
    Ok(true)
}

/// Until when whatever has come of an upload stays in the store.
fn stays_until(upload: &Upload) -> Time {
    upload.expires_at + LINGERING
}

async fn find_in(db: &mut PgConnection, caller: &Caller, id: AttachmentId, now: Time) -> Result<Upload> {
    rows::find(db, caller.user_id, id, now).await?.ok_or(Error::NotFound("upload"))
}

/// Writes an announced file down, and a place for it in the store where it goes there by itself.
async fn admit(ctx: &Context, caller: &Caller, announced: Announced, place: Option<BlobId>) -> Result<Upload> {
    check_waveform(&announced.waveform)?;
    let now = ctx.clock.now();
    let upload = Upload {
        uploader_id: caller.user_id,
        id: announced.id.unwrap_or_else(AttachmentId::new_v7),
        conversation_id: announced.conversation_id,
        filename: clean_filename(&announced.filename),
        size: announced.size,
        received: 0,
        metadata: announced.metadata,
        waveform: announced.waveform,
        place,
        sha256: announced.sha256,
        expires_at: now + LIFETIME,
    };
    let mut tx = ctx.db.begin().await?;
    let standing = require_may_attach(ctx, &mut tx, caller, upload.conversation_id, None).await?;
    // One at a time, so that the bounds are exact and a retry finds what came first.
    personal::lock(&mut tx, caller.user_id).await?;
    if let Some(earlier) = rows::find(&mut tx, caller.user_id, upload.id, now).await? {
        let is_same = earlier.says_the_same_as(&upload);
        return if is_same { Ok(earlier) } else { Err(Conflict::IdempotencyMismatch.into()) };
    }
    require_room(ctx, &mut tx, &upload, &standing.person_roles).await?;
    // One that is there is late, or of a conversation that one is in no more.
    rows::insert(&mut tx, &upload).await.on_constraint("uploads_pkey", Conflict::IdempotencyMismatch.into())?;
    if let Some(place) = place {
        claim_blob(&mut tx, place, stays_until(&upload)).await?;
    }
    ctx.spend(Limit::Uploads, caller).await?;
    tx.commit().await?;
    Ok(upload)
}

/// Refuses a file that could not be kept when it has come.
async fn require_room(ctx: &Context, tx: &mut PgConnection, upload: &Upload, roles: &[String]) -> Result<()> {
    let quota = ctx.settings.storage_quota_bytes;
    if upload.size < 1 {
        return Err(Error::field("size", "empty", "The file is empty."));
    }
    Bound::of_named(ctx, roles, &upload.filename).check(upload.size as u64)?;
    let tally = rows::tally(tx, upload.uploader_id, ctx.clock.now()).await?;
    if tally.open >= limits::UPLOADS as i64 {
        return Err(Error::LimitReached { what: "uploads at once", most: limits::UPLOADS });
    }
    if tally.kept + tally.announced + upload.size > quota {
        return Err(Error::LimitReached { what: "bytes of files", most: quota as usize });
    }
    Ok(())
}

/// Keeps a file of which all has come, and ends its upload: well, or badly where it can't be kept.
async fn conclude(ctx: &Context, caller: &Caller, upload: &Upload, whole: Complete) -> Result<Uploaded> {
    let said = Said { id: Some(upload.id), filename: upload.filename.clone(), waveform: upload.waveform.clone() };
    match keep(ctx, caller, upload.conversation_id, whole, said).await {
        Ok(uploaded) => {
            let mut tx = ctx.db.begin().await?;
            if !rows::complete(&mut tx, upload).await? && upload.place.is_none() {
                return Err(Conflict::WrongOffset.into());
            }
            clear(ctx, &mut tx, upload).await?;
            tx.commit().await?;
            Ok(uploaded)
        }
        Err(error) => {
            if is_final(&error) {
                discard(ctx, caller, upload).await?;
            }
            Err(error)
        }
    }
}

/// Forgets an upload and what has come of it, unless it has moved on meanwhile; whether it did.
async fn discard(ctx: &Context, caller: &Caller, upload: &Upload) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    if rows::lock(&mut tx, upload).await? != Some(upload.received) {
        return Ok(false);
    }
    clear(ctx, &mut tx, upload).await?;
    rows::remove(&mut tx, upload.uploader_id, upload.id).await?;
    tx.commit().await?;
    if !upload.is_complete() {
        ctx.give_back(Limit::Uploads, caller).await;
    }
    Ok(true)
}

/// Removes what has come of an upload: parts at once, but what went to its place by itself only when no URL leads there
/// any more.
async fn clear(ctx: &Context, tx: &mut PgConnection, upload: &Upload) -> Result<()> {
    let now = ctx.clock.now();
    let parts = rows::remove_parts(tx, upload.uploader_id, upload.id).await?;
    doom(tx, &parts, now).await?;
    doom(tx, upload.place.as_slice(), now + LINGERING).await?;
    Ok(())
}

/// Whether the same file would be refused again.
fn is_final(error: &Error) -> bool {
    !matches!(error, Error::StorageFull | Error::Unavailable(_) | Error::Internal(_) | Error::SlowDown { .. })
}
