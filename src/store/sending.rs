//! Everything that a batch of sends is decided on, in one question.

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

/// Selects what sends are decided on. Each part is found by itself, by its whole key, and says that there is but one of it: so no
/// statistics can lead to a plan that reads all members of a group, or all people, for each message.
macro_rules! select_facts {
    ($with:literal, $is_current:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            $with + r#"
            select question.ord as "ord!","# + $is_current + r#" as "is_current!",
                   conversation.kind as "kind!: ConversationKind",
                   member.role as "role!: Role",
                   conversation.category as "category?",
                   sender.roles as "sender_roles!",
                   sender.banned_until as "banned_until?",
                   coalesce(peer.roles, '{}') as "peer_roles!",
                   conversation.head_seq as "head_seq!",
                   conversation.message_no as "message_no!",
                   conversation.expires_in as "expires_in?",
                   member.read_seq as "read_seq!",
                   member.floor_seq as "floor_seq!",
                   coalesce(peer.is_blocked, false) as "is_blocked!",
                   earlier.sender_id as "earlier_sender_id?: UserId",
                   earlier.fingerprint as "earlier_fingerprint?",
                   reply.id as "reply_id?: MessageId",
                   reply.seq as "reply_seq?",
                   reply.sender_id as "reply_sender_id?: UserId",
                   reply.kind as "reply_kind?: MessageKind",
                   case when reply.expires_at <= $5 then null else left(reply.body, 140) end as reply_preview,
                   coalesce(reply.deleted_at, case when reply.expires_at <= $5 then reply.expires_at end) as "reply_deleted_at?"
            from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) with ordinality
                 as question(conversation_id, sender_id, message_id, reply_to, ord)
            cross join lateral (
                select kind, category, head_seq, message_no, expires_in
                from conversations
                where id = question.conversation_id
                limit 1) as conversation
            cross join lateral (
                select role, read_seq, floor_seq, left_at
                from members
                where conversation_id = question.conversation_id and user_id = question.sender_id
                limit 1) as member
            cross join lateral (
                select roles, banned_until, deleted_at
                from users
                where id = question.sender_id
                limit 1) as sender
            left join lateral (
                select person.roles,
                       exists (select from blocks where user_id = other.user_id and blocked_id = question.sender_id)
                           or exists (select from blocks where user_id = question.sender_id and blocked_id = other.user_id)
                           as is_blocked
                from members other
                join users person on person.id = other.user_id
                where conversation.kind = 'direct'
                  and other.conversation_id = question.conversation_id and other.user_id <> question.sender_id
                limit 1) as peer on true
            left join lateral (
                select sender_id, fingerprint
                from messages
                where conversation_id = question.conversation_id and id = question.message_id
                limit 1) as earlier on true
            left join lateral (
                select id, seq, sender_id, kind, body, expires_at, deleted_at
                from messages
                where conversation_id = question.conversation_id and id = question.reply_to
                limit 1) as reply on reply.seq > member.floor_seq
            where member.left_at is null and sender.deleted_at is null
            "#,
            $($argument),+
        )
    };
}

/// Answers all questions, in their order.
pub async fn facts(db: &mut PgConnection, questions: &[Question], now: Time) -> sqlx::Result<Vec<Option<Facts>>> {
    let (conversations, senders, messages, replies) = columns(questions);
    let rows = select_facts!("", "true", &conversations, &senders, &messages, &replies as &[Option<MessageId>], now);
    Ok(in_order(rows.fetch_all(db).await?, questions.len()))
}

/// Locks the conversations, always in the same order, until the transaction ends; and answers all questions about them, in
/// their order.
///
/// One statement sees everything as it was when it began, even if it waits for a lock later; but what it locks it sees as
/// it is then. So where a log has not moved meanwhile, nothing that the lock protects has changed, and the answers hold;
/// else they are asked for once more, now under the locks.
pub async fn lock(db: &mut PgConnection, questions: &[Question], now: Time) -> sqlx::Result<Vec<Option<Facts>>> {
    let (conversations, senders, messages, replies) = columns(questions);
    let rows = select_facts!(
        "with locked as materialized (
             select id, head_seq
             from conversations
             where id = any($1)
             order by id
             for no key update)",
        "(select count(*)
          from locked
          cross join lateral (select head_seq from conversations where id = locked.id limit 1) as seen
          where seen.head_seq = locked.head_seq)
             = (select count(*) from conversations where id = any($1))",
        &conversations,
        &senders,
        &messages,
        &replies as &[Option<MessageId>],
        now
    );
    let rows = rows.fetch_all(&mut *db).await?;
    if rows.iter().all(|row| row.is_current) {
        Ok(in_order(rows, questions.len()))
    } else {
        facts(db, questions, now).await
    }
}

fn columns(questions: &[Question]) -> (Vec<Uuid>, Vec<Uuid>, Vec<Uuid>, Vec<Option<MessageId>>) {
    let column = |pick: fn(&Question) -> Uuid| questions.iter().map(pick).collect();
    (
        column(|question| question.conversation_id.0),
        column(|question| question.sender_id.0),
        column(|question| question.message_id.0),
        questions.iter().map(|question| question.reply_to).collect(),
    )
}

fn in_order(rows: Vec<Row>, questions: usize) -> Vec<Option<Facts>> {
    let mut answers = vec![None; questions];
    for row in rows {
        let place = row.ord as usize - 1;
        answers[place] = Some(row.into());
    }
    answers
}

struct Row {
    ord: i64,
    is_current: bool,
    kind: ConversationKind,
    role: Role,
    category: Option<String>,
    sender_roles: Vec<String>,
    banned_until: Option<Time>,
    peer_roles: Vec<String>,
    head_seq: i64,
    message_no: i64,
    expires_in: Option<i32>,
    read_seq: i64,
    floor_seq: i64,
    is_blocked: bool,
    earlier_sender_id: Option<UserId>,
    earlier_fingerprint: Option<Vec<u8>>,
    reply_id: Option<MessageId>,
    reply_seq: Option<i64>,
    reply_sender_id: Option<UserId>,
    reply_kind: Option<MessageKind>,
    reply_preview: Option<String>,
    reply_deleted_at: Option<Time>,
}

impl From<Row> for Facts {
    fn from(row: Row) -> Self {
        let (preview, deleted_at) = (row.reply_preview, row.reply_deleted_at);
        let reply_to = match (row.reply_id, row.reply_seq, row.reply_sender_id, row.reply_kind) {
            (Some(id), Some(seq), Some(sender_id), Some(kind)) => {
                Some(ReplyTo { id, seq, sender_id, kind, preview, deleted_at })
            }
            _ => None,
        };
        Self {
            kind: row.kind,
            role: row.role,
            category: row.category,
            sender_roles: row.sender_roles,
            banned_until: row.banned_until,
            peer_roles: row.peer_roles,
            head_seq: row.head_seq,
            message_no: row.message_no,
            expires_in: row.expires_in,
            read_seq: row.read_seq,
            floor_seq: row.floor_seq,
            is_blocked: row.is_blocked,
            earlier: row.earlier_sender_id.zip(row.earlier_fingerprint),
            reply_to,
        }
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
