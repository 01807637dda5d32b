//! Messages to be sent later: making, listing, changing and cancelling plans. What is planned is decided on like a send, and
//! once more when its time has come.

use sqlx::{PgConnection, Postgres, Transaction};

use super::{
    Context,
    messages::{batch, writer},
};
use crate::{
    domain::{
        clock::{Time, from_micros},
        error::{Conflict, Error, Result},
        event::Event,
        ids::MessageId,
        limits::{self, Limit},
        message::Draft,
        own::{OwnChange, OwnMatter},
        page::Page,
        scheduled::{self, Plan, PlanChange, PlanFilter, PlanState},
        user::Caller,
    },
    store::{
        conversations,
        personal::{self, Entry},
        scheduled as rows,
        sending::{self, Facts, Question},
        taking,
    },
};

pub mod due;

/// Plans a message. Counts against the limits now, and not again when it is sent.
pub async fn plan(ctx: &Context, caller: &Caller, draft: Draft, time: Time) -> Result<Plan> {
    draft.check()?;
    let plan = Plan::new(caller.user_id, draft, time).redacted(&ctx.rulebook.rules().redaction);
    let mut tx = ctx.db.begin().await?;
    // Before one's own log, as a send has it. Whoever takes files has it too.
    conversations::lock(&mut tx, &[plan.draft.conversation_id]).await?;
    // One at a time, so that the bound is exact and a retry finds what came first.
    if !personal::lock(&mut tx, caller.user_id).await? {
        return Err(Error::NotFound("user"));
    }
    if let Some(earlier) = rows::find(&mut tx, caller.user_id, plan.draft.id).await? {
        let is_same = earlier.fingerprint == plan.fingerprint;
        return if is_same { Ok(earlier) } else { Err(Conflict::IdempotencyMismatch.into()) };
    }
    let now = ctx.clock.now();
    scheduled::check_time(plan.scheduled_for, now)?;
    let facts = judge(ctx, &mut tx, &plan, now).await?;
    if facts.earlier.is_some() {
        return Err(Conflict::IdempotencyMismatch.into());
    }
    if rows::count_pending(&mut tx, caller.user_id).await? >= limits::SCHEDULED as i64 {
        return Err(Error::LimitReached { what: "scheduled messages", most: limits::SCHEDULED });
    }
    ctx.spend_as(Limit::Messages, caller.user_id, &facts.sender_roles).await?;

    rows::insert(&mut tx, &plan, now).await?;
    keep_files(&mut tx, &plan).await?;
    let change = log(&mut tx, plan.clone()).await?;
    ctx.commit(tx, vec![Event::Own(change)]).await?;
    ctx.plans.set(plan.scheduled_for);
    Ok(plan)
}

/// One page of the caller's plans, by their times.
pub async fn list(
    ctx: &Context,
    caller: &Caller,
    filter: PlanFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Plan>> {
    let after = cursor.map(read_cursor).transpose()?;
    let mut db = ctx.db.acquire().await?;
    let plans = rows::list(&mut db, caller.user_id, filter, after, limit + 1).await?;
    Ok(Page::cut(plans, limit, |plan| format!("{}.{}", plan.scheduled_for.timestamp_micros(), plan.draft.id)))
}

/// Changes what is to be sent, or when.
pub async fn change(ctx: &Context, caller: &Caller, id: MessageId, change: PlanChange) -> Result<Plan> {
    let mut tx = ctx.db.begin().await?;
    let before = rows::lock(&mut tx, caller.user_id, id).await?.ok_or(Error::NotFound("scheduled message"))?;
    if before.state != PlanState::Pending {
        return Err(Conflict::NotPending.into());
    }
    let now = ctx.clock.now();
    let is_moved = change.scheduled_for.is_some();
    let plan = before.changed(change).redacted(&ctx.rulebook.rules().redaction);
    if plan == before {
        return Ok(plan);
    }
    plan.draft.check()?;
    if is_moved {
        scheduled::check_time(plan.scheduled_for, now)?;
    }
    // A node may have died between sending it and writing that down; whoever still sends it has the conversation locked.
    conversations::lock(&mut tx, &[plan.draft.conversation_id]).await?;
    if is_sent(&plan, Some(&judge(ctx, &mut tx, &plan, now).await?)) {
        return Err(Conflict::NotPending.into());
    }

    if plan.draft.attachment_ids != before.draft.attachment_ids {
        give_back_files(&mut tx, &plan, now).await?;
        keep_files(&mut tx, &plan).await?;
    }
    save(ctx, tx, &plan).await?;
    ctx.plans.set(plan.scheduled_for);
    Ok(plan)
}

/// Cancels a plan; one that failed is put aside.
pub async fn cancel(ctx: &Context, caller: &Caller, id: MessageId) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let plan = rows::lock(&mut tx, caller.user_id, id).await?.ok_or(Error::NotFound("scheduled message"))?;
    match plan.state {
        PlanState::Cancelled => return Ok(()),
        PlanState::Sent => return Err(Conflict::NotPending.into()),
        PlanState::Pending | PlanState::Failed => {}
    }
    // As for a change.
    conversations::lock(&mut tx, &[plan.draft.conversation_id]).await?;
    let now = ctx.clock.now();
    let facts = sending::facts(&mut tx, &[question(&plan)], now).await?.pop().flatten();
    if is_sent(&plan, facts.as_ref()) {
        return Err(Conflict::NotPending.into());
    }

    give_back_files(&mut tx, &plan, now).await?;
    save(ctx, tx, &Plan { state: PlanState::Cancelled, error: None, ..plan }).await
}

async fn save(ctx: &Context, mut tx: Transaction<'static, Postgres>, plan: &Plan) -> Result<()> {
    rows::update(&mut tx, plan).await?;
    let change = log(&mut tx, plan.clone()).await?;
    ctx.commit(tx, vec![Event::Own(change)]).await
}

/// Keeps a plan's files for its message.
async fn keep_files(tx: &mut PgConnection, Plan { draft, .. }: &Plan) -> Result<()> {
    if !draft.attachment_ids.is_empty() {
        taking::keep_for_plan(tx, draft.conversation_id, draft.id, &draft.attachment_ids).await?;
    }
    Ok(())
}

/// Gives its files back to its maker.
async fn give_back_files(tx: &mut PgConnection, plan: &Plan, now: Time) -> Result<()> {
    let Draft { id, conversation_id, .. } = plan.draft;
    Ok(taking::give_back(tx, plan.user_id, (conversation_id, id), now).await?)
}

/// Writes into its maker's own log that a plan changed.
async fn log(tx: &mut PgConnection, plan: Plan) -> Result<OwnChange> {
    let Draft { id, conversation_id, .. } = plan.draft;
    let place = personal::log(tx, plan.user_id, Entry::scheduled(conversation_id, id)).await?;
    Ok(place.of(OwnMatter::Plan(Box::new(plan))))
}

/// Refuses what would be refused if it were sent now.
async fn judge(ctx: &Context, tx: &mut PgConnection, plan: &Plan, now: Time) -> Result<Facts> {
    let mut found = sending::facts(tx, &[question(plan)], now).await?;
    let circumstances = writer::circumstances(ctx, tx, &[(plan.user_id, &plan.draft)], &found, now).await?;
    let facts = found.pop().flatten().ok_or(Error::NotFound("conversation"))?;
    batch::check(&plan.draft, plan.user_id, &facts, &circumstances)?;
    Ok(facts)
}

/// Whether its maker has sent a message of this id.
fn is_sent(plan: &Plan, facts: Option<&Facts>) -> bool {
    facts.and_then(|facts| facts.earlier.as_ref()).is_some_and(|(sender, _)| *sender == plan.user_id)
}

fn question(plan: &Plan) -> Question {
    Question {
        conversation_id: plan.draft.conversation_id,
        sender_id: plan.user_id,
        message_id: plan.draft.id,
        reply_to: plan.draft.reply_to,
    }
}

fn read_cursor(cursor: &str) -> Result<(Time, MessageId)> {
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((from_micros(at)?, id.parse().ok()?)));
    parts.ok_or(Error::Malformed("The cursor is not one that was given out."))
}
