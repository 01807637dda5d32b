//! What concerns one person alone: preferences, hidden messages, blocks, and the log of their changes.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    ids::{ConversationId, MessageId, UserId},
    own::OwnPlace,
    preferences::{ConversationPreferences, Notify, Preferences},
};

/// What kind of own matter changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PersonalKind {
    /// The settings of a conversation.
    Preferences,
    /// A message was hidden.
    Hidden,
    /// The blocks.
    Block,
    /// A message to be sent later.
    Scheduled,
}

/// What changed, as the log says it: the tables say what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What kind of own matter.
    pub kind: PersonalKind,
    /// Of which conversation.
    pub conversation_id: Option<ConversationId>,
    /// Of which message.
    pub message_id: Option<MessageId>,
    /// Of whom.
    pub blocked_id: Option<UserId>,
}

impl Entry {
    /// The settings of a conversation changed.
    pub fn preferences(conversation: ConversationId) -> Self {
        Self { conversation_id: Some(conversation), ..Self::of(PersonalKind::Preferences) }
    }

    /// A message was hidden.
    pub fn hidden(conversation: ConversationId, message: MessageId) -> Self {
        Self { message_id: Some(message), conversation_id: Some(conversation), ..Self::of(PersonalKind::Hidden) }
    }

    /// Somebody was blocked, or is no more.
    pub fn block(blocked: UserId) -> Self {
        Self { blocked_id: Some(blocked), ..Self::of(PersonalKind::Block) }
    }

    /// A message to be sent later changed.
    pub fn scheduled(conversation: ConversationId, message: MessageId) -> Self {
        Self { message_id: Some(message), conversation_id: Some(conversation), ..Self::of(PersonalKind::Scheduled) }
    }

    fn of(kind: PersonalKind) -> Self {
        Self { kind, conversation_id: None, message_id: None, blocked_id: None }
    }
}

/// Takes the next place in a person's own log, under their row's lock, and writes what changed.
pub async fn log(db: &mut PgConnection, user_id: UserId, entry: Entry) -> sqlx::Result<OwnPlace> {
    let seq = sqlx::query_scalar!(
        "with head as (
             update users
             set own_seq = own_seq + 1
             where id = $1
             returning own_seq)
         insert into personal_changes (user_id, seq, kind, conversation_id, message_id, blocked_id)
         select $1, own_seq, $2, $3, $4, $5
         from head
         returning seq",
        user_id.0,
        entry.kind as PersonalKind,
        entry.conversation_id.map(|id| id.0),
        entry.message_id.map(|id| id.0),
        entry.blocked_id.map(|id| id.0),
    )
    .fetch_one(db)
    .await?;
    Ok(OwnPlace { user_id, seq })
}

/// The same for the settings of many people at once, each of one conversation; in no order.
pub async fn log_preferences(
    db: &mut PgConnection,
    changed: &[(UserId, ConversationId)],
) -> sqlx::Result<Vec<(ConversationId, OwnPlace)>> {
    let (users, conversations): (Vec<_>, Vec<_>) = changed.iter().map(|(user, id)| (user.0, id.0)).unzip();
    // Locked by themselves and in order, so that two who do this wait for each other but never in a circle.
    sqlx::query!("select id from users where id = any($1) order by id for no key update", &users)
        .fetch_all(&mut *db)
        .await?;
    let rows = sqlx::query!(
        r#"
        with entry as materialized (
             select user_id, conversation_id,
                    row_number() over (partition by user_id order by conversation_id) as place,
                    count(*) over (partition by user_id) as many
             from unnest($1::uuid[], $2::uuid[]) as changed(user_id, conversation_id)),
         head as (
             update users
             set own_seq = own_seq + many
             from entry
             where id = entry.user_id and entry.place = 1
             returning id, own_seq - many as before)
         insert into personal_changes (user_id, seq, kind, conversation_id)
         select entry.user_id, head.before + entry.place, 'preferences', entry.conversation_id
         from entry
         join head on head.id = entry.user_id
         returning user_id as "user_id: UserId", seq, conversation_id as "conversation_id!: ConversationId"
        "#,
        &users,
        &conversations,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id, OwnPlace { user_id: row.user_id, seq: row.seq })).collect())
}

/// Locks a person's own log until the transaction ends; false where the person is gone.
pub async fn lock(db: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    let found = sqlx::query!(
        "select id
         from users
         where id = $1 and deleted_at is null
         for no key update",
        user.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// The head of a person's own log.
pub async fn head(db: &mut PgConnection, user: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select own_seq from users where id = $1", user.0).fetch_one(db).await
}

/// The heads of many people's own logs.
pub async fn heads(db: &mut PgConnection, users: &[UserId]) -> sqlx::Result<Vec<(UserId, i64)>> {
    let rows = sqlx::query!(
        r#"
        select id as "id: UserId", own_seq
        from users
        where id = any($1)
        "#,
        users as &[UserId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.own_seq)).collect())
}

/// The entries of a person's own log after one place and up to another, in order; of what changed several times,
/// only the last.
pub async fn between(
    db: &mut PgConnection,
    user: UserId,
    after: i64,
    up_to: i64,
) -> sqlx::Result<Vec<(OwnPlace, Entry)>> {
    let rows = sqlx::query!(
        r#"
        select max(seq) as "seq!", kind as "kind: PersonalKind", conversation_id as "conversation_id: ConversationId",
               message_id as "message_id: MessageId", blocked_id as "blocked_id: UserId"
        from personal_changes
        where user_id = $1 and seq > $2 and seq <= $3
        group by kind, conversation_id, message_id, blocked_id
        order by max(seq)
        "#,
        user.0,
        after,
        up_to,
    )
    .fetch_all(db)
    .await?;
    let entries = rows.into_iter().map(|row| {
        let entry = Entry {
            kind: row.kind,
            conversation_id: row.conversation_id,
            message_id: row.message_id,
            blocked_id: row.blocked_id,
        };
        (OwnPlace { user_id: user, seq: row.seq }, entry)
    });
    Ok(entries.collect())
}

/// Locks one's settings of a conversation until the transaction ends. What is read afterwards is up to date.
pub async fn lock_preferences(db: &mut PgConnection, conversation: ConversationId, user: UserId) -> sqlx::Result<()> {
    // The member's row stands for them: there may be none of their own yet.
    sqlx::query!(
        "select
         from members
         where conversation_id = $1 and user_id = $2
         for no key update",
        conversation.0,
        user.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One's settings of a conversation; nothing where one is not in it.
pub async fn preferences(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
) -> sqlx::Result<Option<Preferences>> {
    sqlx::query_as!(
        Preferences,
        r#"
        select preference.pinned_at as "pinned_at?", preference.archived_at as "archived_at?",
               preference.muted_until as "muted_until?",
               coalesce(preference.notify, 'all') as "notify!: Notify", preference.draft as "draft?",
               member.cleared_seq
        from members member
        left join preferences preference
          on preference.conversation_id = member.conversation_id and preference.user_id = member.user_id
        where member.conversation_id = $1 and member.user_id = $2 and member.left_at is null
        "#,
        conversation.0,
        user.0,
    )
    .fetch_optional(db)
    .await
}

/// Writes one's settings of a conversation.
pub async fn save_preferences(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    preferences: &Preferences,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into preferences (conversation_id, user_id, pinned_at, archived_at, muted_until, notify, draft)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (conversation_id, user_id) do update
         set pinned_at = excluded.pinned_at, archived_at = excluded.archived_at, muted_until = excluded.muted_until,
             notify = excluded.notify, draft = excluded.draft",
        conversation.0,
        user.0,
        preferences.pinned_at,
        preferences.archived_at,
        preferences.muted_until,
        preferences.notify as Notify,
        preferences.draft,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes conversations in which something was sent out of the archives of all members but those for whom they are mute.
/// The conversations must be locked.
pub async fn unarchive(
    db: &mut PgConnection,
    conversations: &[ConversationId],
    now: Time,
) -> sqlx::Result<Vec<(UserId, ConversationPreferences)>> {
    let rows = sqlx::query!(
        r#"
        with missed as materialized (
            select member.conversation_id, member.user_id, member.cleared_seq
            from preferences archived
            join members member
              on member.conversation_id = archived.conversation_id and member.user_id = archived.user_id
            where archived.conversation_id = any($1) and archived.archived_at is not null
              and coalesce(archived.muted_until, '-infinity') <= $2 and member.left_at is null
            order by member.conversation_id, member.user_id
            for no key update of member)
        update preferences preference
        set archived_at = null
        from missed
        where preference.conversation_id = missed.conversation_id and preference.user_id = missed.user_id
          and preference.archived_at is not null and coalesce(preference.muted_until, '-infinity') <= $2
        returning preference.conversation_id as "conversation_id: ConversationId",
                  preference.user_id as "user_id: UserId", preference.pinned_at, preference.muted_until,
                  preference.notify as "notify: Notify", preference.draft, missed.cleared_seq as "cleared_seq!"
        "#,
        conversations as &[ConversationId],
        now,
    )
    .fetch_all(db)
    .await?;
    let back = rows.into_iter().map(|row| {
        let preferences = Preferences {
            pinned_at: row.pinned_at,
            archived_at: None,
            muted_until: row.muted_until,
            notify: row.notify,
            draft: row.draft,
            cleared_seq: row.cleared_seq,
        };
        (row.user_id, ConversationPreferences { conversation_id: row.conversation_id, preferences })
    });
    Ok(back.collect())
}

/// One's settings of all present conversations that changed after a place in one's own log.
pub async fn preferences_after(
    db: &mut PgConnection,
    user: UserId,
    after: i64,
) -> sqlx::Result<Vec<ConversationPreferences>> {
    let rows = sqlx::query!(
        r#"
        select member.conversation_id as "conversation_id: ConversationId",
               preference.pinned_at as "pinned_at?: Time", preference.archived_at as "archived_at?: Time",
               preference.muted_until as "muted_until?: Time",
               coalesce(preference.notify, 'all') as "notify!: Notify", preference.draft as "draft?",
               member.cleared_seq
        from members member
        left join preferences preference
          on preference.conversation_id = member.conversation_id and preference.user_id = member.user_id
        where member.user_id = $1 and member.left_at is null
          and member.conversation_id in (
              select conversation_id
              from personal_changes
              where user_id = $1 and seq > $2 and kind = 'preferences')
        "#,
        user.0,
        after,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ConversationPreferences { conversation_id: row.conversation_id, preferences: preferences!(row) })
        .collect())
}

/// Messages that one hid after a place in one's own log, in present conversations.
pub async fn hidden_after(
    db: &mut PgConnection,
    user: UserId,
    after: i64,
) -> sqlx::Result<Vec<(ConversationId, MessageId)>> {
    let rows = sqlx::query!(
        r#"
        select hidden.conversation_id as "conversation_id!: ConversationId", hidden.message_id as "message_id!: MessageId"
        from personal_changes hidden
        join members member on member.conversation_id = hidden.conversation_id and member.user_id = hidden.user_id
        where hidden.user_id = $1 and hidden.seq > $2 and hidden.kind = 'hidden' and member.left_at is null
        order by hidden.seq
        "#,
        user.0,
        after,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id, row.message_id)).collect())
}

/// Everybody whom a person blocks.
pub async fn blocks(db: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        select blocked_id as "blocked_id: UserId"
        from blocks
        where user_id = $1
        order by blocked_id
        "#,
        user.0,
    )
    .fetch_all(db)
    .await
}
