//! Sending what is due, by exactly one node and through the same writers as everything else.
//!
//! A plan stays claimed until what became of it is committed. Whoever dies in between leaves it pending: it is sent again,
//! by its id is found to be sent, and counts as sent.

use futures_util::future::join_all;
use sqlx::PgConnection;

use super::{super::messages::send, Context, give_back_files, log};
use crate::{
    actions::messages::send::Sent,
    domain::{
        error::{Error, Result},
        event::Event,
        scheduled::{Plan, PlanState},
        user::Caller,
    },
    store::{conversations, messages, scheduled as rows},
};

/// Plans that are claimed at once.
const ROUND: usize = 64;

/// Sends all that is due, and sets the alarm for what is due next.
pub async fn send_due(ctx: &Context) -> Result<()> {
    while send_some(ctx).await? {}
    if let Some(next) = rows::next_due(&mut *ctx.db.acquire().await?).await? {
        ctx.plans.set(next);
    }
    Ok(())
}

/// Sends what can be claimed; says whether there may be more.
async fn send_some(ctx: &Context) -> Result<bool> {
    let mut tx = ctx.db.begin().await?;
    let plans = rows::claim_due(&mut tx, ctx.clock.now(), ROUND).await?;
    if plans.is_empty() {
        return Ok(false);
    }
    // They enter the writers' queues in the order of their times.
    let outcomes = join_all(plans.iter().map(|plan| send(ctx, plan))).await;

    let settled: Vec<_> = plans.iter().zip(&outcomes).filter_map(|(plan, outcome)| plan.settled(outcome)).collect();
    let is_all_settled = settled.len() == plans.len();
    let mut settled = without_tombstones(ctx, &mut tx, settled).await?;
    // Own logs are always locked in this order, whichever node it is.
    settled.sort_by_key(|plan| plan.user_id);
    let mut events = Vec::with_capacity(settled.len());
    for plan in settled {
        if plan.state == PlanState::Failed {
            give_back_files(&mut tx, &plan, ctx.clock.now()).await?;
        }
        rows::update(&mut tx, &plan).await?;
        events.push(Event::Own(log(&mut tx, plan).await?));
    }
    ctx.commit(tx, events).await?;
    Ok(is_all_settled)
}

/// The same, where what was sent is deleted already without what it said. Until the transaction ends nothing is deleted
/// where they were sent: who deletes it then finds the plan to be sent, and takes the words from it too.
async fn without_tombstones(ctx: &Context, tx: &mut PgConnection, plans: Vec<Plan>) -> Result<Vec<Plan>> {
    let sent = plans.iter().filter(|plan| plan.state == PlanState::Sent);
    let ids: Vec<_> = sent.map(|plan| (plan.draft.conversation_id, plan.draft.id)).collect();
    let places: Vec<_> = plans.iter().map(|plan| plan.draft.conversation_id).collect();
    conversations::lock(tx, &places).await?;
    let messages = messages::by_ids(tx, &ids, ctx.clock.now()).await?;
    let is_deleted = |plan: &Plan| {
        let message = messages.get(&(plan.draft.conversation_id, plan.draft.id));
        plan.state == PlanState::Sent && message.is_some_and(|message| message.deleted_at.is_some())
    };
    Ok(plans.into_iter().map(|plan| if is_deleted(&plan) { plan.forgotten() } else { plan }).collect())
}

/// Sends one as if its maker did so now.
async fn send(ctx: &Context, plan: &Plan) -> Result<Sent> {
    let sent = send::send_planned(ctx, &Caller::on_behalf_of(plan.user_id), plan.draft.clone()).await;
    if let Err(Error::Internal(source)) = &sent {
        tracing::error!(error = ?source, "A scheduled message failed: {source:#}");
    }
    sent
}
