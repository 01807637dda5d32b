//! Messages: appending many at once, and reading them back.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::{PgConnection, types::Json};

use crate::domain::{
    clock::Time,
    ids::{ConversationId, MessageId, UserId},
    message::{Edit, Location, Message, MessageKind, ReplyTo, Status, Window},
};

/// Selects messages with what their reply shows; the rest of the statement follows the joins.
macro_rules! select_messages {
    ($rest:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            MessageRow,
            r#"
            select message.id as "id!: MessageId",
                   message.conversation_id as "conversation_id!: ConversationId",
                   message.seq as "seq!",
                   message.changed_seq as "changed_seq!",
                   message.sender_id as "sender_id!: UserId",
                   message.kind as "kind!: MessageKind",
                   message.body,
                   message.metadata,
                   message.location as "location: Json<Location>",
                   message.mentions as "mentions!: Vec<UserId>",
                   message.edited_at,
                   message.deleted_at,
                   message.created_at as "created_at!",
                   reply.id as "reply_id?: MessageId",
                   reply.seq as "reply_seq?",
                   reply.sender_id as "reply_sender_id?: UserId",
                   reply.kind as "reply_kind?: MessageKind",
                   left(reply.body, 140) as reply_preview
            from messages message
            left join messages reply
              on reply.conversation_id = message.conversation_id and reply.seq = message.reply_to_seq
            "# + $rest
            $(, $argument)*
        )
    };
}

/// A message with all that is written of it at birth.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// As it will be read.
    pub message: Message,
    /// The number of the last countable message at or below it.
    pub no: i64,
    /// What a retry is compared with.
    pub fingerprint: Vec<u8>,
}

#[derive(Debug)]
struct MessageRow {
    id: MessageId,
    conversation_id: ConversationId,
    seq: i64,
    changed_seq: i64,
    sender_id: UserId,
    kind: MessageKind,
    body: Option<String>,
    metadata: Option<Value>,
    location: Option<Json<Location>>,
    mentions: Vec<UserId>,
    edited_at: Option<Time>,
    deleted_at: Option<Time>,
    created_at: Time,
    reply_id: Option<MessageId>,
    reply_seq: Option<i64>,
    reply_sender_id: Option<UserId>,
    reply_kind: Option<MessageKind>,
    reply_preview: Option<String>,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        let reply_to = match (row.reply_id, row.reply_seq, row.reply_sender_id, row.reply_kind) {
            (Some(id), Some(seq), Some(sender_id), Some(kind)) => {
                Some(ReplyTo { id, seq, sender_id, kind, preview: row.reply_preview })
            }
            _ => None,
        };
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            seq: row.seq,
            changed_seq: row.changed_seq,
            sender_id: row.sender_id,
            kind: row.kind,
            status: Status::Sent,
            body: row.body,
            metadata: row.metadata,
            location: row.location.map(|Json(location)| location),
            reply_to,
            mentions: row.mentions,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
            created_at: row.created_at,
        }
    }
}

/// Writes messages whose places in their logs are decided already.
pub async fn insert(db: &mut PgConnection, new: &[NewMessage]) -> sqlx::Result<()> {
    let column = |pick: fn(&NewMessage) -> uuid::Uuid| new.iter().map(pick).collect::<Vec<_>>();
    let metadata: Vec<_> = new.iter().map(|new| new.message.metadata.clone()).collect();
    let location: Vec<_> =
        new.iter().map(|new| new.message.location.as_ref().map(|place| serde_json::json!(place))).collect();
    let bodies: Vec<_> = new.iter().map(|new| new.message.body.as_deref()).collect();
    let replies: Vec<_> = new.iter().map(|new| new.message.reply_to.as_ref().map(|reply| reply.seq)).collect();
    // PostgreSQL has no arrays of arrays of different lengths, so lists of mentions travel as JSON.
    let mentions: Vec<_> = new.iter().map(|new| serde_json::json!(new.message.mentions)).collect();
    sqlx::query!(
        r#"
        insert into messages (conversation_id, seq, changed_seq, id, no, sender_id, kind, body, metadata, location,
                              reply_to_seq, mentions, fingerprint, created_at)
        select conversation_id, seq, seq, id, no, sender_id, kind, body, metadata, location, reply_to_seq,
               case when mentions = '[]' then '{}'
                    else array(select jsonb_array_elements_text(mentions)::uuid) end,
               fingerprint, created_at
        from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[], $7::text[],
                    $8::jsonb[], $9::jsonb[], $10::bigint[], $11::jsonb[], $12::bytea[], $13::timestamptz[])
             as new(conversation_id, seq, id, no, sender_id, kind, body, metadata, location, reply_to_seq, mentions,
                    fingerprint, created_at)
        "#,
        &column(|new| new.message.conversation_id.0),
        &new.iter().map(|new| new.message.seq).collect::<Vec<_>>(),
        &column(|new| new.message.id.0),
        &new.iter().map(|new| new.no).collect::<Vec<_>>(),
        &column(|new| new.message.sender_id.0),
        &new.iter().map(|new| new.message.kind).collect::<Vec<_>>() as &[MessageKind],
        &bodies as &[Option<&str>],
        &metadata as &[Option<Value>],
        &location as &[Option<Value>],
        &replies as &[Option<i64>],
        &mentions,
        &new.iter().map(|new| new.fingerprint.clone()).collect::<Vec<_>>(),
        &new.iter().map(|new| new.message.created_at).collect::<Vec<_>>(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes who is mentioned in which message.
pub async fn insert_mentions(db: &mut PgConnection, messages: &[&Message]) -> sqlx::Result<()> {
    let (mut conversations, mut seqs, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for message in messages {
        for user in &message.mentions {
            // Nobody is told of mentioning themselves.
            if *user != message.sender_id {
                conversations.push(message.conversation_id.0);
                seqs.push(message.seq);
                users.push(user.0);
            }
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into mentions (conversation_id, message_seq, user_id)
         select conversation_id, message_seq, user_id
         from unnest($1::uuid[], $2::bigint[], $3::uuid[]) as new(conversation_id, message_seq, user_id)",
        &conversations,
        &seqs,
        &users,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes who is mentioned in a message.
pub async fn delete_mentions(db: &mut PgConnection, message: &Message) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from mentions
         where conversation_id = $1 and message_seq = $2",
        message.conversation_id.0,
        message.seq,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One message by its id, unless it lies at or below the reader's floor.
pub async fn by_id(
    db: &mut PgConnection,
    conversation: ConversationId,
    id: MessageId,
    floor_seq: i64,
) -> sqlx::Result<Option<Message>> {
    let row = select_messages!(
        "where message.conversation_id = $1 and message.id = $2 and message.seq > $3",
        conversation.0,
        id.0,
        floor_seq
    );
    Ok(row.fetch_optional(db).await?.map(|row| Message::from(row).veiled(floor_seq)))
}

/// Messages by their ids, in many conversations at once.
pub async fn by_ids(
    db: &mut PgConnection,
    ids: &[(ConversationId, MessageId)],
) -> sqlx::Result<HashMap<(ConversationId, MessageId), Message>> {
    let (conversations, messages): (Vec<_>, Vec<_>) =
        ids.iter().map(|(conversation, id)| (conversation.0, id.0)).unzip();
    let rows = select_messages!(
        "join unnest($1::uuid[], $2::uuid[]) as wanted(conversation_id, id)
           on wanted.conversation_id = message.conversation_id and wanted.id = message.id",
        &conversations,
        &messages
    );
    let rows = rows.fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| ((row.conversation_id, row.id), row.into())).collect())
}

/// Messages by their places, in many conversations at once.
pub async fn by_seqs(db: &mut PgConnection, seqs: &[(ConversationId, i64)]) -> sqlx::Result<Vec<Message>> {
    let (conversations, seqs): (Vec<_>, Vec<_>) = seqs.iter().map(|(conversation, seq)| (conversation.0, *seq)).unzip();
    let rows = select_messages!(
        "join unnest($1::uuid[], $2::bigint[]) as wanted(conversation_id, seq)
           on wanted.conversation_id = message.conversation_id and wanted.seq = message.seq",
        &conversations,
        &seqs
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Message::from).collect())
}

/// The places of messages by their ids.
pub async fn seqs(db: &mut PgConnection, conversation: ConversationId, ids: &[MessageId]) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        "select seq
         from messages
         where conversation_id = $1 and id = any($2)",
        conversation.0,
        ids as &[MessageId],
    )
    .fetch_all(db)
    .await
}

/// Up to `limit` messages on one side of a place (newest first before it, oldest first after it), without those
/// that the reader hid or may not see.
pub async fn beside(
    db: &mut PgConnection,
    reader: (ConversationId, UserId, i64),
    side: Window,
    limit: usize,
) -> sqlx::Result<Vec<Message>> {
    let (conversation, user, floor_seq) = reader;
    let rows = match side {
        Window::Newest | Window::Before(_) | Window::Around(_) => {
            let before = if let Window::Before(seq) | Window::Around(seq) = side { seq } else { i64::MAX };
            let rows = select_messages!(
                "where message.conversation_id = $1 and message.seq < $2 and message.seq > $3
                   and not exists (select from hidden_messages hidden
                                   where hidden.conversation_id = $1 and hidden.user_id = $4
                                     and hidden.message_seq = message.seq)
                 order by message.seq desc
                 limit $5",
                conversation.0,
                before,
                floor_seq,
                user.0,
                limit as i64
            );
            rows.fetch_all(db).await?
        }
        Window::After(after) => {
            let rows = select_messages!(
                "where message.conversation_id = $1 and message.seq > greatest($2::bigint, $3::bigint)
                   and not exists (select from hidden_messages hidden
                                   where hidden.conversation_id = $1 and hidden.user_id = $4
                                     and hidden.message_seq = message.seq)
                 order by message.seq
                 limit $5",
                conversation.0,
                after,
                floor_seq,
                user.0,
                limit as i64
            );
            rows.fetch_all(db).await?
        }
    };
    Ok(rows.into_iter().map(|row| Message::from(row).veiled(floor_seq)).collect())
}

/// Messages changed after a place in the log, ascending by their last change, that lie above the reader's floor.
pub async fn changed_after(
    db: &mut PgConnection,
    conversation: ConversationId,
    after: i64,
    floor_seq: i64,
    limit: usize,
) -> sqlx::Result<Vec<Message>> {
    // Two index scans instead of one `or`: what was born since, and what was born before and changed since.
    let rows = select_messages!(
        "where message.conversation_id = $1
           and message.seq > $3
           and (message.seq, message.changed_seq) in (
               (select born.seq, born.changed_seq
                from messages born
                where born.conversation_id = $1 and born.seq > greatest($2::bigint, $3::bigint)
                  and born.changed_seq = born.seq
                order by born.seq
                limit $4)
               union all
               (select changed.seq, changed.changed_seq
                from messages changed
                where changed.conversation_id = $1 and changed.changed_seq > $2 and changed.changed_seq > changed.seq
                  and changed.seq > $3
                order by changed.changed_seq
                limit $4))
         order by message.changed_seq
         limit $4",
        conversation.0,
        after,
        floor_seq,
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| Message::from(row).veiled(floor_seq)).collect())
}

/// Replaces what an edit changes, and keeps what it said before.
pub async fn edit(db: &mut PgConnection, message: &Message, before: Option<&str>) -> sqlx::Result<()> {
    sqlx::query!(
        "with replaced as (
             insert into message_edits (conversation_id, message_seq, changed_seq, edited_at, editor_id, body)
             values ($1, $2, $3, $4, $5, $6))
         update messages
         set body = $7, metadata = $8, mentions = $9, edited_at = $4, changed_seq = $3
         where conversation_id = $1 and seq = $2",
        message.conversation_id.0,
        message.seq,
        message.changed_seq,
        message.edited_at,
        message.sender_id.0,
        before,
        message.body,
        message.metadata,
        &message.mentions as &[UserId],
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes a message a tombstone: its words, and those of its earlier versions, are gone.
pub async fn entomb(db: &mut PgConnection, message: &Message) -> sqlx::Result<()> {
    sqlx::query!(
        "with forgotten as (
             delete from message_edits
             where conversation_id = $1 and message_seq = $2)
         update messages
         set body = null, metadata = null, location = null, mentions = '{}', deleted_at = $3, changed_seq = $4
         where conversation_id = $1 and seq = $2",
        message.conversation_id.0,
        message.seq,
        message.deleted_at,
        message.changed_seq,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The versions that edits replaced, oldest first.
pub async fn edits(db: &mut PgConnection, conversation: ConversationId, seq: i64) -> sqlx::Result<Vec<Edit>> {
    sqlx::query_as!(
        Edit,
        r#"
        select body, editor_id as "editor_id: UserId", edited_at
        from message_edits
        where conversation_id = $1 and message_seq = $2
        order by changed_seq
        "#,
        conversation.0,
        seq,
    )
    .fetch_all(db)
    .await
}
