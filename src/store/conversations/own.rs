//! Conversations as their members see them, one or page by page.

use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    conversation::{ConversationFilter, ConversationKind, HistoryRule, OwnConversation},
    ids::{BlobId, ConversationId, UserId},
    member::Role,
    preferences::Notify,
};

/// A conversation as one member sees it, and what is still to be loaded of it.
#[derive(Debug)]
pub struct OwnRow {
    /// Who sees it so.
    pub user_id: UserId,
    /// All but the participants and the last message.
    pub own: OwnConversation,
    /// Where the newest message that the member may see was born.
    pub last_message_seq: Option<i64>,
    /// When one of the member's own cursors last moved, by the database's clock.
    pub moved_at: Time,
}

/// Selects conversations as their members see them at a time; the rest of the statement follows, and its arguments begin
/// at `$2`.
macro_rules! select_own {
    ($now:expr, $rest:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            r#"
            select user_id as "user_id!: UserId",
                   conversation_id as "conversation_id!: ConversationId",
                   role as "role!: Role",
                   floor_seq as "floor_seq!",
                   cleared_seq as "cleared_seq!",
                   moved_at as "moved_at!",
                   kind as "kind!: ConversationKind",
                   category, name, description,
                   avatar_id as "avatar: BlobId",
                   history_for_new_members as "history_for_new_members!: HistoryRule",
                   members_may_pin as "members_may_pin!",
                   expires_in,
                   created_by as "created_by!: UserId",
                   created_at as "created_at!",
                   updated_at as "updated_at!",
                   head_seq as "head_seq!",
                   member_count as "member_count!",
                   active_at as "active_at!",
                   pinned_at, archived_at, muted_until,
                   notify as "notify!: Notify",
                   draft,
                   unread as "unread!",
                   mentions as "mentions!",
                   last_message_seq
            from own_conversations($1)
            "# + $rest,
            $now
            $(, $argument)*
        )
    };
}

#[derive(Debug)]
struct Row {
    user_id: UserId,
    conversation_id: ConversationId,
    role: Role,
    floor_seq: i64,
    cleared_seq: i64,
    moved_at: Time,
    kind: ConversationKind,
    category: Option<String>,
    name: Option<String>,
    description: Option<String>,
    avatar: Option<BlobId>,
    history_for_new_members: HistoryRule,
    members_may_pin: bool,
    expires_in: Option<i32>,
    created_by: UserId,
    created_at: Time,
    updated_at: Time,
    head_seq: i64,
    member_count: i32,
    active_at: Time,
    pinned_at: Option<Time>,
    archived_at: Option<Time>,
    muted_until: Option<Time>,
    notify: Notify,
    draft: Option<String>,
    unread: i64,
    mentions: i64,
    last_message_seq: Option<i64>,
}

impl From<Row> for OwnRow {
    fn from(row: Row) -> Self {
        let shared = conversation!(row.conversation_id, row);
        let preferences = preferences!(row);
        let own = OwnConversation {
            shared,
            last_message: None,
            unread: row.unread,
            mentions: row.mentions,
            preferences,
            my_role: row.role,
            active_at: row.active_at,
            floor_seq: row.floor_seq,
        };
        Self { user_id: row.user_id, own, last_message_seq: row.last_message_seq, moved_at: row.moved_at }
    }
}

/// Where a page of one's list ended: pinned or not, how recent, and which.
#[derive(Clone, Copy, Debug)]
pub struct ListPlace {
    /// Pinned ones come first.
    pub is_pinned: bool,
    /// Newest activity first.
    pub active_at: Time,
    /// Decides between equals.
    pub id: ConversationId,
}

/// Some conversations as one member sees them, in no order.
pub async fn own(db: &mut PgConnection, user: UserId, ids: &[ConversationId], now: Time) -> sqlx::Result<Vec<OwnRow>> {
    let rows = select_own!(now, "where user_id = $2 and conversation_id = any($3)", user.0, ids as &[ConversationId]);
    Ok(rows.fetch_all(db).await?.into_iter().map(OwnRow::from).collect())
}

/// One conversation as each of some members sees it.
pub async fn own_of_many(
    db: &mut PgConnection,
    conversation: ConversationId,
    users: &[UserId],
    now: Time,
) -> sqlx::Result<Vec<OwnRow>> {
    let rows = select_own!(now, "where conversation_id = $2 and user_id = any($3)", conversation.0, users as &[UserId]);
    Ok(rows.fetch_all(db).await?.into_iter().map(OwnRow::from).collect())
}

/// One page of one's conversations: pinned first, newest activity first. Cleared ones stay away until something is said.
pub async fn list(
    db: &mut PgConnection,
    user: UserId,
    filter: &ConversationFilter,
    (after, limit): (Option<ListPlace>, usize),
    now: Time,
) -> sqlx::Result<Vec<OwnRow>> {
    if filter.is_plain() {
        return all(db, user, filter.archived, (after, limit), now).await;
    }
    let rows = select_own!(
        now,
        "where user_id = $2
           and (archived_at is not null) = $3
           and ($4::text is null or kind = $4)
           and ($5::text is null or category = $5)
           and ($6::boolean is null or (unread > 0) = $6)
           and (cleared_seq = 0 or last_message_seq is not null)
           and ($7::boolean is null
                or (pinned_at is not null, active_at, conversation_id) < ($7::boolean, $8::timestamptz, $9::uuid))
         order by (pinned_at is not null) desc, active_at desc, conversation_id desc
         limit $10",
        user.0,
        filter.archived,
        filter.kind as Option<ConversationKind>,
        filter.category,
        filter.unread,
        after.map(|place| place.is_pinned),
        after.map(|place| place.active_at),
        after.map(|place| place.id.0),
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(OwnRow::from).collect())
}

/// The same without any wish, as it is mostly asked for.
///
/// To plan it takes PostgreSQL ten times as long as to find a short page. So that it keeps one plan, that must seem no dearer
/// than any other: there is nothing here that may be left out, and who asks, of whom it may know that they are in few
/// conversations, is hidden in a question of its own.
async fn all(
    db: &mut PgConnection,
    user: UserId,
    archived: bool,
    (after, limit): (Option<ListPlace>, usize),
    now: Time,
) -> sqlx::Result<Vec<OwnRow>> {
    let rows = select_own!(
        now,
        "where user_id = (select $2::uuid)
           and (archived_at is not null) = $3
           and (cleared_seq = 0 or last_message_seq is not null)
           and (pinned_at is not null, active_at, conversation_id)
               < (coalesce($4::boolean, true), coalesce($5::timestamptz, 'infinity'),
                  coalesce($6::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
         order by (pinned_at is not null) desc, active_at desc, conversation_id desc
         limit $7",
        user.0,
        archived,
        after.map(|place| place.is_pinned),
        after.map(|place| place.active_at),
        after.map(|place| place.id.0),
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(OwnRow::from).collect())
}
