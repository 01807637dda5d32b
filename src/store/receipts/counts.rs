//! Receipts and unread messages in numbers.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    ids::{ConversationId, UserId},
    receipt::{ReceiptCount, ReceiptCounts, Unread},
};

/// Places of the log, from its end, among which messages are looked for whose receipts are counted.
const COUNTED: i64 = 20;

/// One's exact unread counts, of those conversations that have any.
pub async fn unread(db: &mut PgConnection, user: UserId, now: Time) -> sqlx::Result<Vec<Unread>> {
    sqlx::query_as!(
        Unread,
        r#"
        select conversation_id as "conversation_id!: ConversationId", unread as "unread!", mentions as "mentions!"
        from own_conversations($2)
        where user_id = $1 and unread > 0
        "#,
        user.0,
        now,
    )
    .fetch_all(db)
    .await
}

/// The unread counts of many people, each in one of their conversations, with the person's total over all of them.
pub async fn unread_of_many(
    db: &mut PgConnection,
    people: &[(UserId, ConversationId)],
    now: Time,
) -> sqlx::Result<Vec<(UserId, Unread, i64)>> {
    let (users, conversations): (Vec<_>, Vec<_>) = people.iter().map(|(user, id)| (user.0, id.0)).unzip();
    let rows = sqlx::query!(
        r#"
        with wanted as materialized (
            select user_id, conversation_id
            from unnest($1::uuid[], $2::uuid[]) as wanted(user_id, conversation_id)),
        totals as (
            select user_id, sum(unread)::bigint as total
            from own_conversations($3)
            where user_id in (select user_id from wanted)
            group by user_id)
        select own.user_id as "user_id!: UserId",
               own.conversation_id as "conversation_id!: ConversationId",
               own.unread as "unread!",
               own.mentions as "mentions!",
               totals.total as "total!"
        from wanted
        join own_conversations($3) own on own.user_id = wanted.user_id and own.conversation_id = wanted.conversation_id
        join totals on totals.user_id = wanted.user_id
        "#,
        &users,
        &conversations,
        now,
    )
    .fetch_all(db)
    .await?;
    let count = |conversation_id, unread, mentions| Unread { conversation_id, unread, mentions };
    Ok(rows
        .into_iter()
        .map(|row| (row.user_id, count(row.conversation_id, row.unread, row.mentions), row.total))
        .collect())
}

/// How many of the others have come how far with the newest messages of these conversations, of those with more than `most` members.
pub async fn of_large(
    db: &mut PgConnection,
    conversations: &[ConversationId],
    most: usize,
) -> sqlx::Result<Vec<ReceiptCounts>> {
    let rows = sqlx::query!(
        r#"
        select conversation.id as "id!: ConversationId",
               conversation.member_count as "member_count!",
               counted.seq as "seq!",
               counted.delivered as "delivered!",
               counted.read as "read!"
        from conversations conversation
        cross join lateral (
            with cursors as materialized (
                select delivered_seq, read_seq, count(*) as people
                from members
                where conversation_id = conversation.id and left_at is null
                group by delivered_seq, read_seq)
            select newest.seq,
                   sum(cursors.people) filter (where cursors.delivered_seq >= newest.seq)::bigint - newest.own as delivered,
                   sum(cursors.people) filter (where cursors.read_seq >= newest.seq)::bigint - newest.own as read
            from (select message.seq, message.kind, message.deleted_at,
                         (select count(*)
                          from members sender
                          where sender.conversation_id = conversation.id and sender.user_id = message.sender_id
                            and sender.left_at is null and sender.read_seq >= message.seq) as own
                  from messages message
                  where message.conversation_id = conversation.id
                  order by message.seq desc
                  limit $3) as newest
            cross join cursors
            where newest.kind <> 'system' and newest.deleted_at is null
            group by newest.seq, newest.own) as counted
        where conversation.id = any($1) and conversation.member_count > $2
        order by conversation.id, counted.seq
        "#,
        conversations as &[ConversationId],
        most as i32,
        COUNTED,
    )
    .fetch_all(db)
    .await?;
    let mut counts: Vec<ReceiptCounts> = Vec::new();
    for row in rows {
        let count = ReceiptCount { seq: row.seq, delivered: row.delivered, read: row.read };
        match counts.last_mut().filter(|last| last.conversation_id == row.id) {
            Some(last) => last.counts.push(count),
            None => counts.push(ReceiptCounts {
                conversation_id: row.id,
                participant_count: row.member_count,
                counts: vec![count],
            }),
        }
    }
    Ok(counts)
}
