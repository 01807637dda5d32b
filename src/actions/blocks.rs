//! Whom the caller does not want to hear from. Nobody else learns of it.

use super::Context;
use crate::{
    domain::{
        clock::{Time, from_micros},
        error::{Error, Result},
        event::Event,
        ids::UserId,
        limits::Limit,
        own::OwnMatter,
        page::Page,
        user::{Block, Caller},
    },
    store::{
        blocks as rows,
        personal::{self, Entry},
        users,
    },
};

/// Whom the caller blocks, newest first.
pub async fn list(ctx: &Context, caller: &Caller, cursor: Option<&str>, limit: usize) -> Result<Page<Block>> {
    let before = cursor.map(read_cursor).transpose()?;
    let blocks = rows::list(&ctx.db, caller.user_id, before, limit + 1).await?;
    Ok(Page::cut(blocks, limit, |block| format!("{}.{}", block.created_at.timestamp_micros(), block.profile.id)))
}

/// Blocks somebody.
pub async fn add(ctx: &Context, caller: &Caller, blocked: UserId) -> Result<Block> {
    if blocked == caller.user_id {
        return Err(Error::field("user_id", "oneself", "Nobody can block themselves."));
    }
    let mut tx = ctx.db.begin().await?;
    if users::find(&mut *tx, blocked).await?.is_none() {
        return Err(Error::NotFound("user"));
    }
    let is_new = rows::insert(&mut *tx, caller.user_id, blocked, ctx.clock.now()).await?;
    let block = rows::find(&mut *tx, caller.user_id, blocked).await?.ok_or(Error::NotFound("user"))?;
    if is_new {
        ctx.spend(Limit::Changes, caller).await?;
        let place = personal::log(&mut tx, caller.user_id, Entry::block(blocked)).await?;
        ctx.commit(tx, vec![Event::Own(place.of(OwnMatter::Blocked(blocked)))]).await?;
    }
    Ok(block)
}

/// Blocks somebody no more.
pub async fn remove(ctx: &Context, caller: &Caller, blocked: UserId) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    if rows::delete(&mut *tx, caller.user_id, blocked).await? {
        ctx.spend(Limit::Changes, caller).await?;
        let place = personal::log(&mut tx, caller.user_id, Entry::block(blocked)).await?;
        ctx.commit(tx, vec![Event::Own(place.of(OwnMatter::Unblocked(blocked)))]).await?;
    }
    Ok(())
}

fn read_cursor(cursor: &str) -> Result<(Time, UserId)> {
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((from_micros(at)?, id.parse().ok()?)));
    parts.ok_or(Error::Malformed("The cursor is not one of ours."))
}
