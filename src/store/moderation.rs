//! Reports, the audit log, and people as operators see them.

use sqlx::{PgConnection, PgExecutor};

use crate::domain::{
    clock::Time,
    ids::{AuditId, BlobId, ConversationId, MessageId, ReportId, UserId},
    moderation::{Account, AuditAction, AuditEntry, Report, ReportFilter, ReportState},
};

/// Selects reports; the rest of the statement follows the table's name.
macro_rules! select_reports {
    ($rest:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            Report,
            r#"
            select id as "id: ReportId", reporter_id as "reporter_id: UserId", user_id as "user_id: UserId",
                   conversation_id as "conversation_id: ConversationId", message_id as "message_id: MessageId",
                   words, reason, state as "state: ReportState", created_at, closed_at,
                   closed_by as "closed_by: UserId", outcome
            from reports
            "# + $rest
            $(, $argument)*
        )
    };
}

/// Selects accounts; the rest of the statement follows the table's name.
macro_rules! select_accounts {
    ($rest:tt $(, $argument:expr)*) => {
        sqlx::query!(
            r#"
            select id as "id: UserId", external_id, username, display_name, avatar_id as "avatar: BlobId", metadata, roles,
                   created_at, banned_until, deleted_at
            from users
            "# + $rest
            $(, $argument)*
        )
    };
}

/// An account out of such a row.
macro_rules! account {
    ($row:ident) => {
        Account { profile: profile!($row.id, $row), banned_until: $row.banned_until, deleted_at: $row.deleted_at }
    };
}

/// Writes a report; false where the same person's report of the same is still open.
pub async fn insert(db: &mut PgConnection, report: &Report) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into reports (id, reporter_id, user_id, conversation_id, message_id, words, reason, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (reporter_id, user_id, message_id) where state = 'open' do nothing",
        report.id.0,
        report.reporter_id.0,
        report.user_id.0,
        report.conversation_id.map(|id| id.0),
        report.message_id.map(|id| id.0),
        report.words,
        report.reason,
        report.created_at,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Somebody's open report of somebody, or of a message of theirs.
pub async fn find_open(db: &mut PgConnection, like: &Report) -> sqlx::Result<Option<Report>> {
    select_reports!(
        "where reporter_id = $1 and user_id = $2 and message_id is not distinct from $3 and state = 'open'",
        like.reporter_id.0,
        like.user_id.0,
        like.message_id.map(|id| id.0)
    )
    .fetch_optional(db)
    .await
}

/// How many open reports somebody has.
pub async fn count_open(db: &mut PgConnection, reporter: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "open!" from reports where reporter_id = $1 and state = 'open'"#,
        reporter.0,
    )
    .fetch_one(db)
    .await
}

/// One report.
pub async fn find(db: &mut PgConnection, id: ReportId) -> sqlx::Result<Option<Report>> {
    select_reports!("where id = $1", id.0).fetch_optional(db).await
}

/// One report, unchanged by others until the transaction ends.
pub async fn hold(db: &mut PgConnection, id: ReportId) -> sqlx::Result<Option<Report>> {
    select_reports!("where id = $1 for update", id.0).fetch_optional(db).await
}

/// Reports, newest first, from after the place `before`.
pub async fn list(
    db: &mut PgConnection,
    filter: ReportFilter,
    before: Option<ReportId>,
    limit: usize,
) -> sqlx::Result<Vec<Report>> {
    select_reports!(
        "where ($1::text is null or state = $1) and ($2::uuid is null or user_id = $2)
           and ($3::uuid is null or id < $3)
         order by id desc
         limit $4",
        filter.state as Option<ReportState>,
        filter.user_id.map(|id| id.0),
        before.map(|id| id.0),
        limit as i64
    )
    .fetch_all(db)
    .await
}

/// Closes a report, and lets go of what the message said.
pub async fn close(db: &mut PgConnection, report: &Report) -> sqlx::Result<()> {
    sqlx::query!(
        "update reports
         set state = $2, closed_at = $3, closed_by = $4, outcome = $5, words = null
         where id = $1",
        report.id.0,
        report.state as ReportState,
        report.closed_at,
        report.closed_by.map(|id| id.0),
        report.outcome,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down a privileged act, in the transaction that does it.
pub async fn audit(db: impl PgExecutor<'_>, entry: &AuditEntry) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into audit_log (id, at, actor_id, action, user_id, conversation_id, message_id, report_id, reason,
                                details)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        entry.id.0,
        entry.at,
        entry.actor_id.map(|id| id.0),
        entry.action as AuditAction,
        entry.user_id.map(|id| id.0),
        entry.conversation_id.map(|id| id.0),
        entry.message_id.map(|id| id.0),
        entry.report_id.map(|id| id.0),
        entry.reason,
        entry.details,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Privileged acts, newest first, from after the place `before`.
pub async fn audit_log(
    db: impl PgExecutor<'_>,
    before: Option<AuditId>,
    limit: usize,
) -> sqlx::Result<Vec<AuditEntry>> {
    sqlx::query_as!(
        AuditEntry,
        r#"
        select id as "id: AuditId", at, actor_id as "actor_id: UserId", action as "action: AuditAction",
               user_id as "user_id: UserId", conversation_id as "conversation_id: ConversationId",
               message_id as "message_id: MessageId", report_id as "report_id: ReportId", reason, details
        from audit_log
        where $1::uuid is null or id < $1
        order by id desc
        limit $2
        "#,
        before.map(|id| id.0),
        limit as i64,
    )
    .fetch_all(db)
    .await
}

/// People as operators see them, newest first, from after the place `before`: those banned at a moment, or all.
pub async fn accounts(
    db: impl PgExecutor<'_>,
    role: Option<&str>,
    banned_at: Option<Time>,
    before: Option<UserId>,
    limit: usize,
) -> sqlx::Result<Vec<Account>> {
    let rows = select_accounts!(
        "where ($1::text is null or $1 = any(roles))
           and ($2::timestamptz is null or banned_until > $2)
           and ($3::uuid is null or id < $3)
         order by id desc
         limit $4",
        role,
        banned_at,
        before.map(|id| id.0),
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| account!(row)).collect())
}

/// One of them.
pub async fn account(db: impl PgExecutor<'_>, id: UserId) -> sqlx::Result<Option<Account>> {
    Ok(select_accounts!("where id = $1", id.0).fetch_optional(db).await?.map(|row| account!(row)))
}
