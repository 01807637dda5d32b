//! What only synchronisation asks.

use sqlx::PgConnection;

use super::messages::Reader;
use crate::domain::{
    clock::Time,
    ids::{ConversationId, UserId},
};

/// One membership, as far as it decides whether anything was missed.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Where.
    pub conversation_id: ConversationId,
    /// The log's head.
    pub head_seq: i64,
    /// Messages up to here are not for this member.
    pub floor_seq: i64,
    /// Whether that is because the member came later, or came back.
    pub came_late: bool,
    /// Whether a cursor of anybody moved since the moment that was asked about.
    pub has_moved: bool,
}

impl Standing {
    /// The member who reads there.
    pub fn reader(&self, user_id: UserId, now: Time) -> Reader {
        Reader { conversation_id: self.conversation_id, user_id, floor_seq: self.floor_seq, now }
    }

    /// Whether a client that stands there kept what it knew from before the member was away: that log is not theirs
    /// any more, and nobody tells them what becomes of it.
    pub fn has_been_away_since(&self, cursor: i64) -> bool {
        self.came_late && (1..self.floor_seq).contains(&cursor)
    }
}

/// The moment before which every cursor move is visible to whatever is asked next. Moves are stamped by
/// the database's clock while their transactions run, so it is the start of the oldest one still running.
pub async fn settled_until(db: &mut PgConnection) -> sqlx::Result<Time> {
    sqlx::query_scalar!(
        r#"
        select least(statement_timestamp(), min(xact_start)) as "until!"
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
        "#,
    )
    .fetch_one(db)
    .await
}

/// All of one's memberships, most recent activity first. Moved cursors are looked for in conversations of up to
/// `most` members, since only those tell them.
pub async fn standings(db: &mut PgConnection, user: UserId, since: Time, most: usize) -> sqlx::Result<Vec<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"
        select member.conversation_id as "conversation_id: ConversationId",
               conversation.head_seq,
               member.floor_seq,
               member.floor_seq > member.cleared_seq as "came_late!",
               conversation.member_count <= $3 and exists (
                   select
                   from members moved
                   where moved.conversation_id = member.conversation_id and moved.moved_at >= $2) as "has_moved!"
        from members member
        join conversations conversation on conversation.id = member.conversation_id
        where member.user_id = $1 and member.left_at is null
        order by conversation.active_at desc, conversation.id
        "#,
        user.0,
        since,
        most as i32,
    )
    .fetch_all(db)
    .await
}
