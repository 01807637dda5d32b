//! What people did lately, wherever it was. Reads whole tables: for an operator's command, not for a server's doings.

use sqlx::PgConnection;

use crate::domain::{
    conversation::ConversationKind,
    ids::{ConversationId, UserId},
    policy::replay::{Act, Past},
};

/// The last things that people did, newest first.
pub async fn latest(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Past>> {
    sqlx::query_as!(
        Past,
        r#"
        select past.at as "at!", past.act as "act!: Act", past.user_id as "user_id!: UserId", person.roles,
               conversation.id as "conversation_id!: ConversationId", conversation.kind as "kind!: ConversationKind",
               conversation.category, past.body, past.sent_at as "sent_at!"
        from (
            (select created_at as at, 'sent' as act, conversation_id, sender_id as user_id, body, created_at as sent_at
             from messages
             where kind <> 'system'
             order by created_at desc
             limit $1)
            union all
            (select edit.edited_at, 'edited', edit.conversation_id, edit.editor_id, message.body, message.created_at
             from message_edits edit
             join messages message
               on message.conversation_id = edit.conversation_id and message.seq = edit.message_seq
             order by edit.edited_at desc
             limit $1)
            union all
            (select created_at, 'opened', id, created_by, null, created_at
             from conversations
             order by created_at desc
             limit $1)
            union all
            (select member.joined_at, 'joined', member.conversation_id, member.user_id, null, member.joined_at
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
    .await
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
