//! Reading messages back, whichever way they are asked for.

use std::collections::HashMap;

use sqlx::{PgConnection, types::Json};

use super::{MessageRow, Reader};
use crate::domain::{
    attachment::Attachment,
    clock::Time,
    ids::{ConversationId, MessageId, UserId},
    link::LinkPreview,
    location::Location,
    message::{Edit, ForwardedFrom, Message, MessageKind, ReplyTo},
    reaction::Reaction,
};

/// One message by its id, unless it lies at or below the reader's floor; with what it quotes, although that may.
pub async fn by_id(db: &mut PgConnection, reader: Reader, id: MessageId) -> sqlx::Result<Option<Message>> {
    let row = select_messages!(
        reader.now,
        "where message.conversation_id = $2 and message.id = $3 and message.seq > $4",
        reader.conversation_id.0,
        id.0,
        reader.floor_seq
    );
    Ok(row.fetch_optional(db).await?.map(Message::from))
}

/// Messages by their ids, in many conversations at once.
pub async fn by_ids(
    db: &mut PgConnection,
    ids: &[(ConversationId, MessageId)],
    now: Time,
) -> sqlx::Result<HashMap<(ConversationId, MessageId), Message>> {
    let (conversations, messages): (Vec<_>, Vec<_>) =
        ids.iter().map(|(conversation, id)| (conversation.0, id.0)).unzip();
    let rows = select_messages!(
        now,
        "join unnest($2::uuid[], $3::uuid[]) as wanted(conversation_id, id)
           on wanted.conversation_id = message.conversation_id and wanted.id = message.id",
        &conversations,
        &messages
    );
    let rows = rows.fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| ((row.conversation_id, row.id), row.into())).collect())
}

/// Messages by their places, in many conversations at once. How many is hidden from the planner: see
/// [`receipts::lows`](crate::store::receipts::lows).
pub async fn by_seqs(db: &mut PgConnection, seqs: &[(ConversationId, i64)], now: Time) -> sqlx::Result<Vec<Message>> {
    let (conversations, seqs): (Vec<_>, Vec<_>) = seqs.iter().map(|(conversation, seq)| (conversation.0, *seq)).unzip();
    let rows = select_messages!(
        now,
        "join unnest((select $2::uuid[]), (select $3::bigint[])) as wanted(conversation_id, seq)
           on wanted.conversation_id = message.conversation_id and wanted.seq = message.seq",
        &conversations,
        &seqs
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Message::from).collect())
}

/// The places of messages by their ids; those that do not exist are absent.
pub async fn seqs(
    db: &mut PgConnection,
    ids: &[(ConversationId, MessageId)],
) -> sqlx::Result<HashMap<(ConversationId, MessageId), i64>> {
    let (conversations, messages): (Vec<_>, Vec<_>) = ids.iter().map(|(place, id)| (place.0, id.0)).unzip();
    let rows = sqlx::query!(
        r#"
        select message.conversation_id as "conversation_id: ConversationId", message.id as "id: MessageId", message.seq
        from unnest($1::uuid[], $2::uuid[]) as wanted(conversation_id, id)
        join messages message on message.conversation_id = wanted.conversation_id and message.id = wanted.id
        "#,
        &conversations,
        &messages,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.conversation_id, row.id), row.seq)).collect())
}

/// Messages changed after a place in the log, ascending by their last change, that lie above the reader's floor and that the reader
/// did not hide.
pub async fn changed_after(
    db: &mut PgConnection,
    reader: Reader,
    after: i64,
    limit: usize,
) -> sqlx::Result<Vec<Message>> {
    // Two index scans instead of one `or`: what was born since, and what was born before and changed since. What is asked of hidden
    // messages is asked of one message after the other: as a join, all of a long history would be read.
    let rows = select_messages!(
        reader.now,
        "where message.conversation_id = $2
           and message.seq > $4
           and (message.seq, message.changed_seq) in (
               (select born.seq, born.changed_seq
                from messages born
                where born.conversation_id = $2 and born.seq > greatest($3::bigint, $4::bigint)
                  and born.changed_seq = born.seq
                  and (not exists (select from hidden_messages where conversation_id = $2 and user_id = $6)
                       or not exists (select from hidden_messages hidden
                                      where hidden.conversation_id = $2 and hidden.user_id = $6
                                        and hidden.message_seq = born.seq))
                order by born.seq
                limit $5)
               union all
               (select changed.seq, changed.changed_seq
                from messages changed
                where changed.conversation_id = $2 and changed.changed_seq > $3 and changed.changed_seq > changed.seq
                  and changed.seq > $4
                  and (not exists (select from hidden_messages where conversation_id = $2 and user_id = $6)
                       or not exists (select from hidden_messages hidden
                                      where hidden.conversation_id = $2 and hidden.user_id = $6
                                        and hidden.message_seq = changed.seq))
                order by changed.changed_seq
                limit $5))
         order by message.changed_seq
         limit $5",
        reader.conversation_id.0,
        after,
        reader.floor_seq,
        limit as i64,
        reader.user_id.0
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| Message::from(row).veiled(reader.floor_seq)).collect())
}

/// Up to `limit` pinned messages that the reader may see and did not hide, the one pinned last first.
pub async fn pinned(
    db: &mut PgConnection,
    reader: Reader,
    after: Option<(Time, i64)>,
    limit: usize,
) -> sqlx::Result<Vec<Message>> {
    let rows = select_messages!(
        reader.now,
        "where message.conversation_id = $2 and message.pinned_at is not null and message.seq > $3
           and (message.expires_at is null or message.expires_at > $1)
           and ($4::timestamptz is null or (message.pinned_at, message.seq) < ($4, $5))
           and not exists (select from hidden_messages hidden
                           where hidden.conversation_id = $2 and hidden.user_id = $6
                             and hidden.message_seq = message.seq)
         order by message.pinned_at desc, message.seq desc
         limit $7",
        reader.conversation_id.0,
        reader.floor_seq,
        after.map(|(pinned_at, _)| pinned_at),
        after.map(|(_, seq)| seq),
        reader.user_id.0,
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| Message::from(row).veiled(reader.floor_seq)).collect())
}

/// How many messages of a conversation are pinned.
pub async fn count_pinned(db: &mut PgConnection, conversation: ConversationId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from messages where conversation_id = $1 and pinned_at is not null"#,
        conversation.0,
    )
    .fetch_one(db)
    .await
}

/// Up to `limit` versions that edits after a place in the log replaced, oldest first.
pub async fn edits(
    db: &mut PgConnection,
    (conversation, seq): (ConversationId, i64),
    after: i64,
    limit: usize,
) -> sqlx::Result<Vec<Edit>> {
    sqlx::query_as!(
        Edit,
        r#"
        select body, editor_id as "editor_id: UserId", edited_at, changed_seq
        from message_edits
        where conversation_id = $1 and message_seq = $2 and changed_seq > $3
        order by changed_seq
        limit $4
        "#,
        conversation.0,
        seq,
        after,
        limit as i64,
    )
    .fetch_all(db)
    .await
}
