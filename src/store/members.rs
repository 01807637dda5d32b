//! Who is in which conversation, and what rules are decided on.

use serde_json::Value;
use sqlx::PgConnection;

use crate::domain::{
    clock::Time,
    conversation::{ConversationKind, HistoryRule},
    ids::{BlobId, ConversationId, UserId},
    member::{Participant, Role, Standing},
};

/// Selects participants with their profiles; the rest of the statement follows the joins.
macro_rules! select_participants {
    ($rest:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            r#"
            select member.conversation_id as "conversation_id!: ConversationId",
                   member.user_id as "user_id!: UserId",
                   member.role as "role!: Role",
                   member.joined_at as "joined_at!",
                   member.left_at,
                   member.changed_seq as "changed_seq!",
                   person.external_id,
                   person.username,
                   person.display_name as "display_name!",
                   person.avatar_id as "avatar: BlobId",
                   person.metadata as "metadata!",
                   person.roles as "roles!",
                   person.created_at as "created_at!"
            from members member
            join users person on person.id = member.user_id
            "# + $rest
            $(, $argument)*
        )
    };
}

#[derive(Debug)]
struct Row {
    conversation_id: ConversationId,
    user_id: UserId,
    role: Role,
    joined_at: Time,
    left_at: Option<Time>,
    changed_seq: i64,
    external_id: Option<String>,
    username: Option<String>,
    display_name: String,
    avatar: Option<BlobId>,
    metadata: Value,
    roles: Vec<String>,
    created_at: Time,
}

impl From<Row> for Participant {
    fn from(row: Row) -> Self {
        Self {
            conversation_id: row.conversation_id,
            user_id: row.user_id,
            role: row.role,
            joined_at: row.joined_at,
            left_at: row.left_at,
            changed_seq: row.changed_seq,
            user: profile!(row.user_id, row),
        }
    }
}

/// The facts about one person in a conversation; nothing where they are not in it.
pub async fn standing(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
) -> sqlx::Result<Option<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"
        select conversation.id as "conversation_id: ConversationId",
               conversation.kind as "kind: ConversationKind",
               conversation.category,
               conversation.history_for_new_members as "history_for_new_members: HistoryRule",
               conversation.members_may_pin,
               conversation.head_seq,
               conversation.message_no,
               conversation.member_count,
               member.role as "role: Role",
               person.roles as person_roles,
               member.floor_seq
        from members member
        join conversations conversation on conversation.id = member.conversation_id
        join users person on person.id = member.user_id
        where member.conversation_id = $1 and member.user_id = $2 and member.left_at is null
        "#,
        conversation.0,
        user.0,
    )
    .fetch_optional(db)
    .await
}

/// A member to be written: new, or back again.
#[derive(Clone, Copy, Debug)]
pub struct NewMember {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// The log's entry of the joining; 0 for those who were in it from the beginning.
    pub changed_seq: i64,
}

/// What members who join together see of the conversation.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    /// When.
    pub at: Time,
    /// Messages up to here are not for them.
    pub floor_seq: i64,
    /// The log's head after the joining; they have read up to here.
    pub head_seq: i64,
    /// The number of the last countable message.
    pub message_no: i64,
}

/// Writes members who join; one who was in it before begins anew.
pub async fn insert(
    db: &mut PgConnection,
    conversation: ConversationId,
    new: &[NewMember],
    joining: Joining,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into members as member (conversation_id, user_id, role, changed_seq, joined_at, floor_seq, floor_no,
                                        read_seq, read_no, delivered_seq)
         select $1, new.user_id, new.role, new.changed_seq, $5, $6, $8, $7, $8, $7
         from unnest($2::uuid[], $3::text[], $4::bigint[]) as new(user_id, role, changed_seq)
         on conflict (conversation_id, user_id) do update
         set role = excluded.role, changed_seq = excluded.changed_seq, joined_at = excluded.joined_at, left_at = null,
             floor_seq = greatest(member.cleared_seq, excluded.floor_seq), floor_no = excluded.floor_no,
             read_seq = excluded.read_seq, read_no = excluded.read_no,
             delivered_seq = excluded.delivered_seq, moved_at = now(), admitted_at = now()",
        conversation.0,
        &new.iter().map(|member| member.user_id.0).collect::<Vec<_>>(),
        &new.iter().map(|member| member.role).collect::<Vec<_>>() as &[Role],
        &new.iter().map(|member| member.changed_seq).collect::<Vec<_>>(),
        joining.at,
        joining.floor_seq,
        joining.head_seq,
        joining.message_no,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Marks a member as gone.
pub async fn remove(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    changed_seq: i64,
    now: Time,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update members
         set left_at = $4, changed_seq = $3
         where conversation_id = $1 and user_id = $2",
        conversation.0,
        user.0,
        changed_seq,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives a member another role.
pub async fn change_role(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    role: Role,
    changed_seq: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update members
         set role = $3, changed_seq = $4
         where conversation_id = $1 and user_id = $2",
        conversation.0,
        user.0,
        role as Role,
        changed_seq,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Some participants, present or gone.
pub async fn participants(
    db: &mut PgConnection,
    conversation: ConversationId,
    users: &[UserId],
) -> sqlx::Result<Vec<Participant>> {
    let rows = select_participants!(
        "where member.conversation_id = $1 and member.user_id = any($2)
         order by member.changed_seq, member.user_id",
        conversation.0,
        users as &[UserId]
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Participant::from).collect())
}

/// A page of the present participants, in the order in which they came.
pub async fn page(
    db: &mut PgConnection,
    conversation: ConversationId,
    after: Option<(Time, UserId)>,
    limit: usize,
) -> sqlx::Result<Vec<Participant>> {
    let rows = select_participants!(
        "where member.conversation_id = $1 and member.left_at is null
           and ($2::timestamptz is null or (member.joined_at, member.user_id) > ($2, $3::uuid))
         order by member.joined_at, member.user_id
         limit $4",
        conversation.0,
        after.map(|(joined_at, _)| joined_at),
        after.map(|(_, user)| user.0),
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Participant::from).collect())
}

/// The first `limit` present participants of each of many conversations, whose number is hidden from the planner: see
/// [`receipts::lows`](super::receipts::lows).
pub async fn first_of_each(
    db: &mut PgConnection,
    conversations: &[ConversationId],
    limit: usize,
) -> sqlx::Result<Vec<Participant>> {
    let rows = select_participants!(
        "join (select wanted.id, first.user_id
               from unnest((select $1::uuid[])) as wanted(id)
               cross join lateral (
                   select user_id
                   from members
                   where conversation_id = wanted.id and left_at is null
                   order by joined_at, user_id
                   limit $2) as first) as embedded
           on embedded.id = member.conversation_id and embedded.user_id = member.user_id
         order by member.conversation_id, member.joined_at, member.user_id",
        conversations as &[ConversationId],
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Participant::from).collect())
}

/// Participants changed after a place in the log, leavers included, in the log's order.
pub async fn changed_after(
    db: &mut PgConnection,
    conversation: ConversationId,
    after: i64,
    limit: usize,
) -> sqlx::Result<Vec<Participant>> {
    let rows = select_participants!(
        "where member.conversation_id = $1 and member.changed_seq > $2
         order by member.changed_seq
         limit $3",
        conversation.0,
        after,
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Participant::from).collect())
}

/// Which of these people are in the conversation now.
pub async fn present(
    db: &mut PgConnection,
    conversation: ConversationId,
    users: &[UserId],
) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"
        select user_id as "user_id: UserId"
        from members
        where conversation_id = $1 and user_id = any($2) and left_at is null
        "#,
        conversation.0,
        users as &[UserId],
    )
    .fetch_all(db)
    .await
}

/// Whether somebody else is an owner too: not one whose account is deleted, who will leave.
pub async fn has_another_owner(
    db: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select
            from members member
            join users person on person.id = member.user_id
            where member.conversation_id = $1 and member.user_id <> $2 and member.role = 'owner'
              and member.left_at is null and person.deleted_at is null) as "has_another!"
        "#,
        conversation.0,
        user.0,
    )
    .fetch_one(db)
    .await
}

/// Who takes over when this owner goes: the oldest admin, else the oldest member, whose account is not deleted.
pub async fn heir(
    db: &mut PgConnection,
    conversation: ConversationId,
    leaving: UserId,
) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"
        select member.user_id as "user_id: UserId"
        from members member
        join users person on person.id = member.user_id
        where member.conversation_id = $1 and member.user_id <> $2 and member.left_at is null
          and person.deleted_at is null
        order by member.role = 'admin' desc, member.joined_at, member.user_id
        limit 1
        "#,
        conversation.0,
        leaving.0,
    )
    .fetch_optional(db)
    .await
}

/// Clears a direct conversation for one person: nothing up to the head is for them any more. Answers with the head, or with
/// nothing where it was cleared up to there before.
pub async fn clear(db: &mut PgConnection, conversation: ConversationId, user: UserId) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        r#"
        update members member
        set cleared_seq = conversation.head_seq, floor_seq = conversation.head_seq,
            floor_no = conversation.message_no
        from conversations conversation
        where member.conversation_id = $1 and member.user_id = $2 and conversation.id = $1
          and member.cleared_seq < conversation.head_seq
        returning member.cleared_seq
        "#,
        conversation.0,
        user.0,
    )
    .fetch_optional(db)
    .await
}
