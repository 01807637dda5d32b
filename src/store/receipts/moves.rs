//! Moves of cursors: those of many people in one statement.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    ids::{ConversationId, UserId},
    receipt::Receipt,
};

/// A member whose cursors may move.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// The log's head.
    pub head_seq: i64,
    /// How many members there are.
    pub member_count: i32,
    /// Where they stand; nothing where somebody else holds their row.
    pub receipt: Option<Receipt>,
}

/// Holds the rows of these people until the transaction ends, but for those that others hold: waits for nobody. Those
/// who are not members are absent from the answer.
pub async fn hold(db: &mut PgConnection, people: &[(ConversationId, UserId)]) -> sqlx::Result<Vec<Place>> {
    let (conversations, users): (Vec<_>, Vec<_>) = people.iter().map(|(id, user)| (id.0, user.0)).unzip();
    let rows = sqlx::query!(
        r#"
        with wanted as materialized (
            select conversation_id, user_id
            from unnest($1::uuid[], $2::uuid[]) as wanted(conversation_id, user_id)),
        held as materialized (
            select member.conversation_id, member.user_id,
                   member.delivered_seq, member.delivered_at, member.read_seq, member.read_at
            from wanted
            join members member
              on member.conversation_id = wanted.conversation_id and member.user_id = wanted.user_id
            where member.left_at is null
            for no key update of member skip locked)
        select member.conversation_id as "conversation_id!: ConversationId",
               member.user_id as "user_id!: UserId",
               conversation.head_seq as "head_seq!",
               conversation.member_count as "member_count!",
               held.delivered_seq as "delivered_seq?",
               held.delivered_at as "delivered_at?",
               held.read_seq as "read_seq?",
               held.read_at as "read_at?"
        from wanted
        join members member on member.conversation_id = wanted.conversation_id and member.user_id = wanted.user_id
        join conversations conversation on conversation.id = wanted.conversation_id
        left join held on held.conversation_id = wanted.conversation_id and held.user_id = wanted.user_id
        where member.left_at is null
        "#,
        &conversations,
        &users,
    )
    .fetch_all(db)
    .await?;
    let places = rows.into_iter().map(|row| {
        let receipt = row.delivered_seq.zip(row.read_seq).map(|(delivered_seq, read_seq)| Receipt {
            user_id: row.user_id,
            delivered_seq,
            delivered_at: row.delivered_at,
            read_seq,
            read_at: row.read_at,
        });
        Place {
            conversation_id: row.conversation_id,
            user_id: row.user_id,
            head_seq: row.head_seq,
            member_count: row.member_count,
            receipt,
        }
    });
    Ok(places.collect())
}

/// Where one member comes to stand.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// Up to where it reached a device now.
    pub delivered_seq: i64,
    /// Up to where they have read now.
    pub read_seq: i64,
}

/// Moves cursors forward, never back, and leaves the marks that tell when.
pub async fn advance(db: &mut PgConnection, steps: &[Step], now: Time) -> sqlx::Result<()> {
    sqlx::query!(
        "with step as materialized (
             select step.conversation_id, step.user_id,
                    greatest(step.delivered_seq, member.delivered_seq) as delivered_seq,
                    greatest(step.read_seq, member.read_seq) as read_seq,
                    step.delivered_seq > member.delivered_seq as is_delivered,
                    step.read_seq > member.read_seq as is_read
             from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
                  as step(conversation_id, user_id, delivered_seq, read_seq)
             join members member on member.conversation_id = step.conversation_id and member.user_id = step.user_id),
         marked as (
             insert into receipt_marks (conversation_id, user_id, kind, seq, at)
             select conversation_id, user_id, 'read', read_seq, $5::timestamptz
             from step
             where is_read
             union all
             select conversation_id, user_id, 'delivered', delivered_seq, $5::timestamptz
             from step
             where is_delivered and (delivered_seq > read_seq or not is_read)
             on conflict do nothing)
         update members member
         set delivered_seq = step.delivered_seq,
             delivered_at = case when step.is_delivered then $5 else member.delivered_at end,
             read_seq = step.read_seq,
             read_at = case when step.is_read then $5 else member.read_at end,
             read_no = case when step.is_read
                       then coalesce((select no from messages
                                      where conversation_id = step.conversation_id and seq <= step.read_seq
                                      order by seq desc
                                      limit 1), 0)
                       else member.read_no end,
             moved_at = clock_timestamp()
         from step
         where member.conversation_id = step.conversation_id and member.user_id = step.user_id",
        &steps.iter().map(|step| step.conversation_id.0).collect::<Vec<_>>(),
        &steps.iter().map(|step| step.user_id.0).collect::<Vec<_>>(),
        &steps.iter().map(|step| step.delivered_seq).collect::<Vec<_>>(),
        &steps.iter().map(|step| step.read_seq).collect::<Vec<_>>(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
