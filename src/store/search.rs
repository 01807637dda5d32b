//! Searching: which messages fit, decided together with who may see them.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    ids::{ConversationId, UserId},
    message::MessageKind,
    search::{
        Trait, document,
        page::{Hit, Place},
        query::{Atom, Clause, Fit},
    },
};

/// Stands in a template for what a conversation's lexemes begin with; no lexeme has it in it.
const KEY: char = '%';

/// What is asked of the index.
#[derive(Clone, Debug)]
pub struct Criteria<'a> {
    /// Who asks.
    pub reader: UserId,
    /// Now: what has expired by then is gone.
    pub now: Time,
    /// What must be in the text.
    pub wanted: &'a [Clause],
    /// What must not be.
    pub unwanted: &'a [Clause],
    /// Only in these conversations.
    pub conversations: Option<Vec<ConversationId>>,
    /// Only by these people.
    pub senders: Option<Vec<UserId>>,
    /// Only of this kind.
    pub kind: Option<MessageKind>,
    /// Only with all of these in it.
    pub has: Vec<Trait>,
    /// Only what was sent before.
    pub before: Option<Time>,
    /// Only what was sent after.
    pub after: Option<Time>,
    /// Only what is older than this one.
    pub older_than: Option<Place>,
}

/// Asks for the newest entries that fit and that the reader may see; `$how` is how a conversation's entries are reached.
///
/// Whoever is blocked by the reader is not found; who blocks the reader is, or they could tell. An entry whose message
/// has changed since it was indexed is not current, and shown to nobody.
macro_rules! select_hits {
    ($how:literal, $db:expr, $criteria:expr, $query:expr, $limit:expr) => {
        sqlx::query!(
            r#"
            with mine as materialized (
                select conversation_id, floor_seq,
                       replace($2, '%', left(conversation_id::text, 6))::tsquery as query
                from members
                where user_id = $1 and left_at is null
                  and ($3::uuid[] is null or conversation_id = any($3))),
            hits as (
                select mine.conversation_id, mine.floor_seq, mine.query, entry.seq, entry.created_at, entry.edited_at, entry.lexemes
                from mine
                cross join lateral (
                    select seq, created_at, edited_at, lexemes
                    from search_entries
                    where "# + $how + r#"
                      and seq > mine.floor_seq
                      and (expires_at is null or expires_at > $4)
                      and ($5::uuid[] is null or sender_id = any($5))
                      and ($6::text is null or kind = $6)
                      and traits @> $7
                      -- Bounds even where there are none, or the planner would not think of the index on time.
                      and created_at < coalesce($8, 'infinity'::timestamptz)
                      and created_at > coalesce($9, '-infinity'::timestamptz)
                      and ($10::timestamptz is null
                           or (created_at, search_entries.conversation_id, seq) < ($10, $11::uuid, $12::bigint))
                      and sender_id not in (
                          select blocked_id
                          from blocks
                          where user_id = $1)
                      and (search_entries.conversation_id, seq) not in (
                          select hidden.conversation_id, hidden.message_seq
                          from mine
                          join hidden_messages hidden
                            on hidden.conversation_id = mine.conversation_id and hidden.user_id = $1)
                    order by created_at desc, seq desc
                    limit $13) entry
                order by entry.created_at desc, mine.conversation_id desc, entry.seq desc
                limit $13)
            select hits.conversation_id as "conversation_id: ConversationId", hits.seq, hits.created_at,
                   hits.floor_seq,
                   coalesce((ts_rank(hits.lexemes, hits.query, 1) * 1000000)::integer, 0) as "rank!",
                   (message.deleted_at is null
                    and message.edited_at is not distinct from hits.edited_at
                    and (message.expires_at is null or message.expires_at > $4)) as "is_current!"
            from hits
            join messages message
              on message.conversation_id = hits.conversation_id and message.seq = hits.seq
            order by hits.created_at desc, hits.conversation_id desc, hits.seq desc
            "#,
            $criteria.reader.0,
            $query,
            $criteria.conversations.as_deref() as Option<&[ConversationId]>,
            $criteria.now,
            $criteria.senders.as_deref() as Option<&[UserId]>,
            $criteria.kind as Option<MessageKind>,
            &$criteria.has as &[Trait],
            $criteria.before,
            $criteria.after,
            $criteria.older_than.map(|place| place.created_at),
            $criteria.older_than.map(|place| place.conversation_id.0),
            $criteria.older_than.map(|place| place.seq),
            $limit as i64
        )
        .map(|row| Hit {
            place: Place { created_at: row.created_at, conversation_id: row.conversation_id, seq: row.seq },
            rank: row.rank,
            is_current: row.is_current,
            floor_seq: row.floor_seq,
        })
        .fetch_all($db)
        .await
    };
}

/// The newest messages that fit, newest first.
pub async fn hits(db: &mut PgConnection, criteria: &Criteria<'_>, limit: usize) -> sqlx::Result<Vec<Hit>> {
    let query = template(criteria.wanted, criteria.unwanted);
    if criteria.wanted.is_empty() {
        // No words to go by: from the newest back, as long as it takes.
        return select_hits!(
            "search_entries.conversation_id = mine.conversation_id and (mine.query is null or lexemes @@ mine.query)",
            db,
            criteria,
            query,
            limit
        );
    }
    // The lexemes say which conversation is meant, but for others with the same digits. `is true` hides that from the
    // planner: knowing nothing of the query, it would rather read the whole conversation by its key.
    select_hits!(
        "lexemes @@ mine.query and (search_entries.conversation_id = mine.conversation_id) is true",
        db,
        criteria,
        query,
        limit
    )
}

/// The names of the reader's conversations, of those that have one.
pub async fn places(db: &mut PgConnection, reader: UserId) -> sqlx::Result<Vec<(ConversationId, String)>> {
    let rows = sqlx::query!(
        r#"
        select conversation.id as "id: ConversationId", conversation.name as "name!"
        from members member
        join conversations conversation on conversation.id = member.conversation_id
        where member.user_id = $1 and member.left_at is null and conversation.name is not null
        "#,
        reader.0,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// People by their usernames or ids.
pub async fn senders(db: &mut PgConnection, names: &[String]) -> sqlx::Result<Vec<UserId>> {
    let ids: Vec<UserId> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let names: Vec<_> = names.iter().map(|name| name.to_lowercase()).collect();
    sqlx::query_scalar!(
        r#"
        select id as "id: UserId"
        from users
        where lower(username) = any($1) or id = any($2)
        "#,
        &names,
        &ids as &[UserId],
    )
    .fetch_all(db)
    .await
}

/// A line as PostgreSQL asks for it, with [`KEY`] for the conversation; nothing where it asks for no words.
fn template(wanted: &[Clause], unwanted: &[Clause]) -> Option<String> {
    let unwanted = unwanted.iter().map(|clause| format!("!({})", phrase(clause)));
    let all: Vec<_> = wanted.iter().map(phrase).chain(unwanted).collect();
    (!all.is_empty()).then(|| all.join(" & "))
}

fn phrase(Clause(atoms): &Clause) -> String {
    let offsets = std::iter::once(0).chain(atoms.iter().map(|atom| atom.offset));
    let parts = atoms.iter().zip(offsets).map(|(atom, last)| match atom.offset - last {
        0 => operand(atom),
        distance => format!(" <{distance}> {}", operand(atom)),
    });
    parts.collect()
}

fn operand(Atom { term, fit, .. }: &Atom) -> String {
    match fit {
        Fit::Same => format!("'{KEY}{term}'"),
        Fit::Beginning => format!("'{KEY}{term}':*"),
        Fit::Stem => format!("('{KEY}{term}' | '{KEY}{}')", document::of_stem(term)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::search::query::Query;

    #[test]
    fn a_line_becomes_a_query_with_a_place_for_the_conversation() {
        for (line, expected) in [
            ("running", Some("('%run' | '%~run')")),
            ("\"a b\" c*", Some("'%a' <1> '%b' & '%c':*")),
            ("東京2024 -x", Some("'%東京' <2> '%2024' & !('%x')")),
            ("-\"a b\"", Some("!('%a' <1> '%b')")),
            ("has:link", None),
        ] {
            let query = Query::parse(line);
            assert_eq!(template(&query.wanted, &query.unwanted).as_deref(), expected, "{line}");
        }
    }
}
