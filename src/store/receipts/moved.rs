//! Cursors that moved lately.

use std::time::Duration;

use sqlx::PgConnection;

use crate::domain::{
    ids::{ConversationId, UserId},
    receipt::Receipt,
};

/// One whose cursor moved.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Where.
    pub conversation_id: ConversationId,
    /// How far the log goes.
    pub head_seq: i64,
    /// Whether there are more members than are told of one another's receipts.
    pub is_large: bool,
    /// Where they stand.
    pub receipt: Receipt,
    /// Whether they have read so far by saying something themselves.
    pub has_said: bool,
}

/// Selects members whose cursors moved within so many seconds (`$2`), by the database's clock alone, which has stamped the moves.
/// What is given says among whom they are looked for; a conversation is large above `$3` members.
macro_rules! select_moved {
    ($moved:tt, $conversations:expr, $within:expr, $most:expr $(, $argument:expr)*) => {
        sqlx::query!(
            r#"
            select conversation.id as "conversation_id: ConversationId",
                   conversation.head_seq,
                   conversation.member_count > $3 as "is_large!",
                   moved.user_id as "user_id: UserId",
                   moved.delivered_seq,
                   moved.delivered_at,
                   moved.read_seq,
                   moved.read_at,
                   exists (
                       select
                       from messages said
                       where said.conversation_id = conversation.id and said.seq = moved.read_seq
                         and said.sender_id = moved.user_id) as "has_said!"
            from unnest((select $1::uuid[])) as wanted(id)
            join conversations conversation on conversation.id = wanted.id
            "# + $moved,
            $conversations as &[ConversationId],
            $within.as_secs_f64(),
            $most as i32
            $(, $argument)*
        )
        .map(|row| Moved {
            conversation_id: row.conversation_id,
            head_seq: row.head_seq,
            is_large: row.is_large,
            receipt: Receipt {
                user_id: row.user_id,
                delivered_seq: row.delivered_seq,
                delivered_at: row.delivered_at,
                read_seq: row.read_seq,
                read_at: row.read_at,
            },
            has_said: row.has_said,
        })
    };
}

/// Whose cursors moved in some conversations; of one with more than `most` members, a single one of them, if there is any.
pub async fn within(
    db: &mut PgConnection,
    conversations: &[ConversationId],
    within: Duration,
    most: usize,
) -> sqlx::Result<Vec<Moved>> {
    select_moved!(
        r#"
        cross join lateral (
            select member.user_id, member.delivered_seq, member.delivered_at, member.read_seq, member.read_at
            from members member
            where member.conversation_id = conversation.id and member.left_at is null
              and member.moved_at >= statement_timestamp() - make_interval(secs => $2)
            limit case when conversation.member_count > $3 then 1 else $3 end) as moved
        "#,
        conversations,
        within,
        most
    )
    .fetch_all(db)
    .await
}

/// Who of these people has moved a cursor in these conversations.
pub async fn of_people_within(
    db: &mut PgConnection,
    conversations: &[ConversationId],
    people: &[UserId],
    within: Duration,
    most: usize,
) -> sqlx::Result<Vec<Moved>> {
    select_moved!(
        r#"
        cross join unnest((select $4::uuid[])) as person(id)
        join members moved on moved.conversation_id = conversation.id and moved.user_id = person.id
        where moved.left_at is null and moved.moved_at >= statement_timestamp() - make_interval(secs => $2)
        "#,
        conversations,
        within,
        most,
        people as &[UserId]
    )
    .fetch_all(db)
    .await
}
