//! Straight into the store: a client announces a file, puts it to a URL of the store's own, and says when it is there.
//! Only then does the server see it, so it checks everything, and keeps a copy that the URL does not reach.

use super::{
    super::{
        Context,
        attachments::{serve, upload::Uploaded},
        require_member,
    },
    Announced, admit, conclude, discard,
    rows::find,
};
use crate::{
    domain::{
        attachment::Rendition,
        clock::Time,
        error::{Conflict, Error, Result},
        ids::{AttachmentId, BlobId, ConversationId},
        upload::Upload,
        user::Caller,
    },
    media::{staging::Complete, vault::Put},
    store::attachments,
};

/// Where an announced file is to be put.
#[derive(Clone, Debug)]
pub struct Presigned {
    /// The file.
    pub upload: Upload,
    /// How to put it.
    pub put: Put,
    /// Until when it may be.
    pub expires_at: Time,
}

/// Announces a file that goes straight into the store.
pub async fn presign(ctx: &Context, caller: &Caller, announced: Announced) -> Result<Presigned> {
    if !ctx.media.vault.signs() {
        let mut db = ctx.db.acquire().await?;
        require_member(&mut db, announced.conversation_id, caller.user_id).await?;
        return Err(Conflict::Unsupported.into());
    }
    let upload = admit(ctx, caller, announced, Some(BlobId::random())).await?;
    // A URL that leads to where nothing is looked at any more would leave what nobody removes.
    let place = upload.place.filter(|_| !upload.is_complete()).ok_or(Conflict::UploadComplete)?;
    let expires_at = serve::expiry(ctx);
    let put = ctx.media.vault.signed_put(place, serve::LIFETIME).await?.ok_or(Conflict::Unsupported)?;
    Ok(Presigned { upload, put, expires_at })
}

/// Keeps an announced file that was put into the store; the same again finds the attachment that it became.
pub async fn complete(
    ctx: &Context,
    caller: &Caller,
    conversation: ConversationId,
    id: AttachmentId,
) -> Result<Uploaded> {
    let mut db = ctx.db.acquire().await?;
    require_member(&mut db, conversation, caller.user_id).await?;
    let found = find(&mut db, caller.user_id, id, ctx.clock.now()).await?;
    let announced = found.filter(|upload| upload.conversation_id == conversation && !upload.is_complete());
    let Some((upload, place)) = announced.and_then(|upload| upload.place.map(|place| (upload, place))) else {
        let became = attachments::by_id(&mut db, conversation, id).await?;
        let own = became.filter(|became| became.uploader_id == caller.user_id);
        return own.map(Uploaded::Before).ok_or(Error::NotFound("upload"));
    };
    drop(db);
    match fetch(ctx, &upload, place).await {
        Ok(whole) => conclude(ctx, caller, &upload, whole).await,
        Err(error) => {
            if matches!(error, Error::Invalid(_)) {
                discard(ctx, caller, &upload).await?;
            }
            Err(error)
        }
    }
}

/// What was put into the store, if it is what was announced.
async fn fetch(ctx: &Context, upload: &Upload, place: BlobId) -> Result<Complete> {
    let _turn = ctx.media.fetching().await?;
    let reading = ctx.media.vault.get(place, Rendition::Original, None).await?.ok_or(Conflict::NotUploaded)?;
    if reading.size != upload.size as u64 {
        let says = format!("There are {} bytes in the store.", reading.size);
        return Err(Error::field("size", "mismatch", says));
    }
    let mut whole = ctx.media.stage(reading.size).await?.of(upload.uploader_id);
    whole.read(reading).await?;
    let whole = whole.complete()?;
    if upload.sha256.as_ref().is_some_and(|announced| *announced != whole.sha256) {
        return Err(Error::field("sha256", "mismatch", "The bytes in the store are others."));
    }
    Ok(whole)
}
