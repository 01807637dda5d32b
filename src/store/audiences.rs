//! Who may hear, see or reach whom.

use std::time::Duration;

use sqlx::PgConnection;

use super::blocks;
use crate::domain::{
    ids::{ConversationId, UserId},
    presence::Onlookers,
};

/// The other one of a direct conversation, as far as it matters to who speaks there.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What they are in the application.
    pub roles: Vec<String>,
    /// Whether one of the two blocks the other.
    pub is_blocked: bool,
}

/// The other one of a direct conversation.
pub async fn peer(db: &mut PgConnection, conversation: ConversationId, user: UserId) -> sqlx::Result<Option<Peer>> {
    sqlx::query_as!(
        Peer,
        r#"
        select person.roles,
               exists (
                   select from blocks
                   where (blocks.user_id, blocks.blocked_id) in ((peer.user_id, $2), ($2, peer.user_id))
               ) as "is_blocked!"
        from members peer
        join users person on person.id = peer.user_id
        where peer.conversation_id = $1 and peer.user_id <> $2
        "#,
        conversation.0,
        user.0,
    )
    .fetch_optional(db)
    .await
}

/// What the people in a conversation are in the application, each combination of roles once.
pub async fn roles(db: &mut PgConnection, conversation: ConversationId) -> sqlx::Result<Vec<Vec<String>>> {
    sqlx::query_scalar!(
        "select distinct person.roles
         from members member
         join users person on person.id = member.user_id
         where member.conversation_id = $1 and member.left_at is null",
        conversation.0,
    )
    .fetch_all(db)
    .await
}

/// Where a person is a member: what their sockets subscribe to.
pub async fn memberships(db: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<(ConversationId, i64, i64)>> {
    let rows = sqlx::query!(
        r#"
        select member.conversation_id as "id: ConversationId", member.floor_seq, conversation.head_seq
        from members member
        join conversations conversation on conversation.id = member.conversation_id
        where member.user_id = $1 and member.left_at is null
        "#,
        user.0,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.floor_seq, row.head_seq)).collect())
}

/// Who was admitted to which conversation, not longer ago than this, but so long ago that they should have been told.
pub async fn admitted_lately(db: &mut PgConnection, within: Duration) -> sqlx::Result<Vec<(ConversationId, UserId)>> {
    let rows = sqlx::query!(
        r#"
        select conversation_id as "conversation_id: ConversationId", user_id as "user_id: UserId"
        from members
        where left_at is null
          and admitted_at between now() - make_interval(secs => $1) and now() - interval '2 seconds'
        "#,
        within.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id, row.user_id)).collect())
}

/// The groups that a person is in.
pub async fn groups(db: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<ConversationId>> {
    sqlx::query_scalar!(
        r#"
        select conversation.id as "id: ConversationId"
        from members member
        join conversations conversation on conversation.id = member.conversation_id
        where member.user_id = $1 and member.left_at is null and conversation.kind = 'group'
        order by conversation.id
        "#,
        user.0,
    )
    .fetch_all(db)
    .await
}

/// Which of these people share a conversation with somebody, and are not blocked either way.
pub async fn visible_to(db: &mut PgConnection, viewer: UserId, users: &[UserId]) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        select wanted.id as "id!: UserId"
        from unnest($2::uuid[]) as wanted(id)
        where (wanted.id = $1
               or exists (
                   select from members mine
                   join members theirs on theirs.conversation_id = mine.conversation_id
                   where mine.user_id = $1 and mine.left_at is null
                     and theirs.user_id = wanted.id and theirs.left_at is null))
          and not exists (
              select from blocks
              where (user_id, blocked_id) in (($1, wanted.id), (wanted.id, $1)))
        "#,
        viewer.0,
        users as &[UserId],
    )
    .fetch_all(db)
    .await
}

/// Who is in a conversation and not blocked, either way, by the one who asks; the first thousand.
pub async fn ids(db: &mut PgConnection, conversation: ConversationId, asker: UserId) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        select user_id as "user_id: UserId"
        from members
        where conversation_id = $1 and left_at is null
          and not exists (
              select from blocks
              where (blocks.user_id, blocks.blocked_id) in (($2, members.user_id), (members.user_id, $2)))
        order by joined_at, user_id
        limit 1000
        "#,
        conversation.0,
        asker.0,
    )
    .fetch_all(db)
    .await
}

/// Who is in which of these conversations, of those with up to `most` members.
pub async fn of_small(
    db: &mut PgConnection,
    conversations: &[ConversationId],
    most: usize,
) -> sqlx::Result<Vec<(ConversationId, UserId)>> {
    let rows = sqlx::query!(
        r#"
        select member.conversation_id as "conversation_id: ConversationId", member.user_id as "user_id: UserId"
        from conversations conversation
        join members member on member.conversation_id = conversation.id
        where conversation.id = any($1) and conversation.member_count <= $2 and member.left_at is null
        "#,
        conversations as &[ConversationId],
        most as i32,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id, row.user_id)).collect())
}

/// To whom a person's presence is shown: in all of their conversations, but not across a block, whosever it is.
pub async fn onlookers(db: &mut PgConnection, user: UserId) -> sqlx::Result<Onlookers> {
    let conversation_ids = sqlx::query_scalar!(
        r#"select conversation_id as "id: ConversationId" from members where user_id = $1 and left_at is null"#,
        user.0,
    )
    .fetch_all(&mut *db)
    .await?;
    let hidden_from = blocks::around(db, user).await?;
    Ok(Onlookers { conversation_ids, hidden_from })
}
