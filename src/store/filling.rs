//! Filling conversations with made-up messages, for measuring what many of them cost.

use sqlx::{PgConnection, PgExecutor};

use crate::domain::{
    clock::Time,
    ids::{ConversationId, UserId},
};

/// Appends so many messages of one sender, as if they had been sent one after the other.
pub async fn append(
    db: impl PgExecutor<'_>,
    conversation: ConversationId,
    sender: UserId,
    count: i64,
    (body, now): (&str, Time),
) -> sqlx::Result<()> {
    sqlx::query!(
        "with head as (
             update conversations
             set head_seq = head_seq + $3, message_no = message_no + $3, active_at = $5
             where id = $1
             returning head_seq - $3 as seq, message_no - $3 as no)
         insert into messages (conversation_id, seq, changed_seq, id, no, sender_id, kind, body, fingerprint, created_at)
         select $1, head.seq + place, head.seq + place,
                -- Ascending, as ids are that clients make one after the other.
                (lpad(to_hex(head.seq + place), 12, '0') || '70008' || substr(md5(place::text), 1, 15))::uuid,
                head.no + place, $2, 'text', $4, uuid_send(gen_random_uuid()), $5
         from head, generate_series(1, $3::bigint) place",
        conversation.0,
        sender.0,
        count,
        body,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Has the index pass over all that is there, so that it is not at work on it while something else is measured; and over what
/// comes after it in the same conversations, up to a place, where one is given.
pub async fn count_as_indexed(db: impl PgExecutor<'_>, up_to: Option<i64>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into search_progress (conversation_id, indexed_seq)
         select id, coalesce($1, head_seq)
         from conversations
         on conflict (conversation_id) do update set indexed_seq = excluded.indexed_seq",
        up_to,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A message that somebody might have sent.
#[derive(Clone, Debug)]
pub struct MadeUp {
    /// Where.
    pub conversation_id: ConversationId,
    /// By whom.
    pub sender_id: UserId,
    /// The words.
    pub body: String,
    /// When.
    pub created_at: Time,
}

/// Appends messages to their conversations, one after the other by their times.
pub async fn say(db: &mut PgConnection, messages: &[MadeUp]) -> sqlx::Result<()> {
    sqlx::query!(
        "with new as materialized (
             select conversation_id, sender_id, body, created_at,
                    row_number() over (partition by conversation_id order by created_at) as place
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
                  as new(conversation_id, sender_id, body, created_at)),
         head as (
             update conversations
             set head_seq = head_seq + more.count, message_no = message_no + more.count, active_at = more.latest
             from (select conversation_id, count(*) as count, max(created_at) as latest
                   from new
                   group by conversation_id) as more
             where id = more.conversation_id
             returning id, head_seq - more.count as seq, message_no - more.count as no)
         insert into messages (conversation_id, seq, changed_seq, id, no, sender_id, kind, body, fingerprint, created_at)
         select head.id, head.seq + place, head.seq + place, gen_random_uuid(), head.no + place, sender_id, 'text', body,
                uuid_send(gen_random_uuid()), created_at
         from new
         join head on head.id = new.conversation_id
         order by created_at",
        &messages.iter().map(|message| message.conversation_id.0).collect::<Vec<_>>(),
        &messages.iter().map(|message| message.sender_id.0).collect::<Vec<_>>(),
        &messages.iter().map(|message| message.body.clone()).collect::<Vec<_>>(),
        &messages.iter().map(|message| message.created_at).collect::<Vec<_>>(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Tidies up after much was written, as PostgreSQL does by itself in time.
pub async fn settle(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("vacuum (analyze) messages, search_entries").execute(&mut *db).await?;
    sqlx::query!("checkpoint").execute(db).await?;
    Ok(())
}
