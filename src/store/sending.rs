//! Everything that a batch of sends is decided on, in one question.

use std::{collections::HashMap, iter};

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    clock::Time,
    conversation::ConversationKind,
    ids::{ConversationId, MessageId, UserId},
    member::Role,
    message::{MessageKind, ReplyTo},
};

/// What one send asks about.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Where to.
    pub conversation_id: ConversationId,
    /// Who sends.
    pub sender_id: UserId,
    /// The message's id.
    pub message_id: MessageId,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
}

/// What one send is decided on; nothing where the sender is not a member.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Direct or group.
    pub kind: ConversationKind,
    /// The sender's role.
    pub role: Role,
    /// Of the group.
    pub category: Option<String>,
    /// What the sender is in the application.
    pub sender_roles: Vec<String>,
    /// Until when the sender is banned.
    pub banned_until: Option<Time>,
    /// What the other one of a direct conversation is.
    pub peer_roles: Vec<String>,
    /// The log's head.
    pub head_seq: i64,
    /// The number of the last countable message.
    pub message_no: i64,
    /// Seconds after which what is said there goes by itself.
    pub expires_in: Option<i32>,
    /// The sender's read cursor.
    pub read_seq: i64,
    /// What the sender may see lies above it.
    pub floor_seq: i64,
    /// Whether, in a direct conversation, one of the two blocks the other.
    pub is_blocked: bool,
    /// The message that has this id already: who sent it, and what was sent.
    pub earlier: Option<(UserId, Vec<u8>)>,
    /// The message to answer, where the sender may see it.
    pub reply_to: Option<ReplyTo>,
}

/// Selects what sends are decided on: of each who speaks somewhere, once however much they say; and of each message that is
/// there already. Each part is found by itself, by its whole key, and says that there is but one of it: so no statistics can
/// lead to a plan that reads all members of a group, or all people, for each message.
macro_rules! select_facts {
    ($with:literal, $is_current:literal, $join:literal, $asked:expr, $now:expr) => {
        sqlx::query_as!(
            Row,
            "with "
                + $with
                + r#"found as materialized (
                select message.*
                from unnest($3::uuid[], $4::uuid[]) as wanted(conversation_id, id)
                cross join lateral (
                    select conversation_id, id, seq, sender_id, kind, fingerprint,
                           case when expires_at <= $5 then null else left(body, 140) end as preview,
                           coalesce(deleted_at, case when expires_at <= $5 then expires_at end) as deleted_at
                    from messages
                    where conversation_id = wanted.conversation_id and id = wanted.id
                    limit 1) as message)
            select speaker.ord as "ord?","#
                + $is_current
                + r#" as "is_current?",
                   conversation.kind as "kind?: ConversationKind",
                   member.role as "role?: Role",
                   conversation.category as "category?",
                   sender.roles as "sender_roles?",
                   sender.banned_until as "banned_until?",
                   peer.roles as "peer_roles?",
                   conversation.head_seq as "head_seq?",
                   conversation.message_no as "message_no?",
                   conversation.expires_in as "expires_in?",
                   member.read_seq as "read_seq?",
                   member.floor_seq as "floor_seq?",
                   peer.is_blocked as "is_blocked?",
                   found.conversation_id as "found_in?: ConversationId",
                   found.id as "found_id?: MessageId",
                   found.seq as "found_seq?",
                   found.sender_id as "found_sender_id?: UserId",
                   found.kind as "found_kind?: MessageKind",
                   found.fingerprint as "found_fingerprint?",
                   found.preview as "found_preview?",
                   found.deleted_at as "found_deleted_at?"
            from unnest($1::uuid[], $2::uuid[]) with ordinality as speaker(conversation_id, sender_id, ord)
            left join lateral (
                select kind, category, head_seq, message_no, expires_in
                from conversations
                where id = speaker.conversation_id
                limit 1) as conversation on true
            left join lateral (
                select role, read_seq, floor_seq, left_at
                from members
                where conversation_id = speaker.conversation_id and user_id = speaker.sender_id
                limit 1) as member on member.left_at is null
            left join lateral (
                select roles, banned_until, deleted_at
                from users
                where id = speaker.sender_id
                limit 1) as sender on sender.deleted_at is null
            left join lateral (
                select person.roles,
                       exists (select from blocks
                               where user_id = any(array[other.user_id, speaker.sender_id])
                                 and blocked_id = any(array[other.user_id, speaker.sender_id])) as is_blocked
                from members other
                join users person on person.id = other.user_id
                where conversation.kind = 'direct'
                  and other.conversation_id = speaker.conversation_id and other.user_id <> speaker.sender_id
                limit 1) as peer on true"#
                + $join
                + r#"
            -- Neither has to do with the other: the one kind of rows comes after the other.
            full join found on false
            "#,
            &$asked.conversations,
            &$asked.senders,
            &$asked.message_conversations,
            &$asked.messages,
            $now
        )
    };
}

/// Answers all questions, in their order.
pub async fn facts(db: &mut PgConnection, questions: &[Question], now: Time) -> sqlx::Result<Vec<Option<Facts>>> {
    let asked = Asked::of(questions);
    let rows = select_facts!("", "true", "", asked, now);
    Ok(asked.answer(questions, rows.fetch_all(db).await?))
}

/// Locks the conversations, always in the same order, until the transaction ends; and answers all questions about them, in
/// their order.
///
/// One statement sees everything as it was when it began, even if it waits for a lock later; but what it locks it sees as
/// it is then. So where a log has not moved meanwhile, nothing that the lock protects has changed, and the answers hold;
/// else they are asked for once more, now under the locks.
pub async fn lock(db: &mut PgConnection, questions: &[Question], now: Time) -> sqlx::Result<Vec<Option<Facts>>> {
    let asked = Asked::of(questions);
    let rows = select_facts!(
        "locked as materialized (
             select id, head_seq
             from conversations
             where id = any($1)
             order by id
             for no key update),
         ",
        "locked.head_seq is not distinct from conversation.head_seq",
        "
            left join locked on locked.id = speaker.conversation_id",
        asked,
        now
    );
    let rows = rows.fetch_all(&mut *db).await?;
    if rows.iter().any(|row| row.is_current == Some(false)) {
        facts(db, questions, now).await
    } else {
        Ok(asked.answer(questions, rows))
    }
}

/// What is asked of the database: who speaks where, and which messages may be there already.
#[derive(Debug, Default)]
struct Asked {
    conversations: Vec<Uuid>,
    senders: Vec<Uuid>,
    message_conversations: Vec<Uuid>,
    messages: Vec<Uuid>,
    /// Who speaks, by the question.
    speakers: Vec<usize>,
}

impl Asked {
    fn of(questions: &[Question]) -> Self {
        let mut asked = Self::default();
        let mut places = HashMap::new();
        for Question { conversation_id, sender_id, message_id, reply_to } in questions {
            let place = *places.entry((conversation_id, sender_id)).or_insert_with(|| {
                asked.conversations.push(conversation_id.0);
                asked.senders.push(sender_id.0);
                asked.senders.len() - 1
            });
            asked.speakers.push(place);
            for message in iter::once(message_id).chain(reply_to) {
                asked.message_conversations.push(conversation_id.0);
                asked.messages.push(message.0);
            }
        }
        asked
    }

    fn answer(&self, questions: &[Question], rows: Vec<Row>) -> Vec<Option<Facts>> {
        let mut speakers = vec![None; self.senders.len()];
        let mut messages = HashMap::new();
        for row in rows {
            match row.ord {
                Some(ord) => speakers[ord as usize - 1] = row.speaker(),
                None => messages.extend(row.found()),
            }
        }
        let answer = |(question, speaker): (&Question, &usize)| {
            let mut facts: Facts = speakers[*speaker].clone()?;
            let found = |id| messages.get(&(question.conversation_id, id));
            facts.earlier =
                found(question.message_id).map(|found: &Found| (found.reply.sender_id, found.fingerprint.clone()));
            facts.reply_to = question.reply_to.and_then(found).map(|found| found.reply.clone());
            facts.reply_to = facts.reply_to.filter(|reply| reply.seq > facts.floor_seq);
            Some(facts)
        };
        questions.iter().zip(&self.speakers).map(answer).collect()
    }
}

/// A message that is there already.
struct Found {
    reply: ReplyTo,
    fingerprint: Vec<u8>,
}

/// Of somebody who speaks, or of a message.
struct Row {
    ord: Option<i64>,
    is_current: Option<bool>,
    kind: Option<ConversationKind>,
    role: Option<Role>,
    category: Option<String>,
    sender_roles: Option<Vec<String>>,
    banned_until: Option<Time>,
    peer_roles: Option<Vec<String>>,
    head_seq: Option<i64>,
    message_no: Option<i64>,
    expires_in: Option<i32>,
    read_seq: Option<i64>,
    floor_seq: Option<i64>,
    is_blocked: Option<bool>,
    found_in: Option<ConversationId>,
    found_id: Option<MessageId>,
    found_seq: Option<i64>,
    found_sender_id: Option<UserId>,
    found_kind: Option<MessageKind>,
    found_fingerprint: Option<Vec<u8>>,
    found_preview: Option<String>,
    found_deleted_at: Option<Time>,
}

impl Row {
    /// Nothing of one who is not a member.
    fn speaker(self) -> Option<Facts> {
        Some(Facts {
            kind: self.kind?,
            role: self.role?,
            category: self.category,
            sender_roles: self.sender_roles?,
            banned_until: self.banned_until,
            peer_roles: self.peer_roles.unwrap_or_default(),
            head_seq: self.head_seq?,
            message_no: self.message_no?,
            expires_in: self.expires_in,
            read_seq: self.read_seq?,
            floor_seq: self.floor_seq?,
            is_blocked: self.is_blocked.unwrap_or_default(),
            earlier: None,
            reply_to: None,
        })
    }

    fn found(self) -> Option<((ConversationId, MessageId), Found)> {
        let (id, seq, sender_id) = (self.found_id?, self.found_seq?, self.found_sender_id?);
        let (preview, deleted_at) = (self.found_preview, self.found_deleted_at);
        let reply = ReplyTo { id, seq, sender_id, kind: self.found_kind?, preview, deleted_at };
        Some(((self.found_in?, id), Found { reply, fingerprint: self.found_fingerprint? }))
    }
}

/// Which of these roles nobody has who is in these conversations.
pub async fn missing_roles(
    db: &mut PgConnection,
    wanted: &[(ConversationId, &str)],
) -> sqlx::Result<Vec<(ConversationId, String)>> {
    let (conversations, roles): (Vec<_>, Vec<_>) =
        wanted.iter().map(|(conversation, role)| (conversation.0, (*role).to_owned())).unzip();
    let rows = sqlx::query!(
        r#"
        select wanted.conversation_id as "conversation_id!: ConversationId", wanted.role as "role!"
        from unnest($1::uuid[], $2::text[]) as wanted(conversation_id, role)
        where not exists (
            select from members member
            join users person on person.id = member.user_id
            where member.conversation_id = wanted.conversation_id and member.left_at is null
              and wanted.role = any(person.roles))
        "#,
        &conversations,
        &roles,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id, row.role)).collect())
}

/// Which of these people are in which of these conversations now.
pub async fn present(
    db: &mut PgConnection,
    pairs: &[(ConversationId, UserId)],
) -> sqlx::Result<Vec<(ConversationId, UserId)>> {
    let (conversations, users): (Vec<_>, Vec<_>) =
        pairs.iter().map(|(conversation, user)| (conversation.0, user.0)).unzip();
    let rows = sqlx::query!(
        r#"
        select member.conversation_id as "conversation_id: ConversationId", member.user_id as "user_id: UserId"
        from unnest($1::uuid[], $2::uuid[]) as asked(conversation_id, user_id)
        join members member
          on member.conversation_id = asked.conversation_id and member.user_id = asked.user_id
        where member.left_at is null
        "#,
        &conversations,
        &users,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id, row.user_id)).collect())
}
