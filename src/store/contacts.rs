//! Whom somebody may find, and talk to.

use sqlx::{PgConnection, PgExecutor};

use crate::domain::{
    ids::{BlobId, UserId},
    policy::rules::Reach,
    user::Profile,
};

/// What people are searched for by.
#[derive(Clone, Debug)]
pub struct Needle {
    alike: Option<String>,
    from_start: String,
    from_word: String,
}

/// Somebody found; the higher the rank, the better the fit.
#[derive(Clone, Debug)]
pub struct Found {
    /// Two million and more for a name that begins with what was looked for.
    pub rank: i32,
    /// Who.
    pub profile: Profile,
}

impl Needle {
    /// Looks for people whose name, or a word of it, begins like this or looks like it.
    pub fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        let mut escaped = String::with_capacity(text.len());
        for sign in text.chars() {
            if matches!(sign, '%' | '_' | '\\') {
                escaped.push('\\');
            }
            escaped.push(sign);
        }
        // Nearly everybody looks like one or two letters.
        let alike = (text.chars().count() > 2).then_some(text);
        Self { alike, from_start: format!("{escaped}%"), from_word: format!("% {escaped}%") }
    }
}

/// Whom somebody may talk to directly and does not block, by name, from after the place `after`.
pub async fn list(
    db: impl PgExecutor<'_>,
    (user, reach): (UserId, &Reach),
    after: Option<(&str, UserId)>,
    limit: usize,
) -> sqlx::Result<Vec<Profile>> {
    let (after_name, after_id) = after.unzip();
    sqlx::query_as!(
        Profile,
        r#"
        select id as "id: UserId", external_id, username, display_name, avatar_id as "avatar: BlobId", metadata, roles,
               created_at
        from users
        where deleted_at is null and id <> $1
          and ($2::text[] is null or roles && $2)
          and not exists (select from blocks where blocks.user_id = $1 and blocks.blocked_id = users.id)
          and ($3::text is null or (lower(display_name), id) > (lower($3), $4::uuid))
        order by lower(display_name), id
        limit $5
        "#,
        user.0,
        reach.roles(),
        after_name,
        after_id.map(|id| id.0),
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// People whose name fits, best first, from after the place `after`. Its threshold lasts until the transaction ends.
pub async fn search(
    tx: &mut PgConnection,
    (user, reach): (UserId, &Reach),
    needle: &Needle,
    after: Option<(i32, UserId)>,
    limit: usize,
) -> sqlx::Result<Vec<Found>> {
    // The default of 0.6 finds nobody whose name is misspelt in the middle.
    sqlx::query!("set local pg_trgm.word_similarity_threshold = 0.3").execute(&mut *tx).await?;
    let (after_rank, after_id) = after.unzip();
    let rows = sqlx::query!(
        r#"
        with hits as (
            select id, external_id, username, display_name, avatar_id, metadata, roles, created_at,
                   coalesce((word_similarity($1, names) * 1000000)::integer, 0)
                       + case when names like $2 or names like $3 then 2000000 else 0 end as rank
            from users
            cross join lateral (select lower(coalesce(username, '') || ' ' || display_name) as names) as named
            -- Spelt out, as the index has it.
            where deleted_at is null
              and ($7::text[] is null or roles && $7 or id = $8)
              and ($1 <% lower(coalesce(username, '') || ' ' || display_name)
                   or lower(coalesce(username, '') || ' ' || display_name) like $2
                   or lower(coalesce(username, '') || ' ' || display_name) like $3))
        select id as "id!: UserId", external_id, username, display_name as "display_name!",
               avatar_id as "avatar: BlobId", metadata as "metadata!",
               roles as "roles!", created_at as "created_at!", rank as "rank!"
        from hits
        where $4::integer is null or rank < $4 or rank = $4 and id > $5::uuid
        order by rank desc, id
        limit $6
        "#,
        needle.alike,
        needle.from_start,
        needle.from_word,
        after_rank,
        after_id.map(|id| id.0),
        limit as i64,
        reach.roles(),
        user.0,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| Found { rank: row.rank, profile: profile!(row.id, row) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_like_are_looked_for_and_not_obeyed() {
        let needle = Needle::new(r"50%_\O");

        assert_eq!(needle.from_start, r"50\%\_\\o%");
        assert_eq!(needle.from_word, r"% 50\%\_\\o%");
        assert_eq!(needle.alike.as_deref(), Some(r"50%_\o"));
        assert_eq!(Needle::new("bo").alike, None);
    }
}
