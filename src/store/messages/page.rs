//! Pages of the history. Whether somebody may read one is asked in the statement that reads it.

use sqlx::{PgConnection, types::Json};

use super::MessageRow;
use crate::{
    domain::{
        attachment::Attachment,
        clock::Time,
        ids::{ConversationId, MessageId, UserId},
        link::LinkPreview,
        location::Location,
        message::{ForwardedFrom, Message, MessageKind, ReplyTo},
        reaction::Reaction,
        receipt::ReceiptKind,
    },
    store::receipts::Lows,
};

/// What a page is seen with.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Messages up to here are not for who reads.
    pub floor_seq: i64,
    /// Whether they may see anything in the span that was asked about.
    pub has_more: bool,
    /// How far others have come.
    pub lows: Lows,
}

impl Frame {
    /// A message as its reader sees it.
    pub fn show(&self, message: Message) -> Message {
        let status = self.lows.status(message.sender_id, message.seq);
        Message { status, ..message }.veiled(self.floor_seq)
    }
}

/// Reads those messages that somebody who is in the conversation may see, as far as `$side` wants them. Its constant limit tells
/// PostgreSQL how little is read; without it, it would plan each page anew, which takes several times as long as reading one.
macro_rules! read_side {
    ($side:tt, $db:expr, $who:expr, $now:expr, $place:expr, $count:expr) => {{
        let (conversation, reader) = $who;
        // Few have hidden anything, and then nothing is asked of single messages.
        let rows = select_messages!(
            in "with page as (",
            $now,
            "where message.conversation_id = $2
               and message.seq > (select member.floor_seq
                                  from members member
                                  where member.conversation_id = $2 and member.user_id = $3 and member.left_at is null)
               and not ((select exists (select from hidden_messages hidden
                                        where hidden.conversation_id = $2 and hidden.user_id = $3))
                        and exists (select from hidden_messages hidden
                                    where hidden.conversation_id = $2 and hidden.user_id = $3
                                      and hidden.message_seq = message.seq))
               and ",
            $side,
            conversation.0,
            reader.0,
            $place,
            $count as i64
        );
        Ok(rows.fetch_all($db).await?.into_iter().map(Message::from).collect())
    }};
}

/// Up to so many messages before a place, the last one first; at most 101. None for who is not in the conversation.
pub async fn older(
    db: &mut PgConnection,
    who: (ConversationId, UserId),
    now: Time,
    place: i64,
    count: usize,
) -> sqlx::Result<Vec<Message>> {
    read_side!(
        "message.seq < $4
         order by message.seq desc
         limit 101)
         table page
         limit $5",
        db,
        who,
        now,
        place,
        count
    )
}

/// Up to so many messages from a place on, ascending; at most 101. None for who is not in the conversation.
pub async fn newer(
    db: &mut PgConnection,
    who: (ConversationId, UserId),
    now: Time,
    place: i64,
    count: usize,
) -> sqlx::Result<Vec<Message>> {
    read_side!(
        "message.seq >= $4
         order by message.seq
         limit 101)
         table page
         limit $5",
        db,
        who,
        now,
        place,
        count
    )
}

/// What a page is seen with, and whether there is more for its reader between two places, both included; nothing where they are
/// not in the conversation.
pub async fn frame(
    db: &mut PgConnection,
    (conversation, reader): (ConversationId, UserId),
    (first, last): (i64, i64),
) -> sqlx::Result<Option<Frame>> {
    // What is asked of hidden messages is asked of one message after the other: as a join, all of a long history would be read.
    let rows = sqlx::query!(
        r#"
        with reader as materialized (
            select member.floor_seq,
                   exists (select from messages message
                           where message.conversation_id = $1 and message.seq between $3 and $4
                             and message.seq > member.floor_seq
                             and (not exists (select from hidden_messages
                                              where conversation_id = $1 and user_id = $2)
                                  or not exists (select from hidden_messages hidden
                                                 where hidden.conversation_id = $1 and hidden.user_id = $2
                                                   and hidden.message_seq = message.seq))) as has_more
            from members member
            where member.conversation_id = $1 and member.user_id = $2 and member.left_at is null)
        select reader.floor_seq,
               reader.has_more as "has_more!",
               low.kind as "kind!: ReceiptKind",
               low.user_id as "user_id!: UserId",
               low.seq as "seq!"
        from reader
        cross join (
            (select 'read' as kind, user_id, read_seq as seq
             from members
             where conversation_id = $1 and left_at is null
             order by read_seq
             limit 2)
            union all
            (select 'delivered', user_id, delivered_seq
             from members
             where conversation_id = $1 and left_at is null
             order by delivered_seq
             limit 2)) as low
        "#,
        conversation.0,
        reader.0,
        first,
        last,
    )
    .fetch_all(db)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (floor_seq, has_more) = (first.floor_seq, first.has_more);
    let mut lows = Lows::default();
    for row in rows {
        lows.put(row.kind, row.user_id, row.seq);
    }
    Ok(Some(Frame { floor_seq, has_more, lows }))
}
