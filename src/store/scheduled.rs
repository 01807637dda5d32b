//! Messages to be sent later, as their makers planned them.

use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::domain::{
    clock::Time,
    ids::{MessageId, UserId},
    message::Draft,
    scheduled::{Plan, PlanError, PlanFilter, PlanState},
};

/// Selects plans; the rest of the statement follows the table.
macro_rules! select_plans {
    ($rest:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            r#"
            select plan.user_id as "user_id!: UserId",
                   plan.draft as "draft!: Json<Draft>",
                   plan.scheduled_for as "scheduled_for!",
                   plan.state as "state!: PlanState",
                   plan.error as "error: Json<PlanError>",
                   plan.fingerprint as "fingerprint!"
            from scheduled_messages plan
            "# + $rest
            $(, $argument)*
        )
    };
}

#[derive(Debug)]
struct Row {
    user_id: UserId,
    draft: Json<Draft>,
    scheduled_for: Time,
    state: PlanState,
    error: Option<Json<PlanError>>,
    fingerprint: Vec<u8>,
}

impl From<Row> for Plan {
    fn from(row: Row) -> Self {
        Self {
            user_id: row.user_id,
            draft: row.draft.0,
            scheduled_for: row.scheduled_for,
            state: row.state,
            error: row.error.map(|Json(error)| error),
            fingerprint: row.fingerprint,
        }
    }
}

/// Writes a new plan.
pub async fn insert(db: &mut PgConnection, plan: &Plan, now: Time) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into scheduled_messages (user_id, id, conversation_id, draft, scheduled_for, state, fingerprint,
                                         created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        plan.user_id.0,
        plan.draft.id.0,
        plan.draft.conversation_id.0,
        Json(&plan.draft) as Json<&Draft>,
        plan.scheduled_for,
        plan.state as PlanState,
        plan.fingerprint,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes what a plan has become.
pub async fn update(db: &mut PgConnection, plan: &Plan) -> sqlx::Result<()> {
    sqlx::query!(
        "update scheduled_messages
         set draft = $3, scheduled_for = $4, state = $5, error = $6
         where user_id = $1 and id = $2",
        plan.user_id.0,
        plan.draft.id.0,
        Json(&plan.draft) as Json<&Draft>,
        plan.scheduled_for,
        plan.state as PlanState,
        plan.error.as_ref().map(Json) as Option<Json<&PlanError>>,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One of a person's plans.
pub async fn find(db: &mut PgConnection, user: UserId, id: MessageId) -> sqlx::Result<Option<Plan>> {
    let row = select_plans!("where plan.user_id = $1 and plan.id = $2", user.0, id.0);
    Ok(row.fetch_optional(db).await?.map(Plan::from))
}

/// The same, unchanged until the transaction ends. Waits for whoever is sending it.
pub async fn lock(db: &mut PgConnection, user: UserId, id: MessageId) -> sqlx::Result<Option<Plan>> {
    let row = select_plans!("where plan.user_id = $1 and plan.id = $2 for no key update", user.0, id.0);
    Ok(row.fetch_optional(db).await?.map(Plan::from))
}

/// How many of a person's plans are yet to be sent.
pub async fn count_pending(db: &mut PgConnection, user: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        select count(*) as "pending!"
        from scheduled_messages
        where user_id = $1 and state = 'pending'
        "#,
        user.0,
    )
    .fetch_one(db)
    .await
}

/// A page of a person's plans by their times.
pub async fn list(
    db: &mut PgConnection,
    user: UserId,
    filter: PlanFilter,
    after: Option<(Time, MessageId)>,
    limit: usize,
) -> sqlx::Result<Vec<Plan>> {
    let (after_time, after_id) = after.unzip();
    let rows = select_plans!(
        "where plan.user_id = $1
           and ($2::text is null or plan.state = $2)
           and ($3::uuid is null or plan.conversation_id = $3)
           and ($4::timestamptz is null or (plan.scheduled_for, plan.id) > ($4, $5::uuid))
         order by plan.scheduled_for, plan.id
         limit $6",
        user.0,
        filter.state as Option<PlanState>,
        filter.conversation_id.map(|id| id.0),
        after_time,
        after_id.map(|id| id.0),
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Plan::from).collect())
}

/// A person's plans that changed after a place in their own log; from its beginning, only those yet to be sent.
pub async fn changed_after(db: &mut PgConnection, user: UserId, after: i64) -> sqlx::Result<Vec<Plan>> {
    let rows = select_plans!(
        "where plan.user_id = $1
           and ($2::bigint > 0 or plan.state = 'pending')
           and plan.id in (
               select message_id
               from personal_changes
               where user_id = $1 and seq > $2 and kind = 'scheduled')
         order by plan.scheduled_for, plan.id",
        user.0,
        after
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Plan::from).collect())
}

/// Some of a person's plans, in no order.
pub async fn by_ids(db: &mut PgConnection, user: UserId, ids: &[MessageId]) -> sqlx::Result<Vec<Plan>> {
    let rows = select_plans!("where plan.user_id = $1 and plan.id = any($2)", user.0, ids as &[MessageId]);
    Ok(rows.fetch_all(db).await?.into_iter().map(Plan::from).collect())
}

/// Claims plans whose time has come until the transaction ends, but for those that another node has claimed.
pub async fn claim_due(db: &mut PgConnection, now: Time, limit: usize) -> sqlx::Result<Vec<Plan>> {
    let rows = select_plans!(
        "where plan.state = 'pending' and plan.scheduled_for <= $1
         order by plan.scheduled_for, plan.id
         limit $2
         for no key update skip locked",
        now,
        limit as i64
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Plan::from).collect())
}

/// When the next plan is due, or was and is not sent yet.
pub async fn next_due(db: &mut PgConnection) -> sqlx::Result<Option<Time>> {
    sqlx::query_scalar!(
        "select scheduled_for
         from scheduled_messages
         where state = 'pending'
         order by scheduled_for
         limit 1"
    )
    .fetch_optional(db)
    .await
}

/// Forgets all plans of a person; nothing keeps their files any more.
pub async fn delete_all(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "with forgotten as (
             delete from scheduled_messages
             where user_id = $1
             returning conversation_id, id)
         update attachments file
         set plan_id = null
         from forgotten
         where file.conversation_id = forgotten.conversation_id and file.plan_id = forgotten.id
           and file.uploader_id = $1",
        user.0,
    )
    .execute(db)
    .await?;
    Ok(())
}
