//! Who chose which emoji for which message.

use sqlx::{PgConnection, types::Json};

use crate::domain::{
    ids::{ConversationId, UserId},
    limits,
    message::Message,
    reaction::Emoji,
};

/// One emoji under one message.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where.
    pub conversation_id: ConversationId,
    /// Where the message was born.
    pub message_seq: i64,
    /// Which.
    pub emoji: &'a Emoji,
}

/// Writes that somebody chose it, at this place of the log; false where they had.
pub async fn insert(db: &mut PgConnection, place: Place<'_>, user: UserId, seq: i64) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into reactions (conversation_id, message_seq, emoji, user_id, seq)
         values ($1, $2, $3, $4, $5)
         on conflict do nothing",
        place.conversation_id.0,
        place.message_seq,
        place.emoji.as_str(),
        user.0,
        seq,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes somebody's choice back; false where there was none.
pub async fn delete(db: &mut PgConnection, place: Place<'_>, user: UserId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "delete from reactions
         where conversation_id = $1 and message_seq = $2 and emoji = $3 and user_id = $4",
        place.conversation_id.0,
        place.message_seq,
        place.emoji.as_str(),
        user.0,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Who chose it first.
pub async fn first(db: &mut PgConnection, place: Place<'_>) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        select user_id as "user_id: UserId"
        from reactions
        where conversation_id = $1 and message_seq = $2 and emoji = $3
        order by seq
        limit $4
        "#,
        place.conversation_id.0,
        place.message_seq,
        place.emoji.as_str(),
        limits::REACTION_USERS as i64,
    )
    .fetch_all(db)
    .await
}

/// Writes the sum of a message's reactions into it.
pub async fn sum_up(db: &mut PgConnection, message: &Message) -> sqlx::Result<()> {
    sqlx::query!(
        "update messages
         set reactions = nullif($3::jsonb, '[]'), changed_seq = $4
         where conversation_id = $1 and seq = $2",
        message.conversation_id.0,
        message.seq,
        Json(&message.reactions) as _,
        message.changed_seq,
    )
    .execute(db)
    .await?;
    Ok(())
}
