//! Pages that messages link to and that are still to be looked at.

use sqlx::PgConnection;

use crate::domain::{clock::Time, ids::ConversationId};

/// A page that somebody goes to look at.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// Where the message is that links to it.
    pub conversation_id: ConversationId,
    /// Its place.
    pub message_seq: i64,
    /// How many have gone, this time included.
    pub attempts: i32,
}

/// Writes down that the pages that these messages link to are to be looked at.
pub async fn visit(db: &mut PgConnection, messages: &[(ConversationId, i64)], now: Time) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into link_visits (conversation_id, message_seq, due_at)
         select conversation_id, message_seq, $3
         from unnest($1::uuid[], $2::bigint[]) as linking(conversation_id, message_seq)
         on conflict (conversation_id, message_seq) do update set due_at = excluded.due_at, attempts = 0",
        &messages.iter().map(|(conversation, _)| conversation.0).collect::<Vec<_>>(),
        &messages.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes on some visits that are due, until a time at which others may.
pub async fn claim_visits(db: &mut PgConnection, now: Time, until: Time, limit: usize) -> sqlx::Result<Vec<Visit>> {
    sqlx::query_as!(
        Visit,
        r#"
        update link_visits
        set due_at = $2, attempts = attempts + 1
        where (conversation_id, message_seq) in (
            select conversation_id, message_seq
            from link_visits
            where due_at <= $1
            order by due_at
            limit $3
            for update skip locked)
        returning conversation_id as "conversation_id: ConversationId", message_seq, attempts
        "#,
        now,
        until,
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// Ends a visit; false where it has ended already.
pub async fn end_visit(db: &mut PgConnection, visit: &Visit) -> sqlx::Result<bool> {
    let ended = sqlx::query!(
        "delete from link_visits where conversation_id = $1 and message_seq = $2",
        visit.conversation_id.0,
        visit.message_seq,
    )
    .execute(db)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// When the next visit is due.
pub async fn next_visit(db: &mut PgConnection) -> sqlx::Result<Option<Time>> {
    sqlx::query_scalar!("select due_at from link_visits order by due_at limit 1").fetch_optional(db).await
}
