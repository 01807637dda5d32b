//! What people did lately, wherever it was. Reads whole tables: for an operator's command, not for a server's doings.

use sqlx::{PgConnection, types::Json};

use crate::domain::{
    attachment::{self, Attachment},
    clock::Time,
    conversation::ConversationKind,
    ids::{ConversationId, UserId},
    message::MessageKind,
    policy::replay::{Act, Past},
};

struct Row {
    at: Time,
    act: Act,
    user_id: UserId,
    roles: Vec<String>,
    conversation_id: ConversationId,
    kind: ConversationKind,
    category: Option<String>,
    body: Option<String>,
    message_kind: Option<MessageKind>,
    attachments: Option<Json<Vec<Attachment>>>,
    is_forwarded: bool,
    sent_at: Time,
}

impl From<Row> for Past {
    fn from(row: Row) -> Self {
        let files = row.attachments.map(|Json(files)| files).unwrap_or_default();
        let kinds = row.message_kind.map(|kind| attachment::kinds_in(kind, &files));
        // What was sent could carry what it carries.
        let kinds = kinds.and_then(Result::ok).unwrap_or_default();
        Self {
            at: row.at,
            act: row.act,
            user_id: row.user_id,
            roles: row.roles,
            conversation_id: row.conversation_id,
            kind: row.kind,
            category: row.category,
            body: row.body,
            attached: kinds.into_iter().zip(&files).map(|(kind, file)| (kind, file.size)).collect(),
            is_forwarded: row.is_forwarded,
            sent_at: row.sent_at,
        }
    }
}

/// The last things that people did, newest first.
pub async fn latest(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Past>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select past.at as "at!", past.act as "act!: Act", past.user_id as "user_id!: UserId", person.roles,
               conversation.id as "conversation_id!: ConversationId", conversation.kind as "kind!: ConversationKind",
               conversation.category, past.body, past.message_kind as "message_kind: MessageKind",
               past.attachments as "attachments: Json<Vec<Attachment>>", past.is_forwarded as "is_forwarded!", past.sent_at as "sent_at!"
        from (
            (select created_at as at, 'sent' as act, conversation_id, sender_id as user_id, body, kind as message_kind,
                    attachments, forwarded_from is not null as is_forwarded, created_at as sent_at
             from messages
             where kind <> 'system'
             order by created_at desc
             limit $1)
            union all
            (select edit.edited_at, 'edited', edit.conversation_id, edit.editor_id, message.body, message.kind, null,
                    false, message.created_at
             from message_edits edit
             join messages message
               on message.conversation_id = edit.conversation_id and message.seq = edit.message_seq
             order by edit.edited_at desc
             limit $1)
            union all
            (select created_at, 'opened', id, created_by, null, null, null, false, created_at
             from conversations
             order by created_at desc
             limit $1)
            union all
            (select member.joined_at, 'joined', member.conversation_id, member.user_id, null, null, null, false, member.joined_at
             from members member
             join conversations there on there.id = member.conversation_id and there.created_at < member.joined_at
             order by member.joined_at desc
             limit $1)) as past
        join conversations conversation on conversation.id = past.conversation_id
        join users person on person.id = past.user_id
        order by past.at desc
        limit $1
        "#,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Past::from).collect())
}

/// What the people in these conversations are in the application, each combination of roles once per conversation.
pub async fn roles(
    db: &mut PgConnection,
    conversations: &[ConversationId],
) -> sqlx::Result<Vec<(ConversationId, Vec<String>)>> {
    let rows = sqlx::query!(
        r#"
        select distinct member.conversation_id as "id: ConversationId", person.roles
        from members member
        join users person on person.id = member.user_id
        where member.conversation_id = any($1) and member.left_at is null
        "#,
        conversations as &[ConversationId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.roles)).collect())
}
