//! Receipts that may have been lost on their way: told again, as far as they go now.
//!
//! A cursor only moves forward, and what is told of it is absolute: to tell it twice does no harm. It is told to those who may
//! hear it by then, and not before they were told all of the log that was committed when it was read.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;

use super::tell_counts;
use crate::{
    actions::{Context, PATIENCE, in_time},
    cluster::bus::Envelope,
    domain::{
        clock::Time,
        error::Result,
        event::Event,
        ids::{ConversationId, LogId, UserId},
        limits,
        receipt::{Advance, ReceiptKind},
    },
    store::receipts::moved::{self, Moved},
};

/// Conversations that are looked through in one statement. Of each up to 100 members are told of.
const READ_AT_ONCE: usize = 50;
/// People whose own cursors are looked for in one statement.
const PEOPLE_AT_ONCE: usize = 500;
/// How long may lie between the stamp of a move and the telling of it.
const OVERLAP: Duration = PATIENCE.saturating_add(Duration::from_secs(3));

/// Tells this node's sockets of all cursors that may have moved since then without their hearing of it.
pub async fn tell(ctx: &Context, since: Instant) -> Result<()> {
    let (mut conversations, mut people) = (Vec::new(), Vec::new());
    for log in ctx.cluster.bus.heard() {
        match log {
            LogId::Conversation(id) => conversations.push(id),
            LogId::Person(id) => people.push(id),
        }
    }
    for page in conversations.chunks(READ_AT_ONCE) {
        in_time(tell_page(ctx, page, &people, since)).await?;
    }
    Ok(())
}

async fn tell_page(ctx: &Context, page: &[ConversationId], people: &[UserId], since: Instant) -> Result<()> {
    let mut db = ctx.db.acquire().await?;
    let found = moved::within(&mut db, page, age(since), limits::RECEIPTS_MEMBERS).await?;
    let (large, moved): (Vec<_>, Vec<_>) = found.into_iter().partition(|moved| moved.is_large);
    tell_all(ctx, &moved).await;
    let large: Vec<_> = large.iter().map(|moved| moved.conversation_id).collect();
    if large.is_empty() {
        return Ok(());
    }
    tell_own(ctx, &mut db, &large, (people, since)).await?;
    drop(db);
    tell_counts(ctx, &large).await
}

/// Among many, each is told of their own cursors only.
async fn tell_own(
    ctx: &Context,
    db: &mut PgConnection,
    large: &[ConversationId],
    (people, since): (&[UserId], Instant),
) -> Result<()> {
    for people in people.chunks(PEOPLE_AT_ONCE) {
        let own = moved::of_people_within(db, large, people, age(since), limits::RECEIPTS_MEMBERS).await?;
        tell_all(ctx, &own).await;
    }
    Ok(())
}

async fn tell_all(ctx: &Context, moved: &[Moved]) {
    let told: Vec<_> = moved.iter().flat_map(events).map(|event| Envelope::of(&event)).collect();
    if !told.is_empty() {
        ctx.cluster.bus.tell_here(told).await;
    }
}

/// What would have been told of somebody's moves. Who has said something themselves is known to have read up to there.
fn events(moved: &Moved) -> impl Iterator<Item = Event> {
    let Moved { conversation_id, head_seq, is_large, ref receipt, has_said } = *moved;
    let user_id = receipt.user_id;
    let tell = if is_large { Event::AdvancedAmongMany } else { Event::Advanced };
    let advance = move |kind, seq, at: Option<Time>| {
        Some(tell(Advance { conversation_id, user_id, kind, seq, at: at?, head_seq }))
    };
    let has_more = receipt.delivered_seq > receipt.read_seq;
    let delivered = has_more.then(|| advance(ReceiptKind::Delivered, receipt.delivered_seq, receipt.delivered_at));
    let read = (!has_said).then(|| advance(ReceiptKind::Read, receipt.read_seq, receipt.read_at));
    delivered.into_iter().chain(read).flatten()
}

/// How far back moves are to be looked for now that may have been lost since then.
fn age(since: Instant) -> Duration {
    since.elapsed() + OVERLAP
}
