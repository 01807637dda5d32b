//! Writing messages: many births at once, and what becomes of one afterwards.

use std::slice;

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::NewMessage;
use crate::domain::{
    clock::Time,
    ids::{ConversationId, UserId},
    message::{Message, MessageKind},
};

/// Writes messages, and what else their birth moves: a statement more would cost a lone message the way there and back once more.
macro_rules! insert_messages {
    ($new:expr, $before:literal, $after:literal) => {{
        let new: &[NewMessage] = $new;
        let ids = |pick: fn(&NewMessage) -> Uuid| new.iter().map(pick).collect::<Vec<_>>();
        let json = |pick: fn(&Message) -> Option<Value>| new.iter().map(|new| pick(&new.message)).collect::<Vec<_>>();
        sqlx::query!(
            r#"
            with new as materialized (
                select conversation_id, seq, id, no, sender_id, kind, body, attachments, metadata, location, reply_to_seq,
                       mentions, mentions_all, forwarded_from, expires_at, fingerprint, created_at, is_passing
                from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[], $7::text[],
                            $8::jsonb[], $9::jsonb[], $10::jsonb[], $11::bigint[], $12::jsonb[], $13::boolean[],
                            $14::jsonb[], $15::timestamptz[], $16::bytea[], $17::timestamptz[], $18::boolean[])
                     as new(conversation_id, seq, id, no, sender_id, kind, body, attachments, metadata, location,
                            reply_to_seq, mentions, mentions_all, forwarded_from, expires_at, fingerprint, created_at,
                            is_passing))"# + $before + r#"
            insert into messages (conversation_id, seq, changed_seq, id, no, sender_id, kind, body, attachments,
                                  metadata, location, reply_to_seq, mentions, mentions_all, forwarded_from, expires_at,
                                  fingerprint, created_at)
            select conversation_id, seq, seq, id, no, sender_id, kind, body, attachments, metadata, location,
                   reply_to_seq,
                   case when mentions is null then '{}'
                        else array(select jsonb_array_elements_text(mentions)::uuid) end,
                   mentions_all, forwarded_from, expires_at, fingerprint, created_at
            from new
            "# + $after,
            &ids(|new| new.message.conversation_id.0),
            &new.iter().map(|new| new.message.seq).collect::<Vec<_>>(),
            &ids(|new| new.message.id.0),
            &new.iter().map(|new| new.no).collect::<Vec<_>>(),
            &ids(|new| new.message.sender_id.0),
            &new.iter().map(|new| new.message.kind).collect::<Vec<_>>() as &[MessageKind],
            &new.iter().map(|new| new.message.body.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
            &json(|message| (!message.attachments.is_empty()).then(|| json!(message.attachments))) as &[Option<Value>],
            &json(|message| message.metadata.clone()) as &[Option<Value>],
            &json(|message| message.location.as_ref().map(|place| json!(place))) as &[Option<Value>],
            &new.iter().map(|new| new.message.reply_to.as_ref().map(|reply| reply.seq)).collect::<Vec<_>>()
                as &[Option<i64>],
            // PostgreSQL has no arrays of arrays of different lengths, so lists of mentions travel as JSON.
            &json(|message| (!message.mentions.is_empty()).then(|| json!(message.mentions))) as &[Option<Value>],
            &new.iter().map(|new| new.message.mentions_all).collect::<Vec<_>>(),
            &json(|message| message.forwarded_from.as_ref().map(|origin| json!(origin))) as &[Option<Value>],
            &new.iter().map(|new| new.message.expires_at).collect::<Vec<_>>() as &[Option<Time>],
            &new.iter().map(|new| new.fingerprint.clone()).collect::<Vec<_>>(),
            &new.iter().map(|new| new.message.created_at).collect::<Vec<_>>(),
            &new.iter().map(|new| new.is_passing).collect::<Vec<_>>(),
        )
    }};
}

/// Writes a message of the server's own, whose place in its log is decided already.
pub async fn insert(db: &mut PgConnection, new: &NewMessage) -> sqlx::Result<()> {
    insert_messages!(slice::from_ref(new), "", "").execute(db).await?;
    Ok(())
}

/// Writes what people sent, whose places in their logs are decided already; and moves the logs' heads and the senders' own
/// cursors, which nobody else moves as far. Whoever passes something of others leaves a mark that tells when. Answers with
/// those of the conversations that somebody has put away, and is to find again.
pub async fn append(db: &mut PgConnection, new: &[NewMessage]) -> sqlx::Result<Vec<ConversationId>> {
    let appending = insert_messages!(
        new,
        r#",
            heads as (
                update conversations conversation
                set head_seq = last.seq, message_no = last.no, active_at = last.at
                from (select conversation_id, max(seq) as seq, max(no) as no, max(created_at) as at
                      from new
                      group by conversation_id) as last
                where conversation.id = last.conversation_id
                returning id, active_at),
            cursors as materialized (
                select conversation_id, sender_id, max(seq) as seq, max(no) as no, max(created_at) as at,
                       bool_or(is_passing) as is_passing
                from new
                group by conversation_id, sender_id),
            marks as (
                insert into receipt_marks (conversation_id, user_id, kind, seq, at)
                select conversation_id, sender_id, 'read', seq, at
                from cursors
                where is_passing),
            places as (
                update members member
                set read_seq = cursors.seq, read_no = cursors.no, read_at = cursors.at,
                    delivered_seq = cursors.seq, delivered_at = cursors.at, moved_at = clock_timestamp()
                from cursors
                where member.conversation_id = cursors.conversation_id and member.user_id = cursors.sender_id),
            written as ("#,
        r#")
            select heads.id as "missed: ConversationId"
            from heads
            cross join lateral (
                select from preferences
                where conversation_id = heads.id and archived_at is not null
                  and coalesce(muted_until, '-infinity') <= heads.active_at
                limit 1) as archived"#
    );
    Ok(appending.fetch_all(db).await?.into_iter().map(|row| row.missed).collect())
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

/// Replaces what an edit changes, and keeps what it said before.
pub async fn edit(db: &mut PgConnection, message: &Message, before: Option<&str>) -> sqlx::Result<()> {
    sqlx::query!(
        "with replaced as (
             insert into message_edits (conversation_id, message_seq, changed_seq, edited_at, editor_id, body)
             values ($1, $2, $3, $4, $5, $6))
         update messages
         set body = $7, metadata = $8, mentions = $9, mentions_all = $10, link_preview = $11, edited_at = $4,
             changed_seq = $3
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
        message.mentions_all,
        message.link_preview.as_ref().map(|preview| json!(preview)),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes what the page says of itself that a message links to.
pub async fn set_link_preview(db: &mut PgConnection, message: &Message) -> sqlx::Result<()> {
    sqlx::query!(
        "update messages
         set link_preview = $3, changed_seq = $4
         where conversation_id = $1 and seq = $2",
        message.conversation_id.0,
        message.seq,
        message.link_preview.as_ref().map(|preview| json!(preview)),
        message.changed_seq,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes whether a message is pinned, when and by whom.
pub async fn set_pin(db: &mut PgConnection, message: &Message) -> sqlx::Result<()> {
    sqlx::query!(
        "update messages
         set pinned_at = $3, pinned_by = $4, changed_seq = $5
         where conversation_id = $1 and seq = $2",
        message.conversation_id.0,
        message.seq,
        message.pinned_at,
        message.pinned_by.map(|user| user.0),
        message.changed_seq,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes the files off messages of one conversation.
pub async fn strip(db: &mut PgConnection, conversation: ConversationId, messages: &[Message]) -> sqlx::Result<()> {
    sqlx::query!(
        "update messages message
         set attachments = null, changed_seq = stripped.changed_seq
         from unnest($2::bigint[], $3::bigint[]) as stripped(seq, changed_seq)
         where message.conversation_id = $1 and message.seq = stripped.seq",
        conversation.0,
        &messages.iter().map(|message| message.seq).collect::<Vec<_>>(),
        &messages.iter().map(|message| message.changed_seq).collect::<Vec<_>>(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes messages of one conversation tombstones: their words, those of their earlier versions and plans, and what
/// people thought of them, are gone.
pub async fn entomb(db: &mut PgConnection, conversation: ConversationId, messages: &[Message]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        with tombstone as materialized (
            select seq, deleted_at, changed_seq
            from unnest($2::bigint[], $3::timestamptz[], $4::bigint[]) as tombstone(seq, deleted_at, changed_seq)),
        forgotten as (
            delete from message_edits
            where conversation_id = $1 and message_seq = any($2)),
        unmentioned as (
            delete from mentions
            where conversation_id = $1 and message_seq = any($2)),
        calmed as (
            delete from reactions
            where conversation_id = $1 and message_seq = any($2)),
        unvisited as (
            delete from link_visits
            where conversation_id = $1 and message_seq = any($2)),
        unplanned as (
            update scheduled_messages plan
            set draft = plan.draft || '{"body": null, "attachment_ids": [], "metadata": null, "location": null, "mentions": [],
                                 "mentions_all": false}'
            from messages sent
            where sent.conversation_id = $1 and sent.seq = any($2)
              and plan.user_id = sent.sender_id and plan.id = sent.id and plan.conversation_id = $1
              and plan.state = 'sent')
        update messages message
        set body = null, attachments = null, metadata = null, location = null, mentions = '{}', mentions_all = false,
            reactions = null, link_preview = null, pinned_at = null, pinned_by = null,
            deleted_at = tombstone.deleted_at, changed_seq = tombstone.changed_seq
        from tombstone
        where message.conversation_id = $1 and message.seq = tombstone.seq
        "#,
        conversation.0,
        &messages.iter().map(|message| message.seq).collect::<Vec<_>>(),
        &messages.iter().map(|message| message.deleted_at).collect::<Vec<_>>() as &[Option<Time>],
        &messages.iter().map(|message| message.changed_seq).collect::<Vec<_>>(),
    )
    .execute(db)
    .await?;
    Ok(())
}
