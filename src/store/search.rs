//! Searching: which messages fit, decided together with who may see them.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    ids::{ConversationId, UserId},
    message::MessageKind,
    search::{
        Trait, document,
        pace::Glance,
        page::{Hit, Place},
        query::{Atom, Clause, Fit},
    },
};

/// Stands in a template for what a conversation's lexemes begin with; no lexeme has it in it.
const KEY: char = '%';
/// Who sent nothing.
const NOBODY: &str = "@";

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

impl Criteria<'_> {
    /// Whether there is anything that an entry must have, to go by.
    pub fn has_lexemes(&self) -> bool {
        !self.wanted.is_empty() || self.senders.is_some() || self.kind.is_some() || !self.has.is_empty()
    }

    /// All of it that is asked of the lexemes, as PostgreSQL asks for it; nothing where nothing is.
    fn template(&self) -> Option<String> {
        self.asked_in(phrase, self.unwanted.iter())
    }

    /// The same as the index answers it, which does not know the order of words; nothing where that is no less.
    fn brought(&self) -> Option<String> {
        let is_word = |clause: &&Clause| clause.0.len() == 1;
        let is_loose = !self.wanted.iter().chain(self.unwanted).all(|clause| is_word(&clause));
        self.asked_in(words, self.unwanted.iter().filter(is_word)).filter(|_| is_loose)
    }

    fn asked_in<'a>(
        &'a self,
        wanted: fn(&Clause) -> String,
        unwanted: impl Iterator<Item = &'a Clause>,
    ) -> Option<String> {
        let all_of = |lexeme: String| format!("'{KEY}{lexeme}'");
        let words = self.wanted.iter().map(wanted);
        let no_words = unwanted.map(|clause| format!("!({})", phrase(clause)));
        let senders = self.senders.iter().map(|senders| {
            let any: Vec<_> = senders.iter().map(|sender| all_of(document::of_sender(*sender))).collect();
            // A lexeme that no entry has, where nobody is meant.
            if any.is_empty() { all_of(NOBODY.to_owned()) } else { format!("({})", any.join(" | ")) }
        });
        let kind = self.kind.map(|kind| all_of(document::of_kind(kind)));
        let has = self.has.iter().map(|what| all_of(document::of_trait(*what)));
        let all: Vec<_> = words.chain(senders).chain(kind).chain(has).chain(no_words).collect();
        (!all.is_empty()).then(|| all.join(" & "))
    }

    /// The words by which hits are ranked.
    fn ranked_by(&self) -> Option<String> {
        let words: Vec<_> = self.wanted.iter().map(phrase).collect();
        (!words.is_empty()).then(|| words.join(" & "))
    }
}

/// Asks for the newest entries that fit and that the reader may see; `$how` is how a conversation's entries are reached.
///
/// Whoever is blocked by the reader is not found; who blocks the reader is, or they could tell. An entry whose message
/// has changed since it was indexed is not current, and shown to nobody.
macro_rules! select_hits {
    ($how:literal, $db:expr, $criteria:expr, $limit:expr) => {
        sqlx::query!(
            r#"
            with mine as materialized (
                select conversation_id, floor_seq,
                       replace($2, '%', left(conversation_id::text, 6))::tsquery as query
                from members
                where user_id = $1 and left_at is null
                  and ($4::uuid[] is null or conversation_id = any($4))),
            hits as (
                select mine.conversation_id, mine.floor_seq, entry.seq, entry.created_at
                from mine
                cross join lateral (
                    select seq, created_at
                    from search_entries
                    where "# + $how + r#"
                      and seq > mine.floor_seq
                      and (expires_at is null or expires_at > $5)
                      -- Bounds even where there are none, or the planner would not think of the index on time.
                      and created_at < coalesce($6, 'infinity'::timestamptz)
                      and created_at > coalesce($7, '-infinity'::timestamptz)
                      and ($8::timestamptz is null
                           or (created_at, search_entries.conversation_id, seq) < ($8, $9::uuid, $10::bigint))
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
                    limit $11) entry
                order by entry.created_at desc, mine.conversation_id desc, entry.seq desc
                limit $11)
            -- What is large in an entry is only read of those that are among the newest of all.
            select hits.conversation_id as "conversation_id: ConversationId", hits.seq, hits.created_at,
                   hits.floor_seq,
                   coalesce((ts_rank(entry.lexemes, replace($3, '%', left(hits.conversation_id::text, 6))::tsquery, 1)
                             * 1000000)::integer, 0) as "rank!",
                   (message.deleted_at is null
                    and message.edited_at is not distinct from entry.edited_at
                    and (message.expires_at is null or message.expires_at > $5)) as "is_current!"
            from hits
            join search_entries entry
              on entry.conversation_id = hits.conversation_id and entry.seq = hits.seq
            join messages message
              on message.conversation_id = hits.conversation_id and message.seq = hits.seq
            order by hits.created_at desc, hits.conversation_id desc, hits.seq desc
            "#,
            $criteria.reader.0,
            $criteria.template(),
            $criteria.ranked_by(),
            $criteria.conversations.as_deref() as Option<&[ConversationId]>,
            $criteria.now,
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

/// The newest messages that fit, newest first, found by going through all of them from the newest back.
pub async fn hits_by_time(db: &mut PgConnection, criteria: &Criteria<'_>, limit: usize) -> sqlx::Result<Vec<Hit>> {
    select_hits!(
        "search_entries.conversation_id = mine.conversation_id and (mine.query is null or lexemes @@ mine.query)",
        db,
        criteria,
        limit
    )
}

/// The same, found by what they must have.
pub async fn hits_by_lexemes(db: &mut PgConnection, criteria: &Criteria<'_>, limit: usize) -> sqlx::Result<Vec<Hit>> {
    // The lexemes say which conversation is meant, but for others with the same digits. `is true` hides that from the
    // planner: knowing nothing of the query, it would rather read the whole conversation by its key.
    select_hits!(
        "lexemes @@ mine.query and (search_entries.conversation_id = mine.conversation_id) is true",
        db,
        criteria,
        limit
    )
}

/// In how many conversations the reader looks, and how many messages there are in these.
pub async fn extent(db: &mut PgConnection, criteria: &Criteria<'_>) -> sqlx::Result<(usize, i64)> {
    let extent = sqlx::query!(
        r#"
        select count(*) as "conversations!",
               coalesce(sum(greatest(progress.indexed_seq - member.floor_seq, 0)), 0)::bigint as "messages!"
        from members member
        join search_progress progress on progress.conversation_id = member.conversation_id
        where member.user_id = $1 and member.left_at is null
          and ($2::uuid[] is null or member.conversation_id = any($2))
        "#,
        criteria.reader.0,
        criteria.conversations.as_deref() as Option<&[ConversationId]>,
    )
    .fetch_one(db)
    .await?;
    Ok((extent.conversations as usize, extent.messages))
}

/// What so many of the newest messages in each conversation show, below where the search begins.
pub async fn glances(db: &mut PgConnection, criteria: &Criteria<'_>, depth: i64) -> sqlx::Result<Vec<Glance>> {
    sqlx::query_as!(
        Glance,
        r#"
        select greatest(progress.indexed_seq - member.floor_seq, 0) as "size!", glance.seen as "seen!",
               glance.fit as "fit!", case when $7::text is null then glance.fit else glance.brought end as "brought!",
               glance.oldest as "oldest!", glance.newest as "newest!"
        from members member
        join search_progress progress on progress.conversation_id = member.conversation_id
        cross join lateral (
            select count(*) as seen, min(created_at) as oldest, max(created_at) as newest,
                   count(*) filter (
                       where lexemes @@ replace($2, '%', left(member.conversation_id::text, 6))::tsquery) as fit,
                   count(*) filter (
                       where lexemes @@ replace($7, '%', left(member.conversation_id::text, 6))::tsquery) as brought
            from (
                select created_at, lexemes
                from search_entries
                where search_entries.conversation_id = member.conversation_id and seq > member.floor_seq
                  and created_at < coalesce(least($4::timestamptz, $5::timestamptz), 'infinity'::timestamptz)
                order by created_at desc, seq desc
                limit $6) newest) glance
        where member.user_id = $1 and member.left_at is null and glance.seen > 0
          and ($3::uuid[] is null or member.conversation_id = any($3))
        "#,
        criteria.reader.0,
        criteria.template(),
        criteria.conversations.as_deref() as Option<&[ConversationId]>,
        criteria.before,
        criteria.older_than.map(|place| place.created_at),
        depth,
        criteria.brought(),
    )
    .fetch_all(db)
    .await
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

fn phrase(Clause(atoms): &Clause) -> String {
    let offsets = std::iter::once(0).chain(atoms.iter().map(|atom| atom.offset));
    let parts = atoms.iter().zip(offsets).map(|(atom, last)| match atom.offset - last {
        0 => operand(atom),
        distance => format!(" <{distance}> {}", operand(atom)),
    });
    parts.collect()
}

/// The words of a phrase in any order, wherever they stand.
fn words(Clause(atoms): &Clause) -> String {
    atoms.iter().map(operand).collect::<Vec<_>>().join(" & ")
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

    fn template(line: &str, senders: Option<&[u128]>, kind: Option<MessageKind>) -> Option<String> {
        asked(line, senders, kind).0
    }

    /// What is asked of the lexemes, and of the index where that is less.
    fn asked(line: &str, senders: Option<&[u128]>, kind: Option<MessageKind>) -> (Option<String>, Option<String>) {
        let query = Query::parse(line);
        let senders = senders.map(|senders| senders.iter().map(|id| UserId(uuid::Uuid::from_u128(*id))).collect());
        let criteria = Criteria {
            reader: UserId(uuid::Uuid::nil()),
            now: Time::UNIX_EPOCH,
            wanted: &query.wanted,
            unwanted: &query.unwanted,
            conversations: None,
            senders,
            kind,
            has: query.has.clone(),
            before: None,
            after: None,
            older_than: None,
        };
        (criteria.template(), criteria.brought())
    }

    #[test]
    fn a_line_becomes_a_query_with_a_place_for_the_conversation() {
        for (line, expected) in [
            ("running", Some("('%run' | '%~run')")),
            ("\"a b\" c*", Some("'%a' <1> '%b' & '%c':*")),
            ("東京2024 -x", Some("'%東京' <2> '%2024' & !('%x')")),
            ("-\"a b\"", Some("!('%a' <1> '%b')")),
            ("has:link -x", Some("'%+link' & !('%x')")),
            ("", None),
        ] {
            assert_eq!(template(line, None, None).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_phrase_brings_all_that_have_its_words() {
        let brought = |line| asked(line, None, None).1;

        assert_eq!(brought("\"a b\" c* -\"d e\" -x").as_deref(), Some("'%a' & '%b' & '%c':* & !('%x')"));
        assert_eq!(brought("a -x"), None);
    }

    #[test]
    fn what_is_asked_beside_the_words_is_asked_of_the_lexemes_too() {
        let [one, other] = ["00000000000000000000000000000001", "00000000000000000000000000000002"];

        assert_eq!(template("", Some(&[]), None).as_deref(), Some("'%@'"));
        let expected = format!("'%a' & ('%@{one}' | '%@{other}') & '%#voice_note'");
        assert_eq!(template("a", Some(&[1, 2]), Some(MessageKind::VoiceNote)), Some(expected));
    }
}
