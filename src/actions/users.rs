//! People: one's own profile, finding others, and whom one may talk to.

use sqlx::PgConnection;

use super::Context;
use crate::{
    domain::{
        error::{Error, Result},
        ids::UserId,
        limits::{self, Limit},
        page::Page,
        policy::rules::Reach,
        user::{Caller, Profile, ProfileChange, User},
    },
    store::{
        contacts::{self, Needle},
        users as rows,
    },
};

/// Characters of what people are searched for by.
const QUERY_CHARACTERS: usize = 64;

/// The caller, with what only they see.
pub async fn me(ctx: &Context, caller: &Caller) -> Result<User> {
    rows::find(&ctx.db, caller.user_id).await?.ok_or(Error::NotFound("user"))
}

/// Changes the caller's profile.
pub async fn update(ctx: &Context, caller: &Caller, change: ProfileChange) -> Result<User> {
    change.check()?;
    ctx.spend(Limit::Changes, caller).await?;
    let change = change.redacted(&ctx.rulebook.rules().redaction);
    rows::update(&ctx.db, caller.user_id, &change).await?.ok_or(Error::NotFound("user"))
}

/// Somebody, as others see them; deleted people too, since what they said is still there.
pub async fn profile(ctx: &Context, id: UserId) -> Result<Profile> {
    rows::profiles(&ctx.db, &[id]).await?.pop().ok_or(Error::NotFound("user"))
}

/// Whom the caller may talk to directly, by name.
pub async fn contacts(ctx: &Context, caller: &Caller, cursor: Option<&str>, limit: usize) -> Result<Page<Profile>> {
    let after = cursor.map(read_place).transpose()?;
    let reach = reach(ctx, &mut *ctx.db.acquire().await?, caller).await?;
    let after = after.as_ref().map(|(name, id)| (name.as_str(), *id));
    let people = contacts::list(&ctx.db, (caller.user_id, &reach), after, limit + 1).await?;
    Ok(Page::cut(people, limit, |person| format!("{}.{}", person.id, person.display_name)))
}

/// Those whom the caller may talk to directly whose name begins like this or looks like it, best first.
pub async fn search(
    ctx: &Context,
    caller: &Caller,
    query: &str,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Profile>> {
    let query = query.trim();
    if !(1..=QUERY_CHARACTERS).contains(&query.chars().count()) {
        return Err(Error::field("q", "invalid_query", format!("1 to {QUERY_CHARACTERS} characters.")));
    }
    let after = cursor.map(read_cursor).transpose()?;
    ctx.spend(Limit::Searches, caller).await?;
    let mut tx = ctx.db.begin().await?;
    let reach = reach(ctx, &mut tx, caller).await?;
    let found = contacts::search(&mut tx, (caller.user_id, &reach), &Needle::new(query), after, limit + 1).await?;
    let page = Page::cut(found, limit, |found| format!("{}.{}", found.rank, found.profile.id));
    Ok(page.map(|found| found.profile))
}

/// People by the host application's ids; who is not there is left out.
pub async fn by_external_ids(
    ctx: &Context,
    ids: &[String],
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Profile>> {
    if ids.len() > limits::LOOKED_UP_AT_ONCE {
        let says = format!("At most {} ids.", limits::LOOKED_UP_AT_ONCE);
        return Err(Error::field("external_id", "invalid_ids", says));
    }
    let after = cursor.map(str::parse::<UserId>).transpose();
    let after = after.map_err(|_| Error::Malformed("The cursor is not one that was given out."))?;
    let mut found = rows::profiles_by_external_id(&ctx.db, ids).await?;
    found.retain(|person| after.is_none_or(|after| after < person.id));
    found.sort_unstable_by_key(|person| person.id);
    Ok(Page::cut(found, limit, |person| person.id.to_string()))
}

/// Whom the caller may talk to directly, by what they are now.
async fn reach(ctx: &Context, db: &mut PgConnection, caller: &Caller) -> Result<Reach> {
    let roles = rows::roles(db, &[caller.user_id]).await?.pop().map(|(_, roles)| roles).unwrap_or_default();
    Ok(ctx.rulebook.rules().reach(&roles))
}

fn read_place(cursor: &str) -> Result<(String, UserId)> {
    let parts = cursor.split_once('.').and_then(|(id, name)| Some((name.to_owned(), id.parse().ok()?)));
    parts.ok_or(Error::Malformed("The cursor is not one of ours."))
}

fn read_cursor(cursor: &str) -> Result<(i32, UserId)> {
    let parts = cursor.split_once('.').and_then(|(rank, id)| Some((rank.parse().ok()?, id.parse().ok()?)));
    parts.ok_or(Error::Malformed("The cursor is not one of ours."))
}
