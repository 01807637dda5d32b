//! People: one's own profile, and finding others.

use super::Context;
use crate::{
    domain::{
        error::{Error, Result},
        ids::UserId,
        limits,
        page::Page,
        user::{Caller, Profile, ProfileChange, User},
    },
    store::users::{self as rows, Needle},
};

/// Characters of what people are searched for by.
const QUERY_CHARACTERS: usize = 64;

/// The caller, with what only they see.
pub async fn me(ctx: &Context, caller: &Caller) -> Result<User> {
    rows::find(&ctx.db, caller.user_id).await?.ok_or(Error::NotFound("user"))
}

/// Changes the caller's profile.
pub async fn update(ctx: &Context, caller: &Caller, change: &ProfileChange) -> Result<User> {
    change.check()?;
    rows::update(&ctx.db, caller.user_id, change).await?.ok_or(Error::NotFound("user"))
}

/// Somebody, as others see them; deleted people too, since what they said is still there.
pub async fn profile(ctx: &Context, id: UserId) -> Result<Profile> {
    rows::profiles(&ctx.db, &[id]).await?.pop().ok_or(Error::NotFound("user"))
}

/// People whose name begins like this or looks like it, best first.
pub async fn search(ctx: &Context, query: &str, cursor: Option<&str>, limit: usize) -> Result<Page<Profile>> {
    let query = query.trim();
    if !(1..=QUERY_CHARACTERS).contains(&query.chars().count()) {
        return Err(Error::field("q", "invalid_query", format!("1 to {QUERY_CHARACTERS} characters.")));
    }
    let after = cursor.map(read_cursor).transpose()?;
    let mut tx = ctx.db.begin().await?;
    let found = rows::search(&mut tx, &Needle::new(query), after, limit + 1).await?;
    let page = Page::cut(found, limit, |found| format!("{}.{}", found.rank, found.profile.id));
    Ok(page.map(|found| found.profile))
}

/// People by the host application's ids; who is not there is left out.
pub async fn by_external_ids(ctx: &Context, ids: &[String]) -> Result<Vec<Profile>> {
    if ids.len() > limits::LOOKED_UP_AT_ONCE {
        let says = format!("At most {} ids.", limits::LOOKED_UP_AT_ONCE);
        return Err(Error::field("external_id", "invalid_ids", says));
    }
    Ok(rows::profiles_by_external_id(&ctx.db, ids).await?)
}

fn read_cursor(cursor: &str) -> Result<(i32, UserId)> {
    let parts = cursor.split_once('.').and_then(|(rank, id)| Some((rank.parse().ok()?, id.parse().ok()?)));
    parts.ok_or(Error::Malformed("The cursor is not one of ours."))
}
