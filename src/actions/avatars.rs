//! Avatars: the pictures of people and groups. Each new one is a version of its own, and nobody else's.

use bytes::Bytes;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Context,
    attachments::{
        bounds::Bound,
        upload::{PATIENCE, claim_place},
    },
    conversations, require_member,
};
use crate::{
    domain::{
        attachment::{AttachmentKind, Rendition},
        avatar,
        clock::Time,
        conversation::{ConversationChange, OwnConversation},
        error::{Error, Result},
        ids::{BlobId, ConversationId, UserId},
        limits::Limit,
        policy,
        user::{Caller, User},
    },
    media::{
        staging::Staged,
        vault::{Manner, Reading},
        workshop::Wish,
    },
    store::{attachments, avatars, users},
};

/// A picture that comes in.
#[derive(Debug)]
pub struct Upload {
    staged: Staged,
    bound: Bound,
}

impl Upload {
    /// Takes what has come of it.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bound.check(self.staged.size() + bytes.len() as u64)?;
        self.staged.write(bytes).await
    }

    /// Lets it go, since it does not come as it should.
    pub async fn abandon(self, ctx: &Context, caller: &Caller) {
        ctx.give_back(Limit::Uploads, caller).await;
    }
}

/// Makes room for a picture of oneself of at least so many bytes; refuses before it is sent what is too large.
pub async fn begin(ctx: &Context, caller: &Caller, least: u64) -> Result<Upload> {
    let bound = Bound::of(ctx, &caller.roles, AttachmentKind::Image);
    bound.check(least)?;
    let staged = ctx.media.stage(bound.most).await?.of(caller.user_id);
    ctx.spend(Limit::Uploads, caller).await?;
    Ok(Upload { staged, bound })
}

/// Makes room for a picture of a group; refuses before it is sent those who may not change it.
pub async fn begin_of_group(ctx: &Context, caller: &Caller, id: ConversationId, least: u64) -> Result<Upload> {
    let mut db = ctx.db.acquire().await?;
    let standing = require_member(&mut db, id, caller.user_id).await?;
    policy::may_change_settings(&standing, &change_to(None))?;
    drop(db);
    begin(ctx, caller, least).await
}

/// Makes the picture that came in that of the caller.
pub async fn set_own(ctx: &Context, caller: &Caller, upload: Upload, filename: String) -> Result<User> {
    let setting = async {
        let avatar = deposit(ctx, upload, filename).await?;
        replace_own(ctx, caller, Some(avatar)).await
    };
    counted(ctx, caller, setting).await
}

/// Takes the caller's picture away.
pub async fn remove_own(ctx: &Context, caller: &Caller) -> Result<()> {
    replace_own(ctx, caller, None).await.map(drop)
}

/// Makes the picture that came in that of a group.
pub async fn set_of_group(
    ctx: &Context,
    caller: &Caller,
    id: ConversationId,
    (upload, filename): (Upload, String),
) -> Result<OwnConversation> {
    let setting = async {
        let avatar = deposit(ctx, upload, filename).await?;
        conversations::change(ctx, caller, id, change_to(Some(avatar))).await
    };
    counted(ctx, caller, setting).await
}

/// Takes a group's picture away.
pub async fn remove_of_group(ctx: &Context, caller: &Caller, id: ConversationId) -> Result<()> {
    conversations::change(ctx, caller, id, change_to(None)).await.map(drop)
}

/// One of the squares of the picture that somebody or some group has now.
pub async fn read(ctx: &Context, owner: Uuid, version: BlobId, square: Rendition) -> Result<Reading> {
    let unknown = || Error::NotFound("avatar");
    let mut db = ctx.db.acquire().await?;
    if !avatar::SIDES.map(Rendition::Thumbnail).contains(&square)
        || !avatars::is_current(&mut db, owner, version).await?
    {
        return Err(unknown());
    }
    drop(db);
    ctx.media.vault.get(version, square, None).await?.ok_or_else(unknown)
}

/// Takes somebody's picture away, as part of more.
pub(super) async fn remove(tx: &mut PgConnection, user: UserId, now: Time) -> Result<()> {
    let before = avatars::replace(tx, user, None).await?.flatten();
    exchange(tx, before, None, now).await
}

/// Keeps the picture that somebody has from now on, and lets go of the one before.
pub(super) async fn exchange(
    tx: &mut PgConnection,
    before: Option<BlobId>,
    after: Option<BlobId>,
    now: Time,
) -> Result<()> {
    if let Some(after) = after
        && !attachments::keep_blob(tx, after).await?
    {
        return Err(Error::Unavailable("The upload took too long; send it again."));
    }
    if let Some(before) = before {
        attachments::doom(tx, &[before], now).await?;
    }
    Ok(())
}

/// Takes back that an upload was counted, where nothing comes of it.
async fn counted<T>(ctx: &Context, caller: &Caller, setting: impl Future<Output = Result<T>>) -> Result<T> {
    let set = setting.await;
    if set.is_err() {
        ctx.give_back(Limit::Uploads, caller).await;
    }
    set
}

async fn replace_own(ctx: &Context, caller: &Caller, avatar: Option<BlobId>) -> Result<User> {
    let unknown = || Error::NotFound("user");
    let mut tx = ctx.db.begin().await?;
    let before = avatars::replace(&mut tx, caller.user_id, avatar).await?.ok_or_else(unknown)?;
    exchange(&mut tx, before, avatar, ctx.clock.now()).await?;
    let user = users::find(&mut *tx, caller.user_id).await?.ok_or_else(unknown)?;
    tx.commit().await?;
    Ok(user)
}

/// Makes the squares and puts them into the vault, under a name that is written down first.
async fn deposit(ctx: &Context, upload: Upload, filename: String) -> Result<BlobId> {
    let complete = upload.staged.complete()?;
    let squares = ctx.media.look(complete.again()?, &filename, Wish::Avatar).await?.finish().await?.thumbnails;
    // It took up room until now.
    drop(complete);
    let id = claim_place(ctx, ctx.clock.now() + PATIENCE).await?;
    let manner = Manner { content_type: "image/webp".to_owned(), disposition: "inline".to_owned() };
    for (side, square) in squares {
        ctx.media.vault.put_bytes(id, Rendition::Thumbnail(side), square, &manner).await?;
    }
    Ok(id)
}

fn change_to(avatar: Option<BlobId>) -> ConversationChange {
    ConversationChange { avatar: Some(avatar), ..ConversationChange::default() }
}
