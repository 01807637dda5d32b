//! Following the logs of conversations with the index, part by part.

use std::fmt::Write;

use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::domain::{
    attachment::Attachment,
    clock::Time,
    ids::{ConversationId, UserId},
    message::MessageKind,
    search::document::Lexemes,
};

/// A conversation whose index is being brought up to date: nobody else does it until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Which.
    pub conversation_id: ConversationId,
    /// How far the index has come.
    pub indexed_seq: i64,
    /// How far the log has come.
    pub head_seq: i64,
}

/// A message that was sent or changed, as the index must know it.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Where.
    pub conversation_id: ConversationId,
    /// Its place.
    pub seq: i64,
    /// Its last change.
    pub changed_seq: i64,
    /// Who wrote it.
    pub sender_id: UserId,
    /// What it is.
    pub kind: MessageKind,
    /// The words.
    pub body: Option<String>,
    /// The files that it carries.
    pub attachments: Option<Json<Vec<Attachment>>>,
    /// Whether somebody is mentioned.
    pub is_mentioning: bool,
    /// What it answers.
    pub reply_to_seq: Option<i64>,
    /// Whether it was copied from elsewhere.
    pub is_forward: bool,
    /// When it was sent.
    pub created_at: Time,
    /// When its words last changed.
    pub edited_at: Option<Time>,
    /// When it goes by itself.
    pub expires_at: Option<Time>,
    /// When it was deleted for everyone.
    pub deleted_at: Option<Time>,
}

/// What the index keeps of a message.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The message.
    pub of: Changed,
    /// What it can be found by.
    pub lexemes: Lexemes,
}

/// Conversations whose logs the index has not followed to the end, in no order.
pub async fn behind(db: &mut PgConnection, limit: usize) -> sqlx::Result<Vec<ConversationId>> {
    sqlx::query_scalar!(
        r#"
        select conversation.id as "id!: ConversationId"
        from conversations conversation
        left join search_progress progress on progress.conversation_id = conversation.id
        where conversation.head_seq > coalesce(progress.indexed_seq, 0)
        limit $1
        "#,
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// Claims those of the conversations that are behind and that nobody else works on.
pub async fn claim(db: &mut PgConnection, conversations: &[ConversationId]) -> sqlx::Result<Vec<Claim>> {
    sqlx::query_as!(
        Claim,
        r#"
        select progress.conversation_id as "conversation_id: ConversationId", progress.indexed_seq,
               conversation.head_seq
        from search_progress progress
        join conversations conversation on conversation.id = progress.conversation_id
        where progress.conversation_id = any($1) and conversation.head_seq > progress.indexed_seq
        for update of progress skip locked
        "#,
        conversations as &[ConversationId],
    )
    .fetch_all(db)
    .await
}

/// Begins an index for those of the conversations that have none; says whether there are any.
pub async fn begin(db: &mut PgConnection, conversations: &[ConversationId]) -> sqlx::Result<bool> {
    let begun = sqlx::query!(
        "insert into search_progress (conversation_id, indexed_seq)
         select id, 0
         from conversations
         where id = any($1)
         order by id
         on conflict (conversation_id) do nothing",
        conversations as &[ConversationId],
    )
    .execute(db)
    .await?;
    Ok(begun.rows_affected() > 0)
}

/// What changed after where the index is, in the order of the log, up to a number for each conversation.
pub async fn changed(db: &mut PgConnection, claims: &[Claim], limit: usize) -> sqlx::Result<Vec<Changed>> {
    let (conversations, seqs): (Vec<_>, Vec<_>) =
        claims.iter().map(|claim| (claim.conversation_id.0, claim.indexed_seq)).unzip();
    // Two index scans instead of one `or`: what was born since, and what was changed since.
    sqlx::query_as!(
        Changed,
        r#"
        select message.conversation_id as "conversation_id: ConversationId", message.seq, message.changed_seq,
               message.sender_id as "sender_id: UserId", message.kind as "kind: MessageKind", message.body,
               message.attachments as "attachments: Json<Vec<Attachment>>",
               (message.mentions <> '{}' or message.mentions_all) as "is_mentioning!", message.reply_to_seq,
               message.forwarded_from is not null as "is_forward!", message.created_at, message.edited_at,
               message.expires_at, message.deleted_at
        from unnest($1::uuid[], $2::bigint[]) as claim(conversation_id, indexed_seq)
        cross join lateral (
            (select born.seq, born.changed_seq
             from messages born
             where born.conversation_id = claim.conversation_id and born.seq > claim.indexed_seq
               and born.changed_seq = born.seq
             order by born.seq
             limit $3)
            union all
            (select changed.seq, changed.changed_seq
             from messages changed
             where changed.conversation_id = claim.conversation_id and changed.changed_seq > claim.indexed_seq
               and changed.changed_seq > changed.seq
             order by changed.changed_seq
             limit $3)
            order by changed_seq
            limit $3) as place
        join messages message on message.conversation_id = claim.conversation_id and message.seq = place.seq
        "#,
        &conversations,
        &seqs,
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// Writes entries over those that are there, removes those of messages that are gone, and notes how far the index has come
/// now; in one statement, since there are many of them.
pub async fn save(
    db: &mut PgConnection,
    entries: &[Entry],
    gone: &[(ConversationId, i64)],
    reached: &[(ConversationId, i64)],
) -> sqlx::Result<()> {
    let lexemes: Vec<_> = entries.iter().map(written).collect();
    let (gone_from, gone_seqs) = columns(gone);
    let (reached_in, reached_seqs) = columns(reached);
    sqlx::query!(
        r#"
        with reached as (
            update search_progress progress
            set indexed_seq = reached.seq
            from unnest($8::uuid[], $9::bigint[]) as reached(conversation_id, seq)
            where progress.conversation_id = reached.conversation_id),
        gone as (
            delete from search_entries entry
            using unnest($10::uuid[], $11::bigint[]) as gone(conversation_id, seq)
            where entry.conversation_id = gone.conversation_id and entry.seq = gone.seq)
        insert into search_entries (conversation_id, seq, sender_id, created_at, edited_at, expires_at, lexemes)
        select conversation_id, seq, sender_id, created_at, edited_at, expires_at, lexemes::tsvector
        from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
                    $7::text[])
             as new(conversation_id, seq, sender_id, created_at, edited_at, expires_at, lexemes)
        on conflict (conversation_id, seq) do update
        set edited_at = excluded.edited_at, expires_at = excluded.expires_at, lexemes = excluded.lexemes
        "#,
        &entries.iter().map(|entry| entry.of.conversation_id.0).collect::<Vec<_>>(),
        &entries.iter().map(|entry| entry.of.seq).collect::<Vec<_>>(),
        &entries.iter().map(|entry| entry.of.sender_id.0).collect::<Vec<_>>(),
        &entries.iter().map(|entry| entry.of.created_at).collect::<Vec<_>>(),
        &entries.iter().map(|entry| entry.of.edited_at).collect::<Vec<_>>() as &[Option<Time>],
        &entries.iter().map(|entry| entry.of.expires_at).collect::<Vec<_>>() as &[Option<Time>],
        &lexemes,
        &reached_in,
        &reached_seqs,
        &gone_from,
        &gone_seqs,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets how far the index has come, so that all of it is written again.
pub async fn forget(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("update search_progress set indexed_seq = 0 where indexed_seq > 0").execute(db).await?;
    Ok(())
}

fn columns(places: &[(ConversationId, i64)]) -> (Vec<Uuid>, Vec<i64>) {
    places.iter().map(|(conversation, seq)| (conversation.0, *seq)).unzip()
}

/// Lexemes as PostgreSQL reads them. No lexeme has a quote in it.
fn written(entry: &Entry) -> String {
    let id = entry.of.conversation_id.to_string();
    let key = &id[..6];
    let mut text = String::new();
    for (lexeme, places) in &entry.lexemes {
        write!(text, "'{key}{lexeme}'").expect("text grows");
        for (number, place) in places.iter().enumerate() {
            write!(text, "{}{place}", if number == 0 { ':' } else { ',' }).expect("text grows");
        }
        text.push(' ');
    }
    text
}
