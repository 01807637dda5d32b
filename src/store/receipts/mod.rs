//! The two cursors of each member, and the marks that they leave.

pub mod counts;
pub mod moved;
pub mod moves;

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::domain::{
    ids::{ConversationId, MessageId, UserId},
    message::{Message, Status},
    receipt::{MessageReceipt, Receipt, ReceiptKind},
};

/// The two lowest cursors of each kind in a conversation: enough to tell what all others but one have reached.
#[derive(Clone, Debug, Default)]
pub struct Lows {
    read: Vec<(UserId, i64)>,
    delivered: Vec<(UserId, i64)>,
}

impl Lows {
    /// Takes in one of the lowest cursors.
    pub fn put(&mut self, kind: ReceiptKind, user: UserId, seq: i64) {
        let cursors = match kind {
            ReceiptKind::Read => &mut self.read,
            ReceiptKind::Delivered => &mut self.delivered,
        };
        cursors.push((user, seq));
        cursors.sort_unstable_by_key(|(_, seq)| *seq);
    }

    /// How far all others but its sender have come with a message.
    pub fn status(&self, sender: UserId, seq: i64) -> Status {
        let reached = |lowest: &[(UserId, i64)]| {
            lowest.iter().find(|(user, _)| *user != sender).is_some_and(|(_, cursor)| *cursor >= seq)
        };
        match () {
            () if reached(&self.read) => Status::Read,
            () if reached(&self.delivered) => Status::Delivered,
            () => Status::Sent,
        }
    }
}

/// The lowest cursors of some conversations.
pub type LowsByConversation = HashMap<ConversationId, Lows>;

/// Says in a message how far all others have come with it.
pub fn set_status(lows: &LowsByConversation, message: &mut Message) {
    if let Some(lows) = lows.get(&message.conversation_id) {
        message.status = lows.status(message.sender_id, message.seq);
    }
}

/// Selects the lowest cursors of the conversations that `$id` runs through.
macro_rules! select_lows {
    ($wanted:tt, $id:tt, $argument:expr) => {
        sqlx::query_as!(
            LowRow,
            r#"
            select low.conversation_id as "conversation_id!: ConversationId",
                   low.kind as "kind!: ReceiptKind",
                   low.user_id as "user_id!: UserId",
                   low.seq as "seq!"
            from "#
                + $wanted
                + r#" (
                (select conversation_id, 'read' as kind, user_id, read_seq as seq
                 from members
                 where conversation_id = "#
                + $id
                + r#" and left_at is null
                 order by read_seq
                 limit 2)
                union all
                (select conversation_id, 'delivered', user_id, delivered_seq
                 from members
                 where conversation_id = "#
                + $id
                + r#" and left_at is null
                 order by delivered_seq
                 limit 2)) as low
            "#,
            $argument
        )
    };
}

/// The lowest cursors of one conversation. Apart from those of many: for as many ids as there may be, PostgreSQL makes a plan that
/// one id is better off without, and so would make another each time.
pub async fn lows_of(db: &mut PgConnection, conversation: ConversationId) -> sqlx::Result<LowsByConversation> {
    Ok(by_conversation(select_lows!("", "$1", conversation.0).fetch_all(db).await?))
}

/// The lowest cursors of many conversations. How many is hidden in a question of its own: for few, PostgreSQL would make another
/// plan each time, since that seems cheaper than the one that it keeps, and is the same.
pub async fn lows(db: &mut PgConnection, conversations: &[ConversationId]) -> sqlx::Result<LowsByConversation> {
    let rows = select_lows!(
        "unnest((select $1::uuid[])) as wanted(id) cross join lateral",
        "wanted.id",
        conversations as &[ConversationId]
    );
    Ok(by_conversation(rows.fetch_all(db).await?))
}

struct LowRow {
    conversation_id: ConversationId,
    kind: ReceiptKind,
    user_id: UserId,
    seq: i64,
}

fn by_conversation(rows: Vec<LowRow>) -> LowsByConversation {
    let mut lows = LowsByConversation::new();
    for row in rows {
        lows.entry(row.conversation_id).or_default().put(row.kind, row.user_id, row.seq);
    }
    lows
}

/// Where the members of a conversation stand, the longest there first.
pub async fn of_conversation(
    db: &mut PgConnection,
    conversation: ConversationId,
    after: Option<UserId>,
    limit: usize,
) -> sqlx::Result<Vec<Receipt>> {
    sqlx::query_as!(
        Receipt,
        r#"
        select user_id as "user_id: UserId", delivered_seq, delivered_at, read_seq, read_at
        from members
        where conversation_id = $1 and left_at is null and ($2::uuid is null or user_id > $2)
        order by user_id
        limit $3
        "#,
        conversation.0,
        after.map(|user| user.0),
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// The same of many conversations at once.
pub async fn of_conversations(
    db: &mut PgConnection,
    conversations: &[ConversationId],
) -> sqlx::Result<HashMap<ConversationId, Vec<Receipt>>> {
    let rows = sqlx::query!(
        r#"
        select conversation_id as "conversation_id: ConversationId", user_id as "user_id: UserId", delivered_seq,
               delivered_at, read_seq, read_at
        from members
        where conversation_id = any($1) and left_at is null
        order by conversation_id, user_id
        "#,
        conversations as &[ConversationId],
    );
    let mut receipts: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows.fetch_all(db).await? {
        receipts.entry(row.conversation_id).or_default().push(Receipt {
            user_id: row.user_id,
            delivered_seq: row.delivered_seq,
            delivered_at: row.delivered_at,
            read_seq: row.read_seq,
            read_at: row.read_at,
        });
    }
    Ok(receipts)
}

/// When one message reached each of the present members but its sender, and those who may not see it because they joined later.
pub async fn of_message(
    db: &mut PgConnection,
    message: (ConversationId, i64, UserId),
    after: Option<UserId>,
    limit: usize,
) -> sqlx::Result<Vec<MessageReceipt>> {
    let (conversation, seq, sender) = message;
    sqlx::query_as!(
        MessageReceipt,
        r#"
        select member.user_id as "user_id: UserId",
               (select min(mark.at)
                from receipt_marks mark
                where mark.conversation_id = $1 and mark.user_id = member.user_id and mark.seq >= $2) as delivered_at,
               (select min(mark.at)
                from receipt_marks mark
                where mark.conversation_id = $1 and mark.user_id = member.user_id and mark.kind = 'read'
                  and mark.seq >= $2) as read_at
        from members member
        where member.conversation_id = $1 and member.left_at is null and member.user_id <> $3
          -- What somebody has cleared since, they were there for.
          and (member.floor_seq < $2 or member.floor_seq = member.cleared_seq)
          and ($4::uuid is null or member.user_id > $4)
        order by member.user_id
        limit $5
        "#,
        conversation.0,
        seq,
        sender.0,
        after.map(|user| user.0),
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// Hides a message from one person; says whether it was not hidden before.
pub async fn hide(db: &mut PgConnection, conversation: ConversationId, user: UserId, seq: i64) -> sqlx::Result<bool> {
    let hidden = sqlx::query!(
        "insert into hidden_messages (conversation_id, user_id, message_seq)
         values ($1, $2, $3)
         on conflict do nothing",
        conversation.0,
        user.0,
        seq,
    )
    .execute(db)
    .await?;
    Ok(hidden.rows_affected() == 1)
}

/// Whether a person hid a message.
pub async fn is_hidden(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    id: MessageId,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select
            from hidden_messages hidden
            join messages message on message.conversation_id = hidden.conversation_id and message.seq = hidden.message_seq
            where hidden.conversation_id = $1 and hidden.user_id = $2 and message.id = $3) as "is_hidden!"
        "#,
        conversation.0,
        user.0,
        id.0,
    )
    .fetch_one(db)
    .await
}
