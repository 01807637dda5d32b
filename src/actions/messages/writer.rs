//! The writers: each takes whatever is queued, decides and appends all of it in one transaction, and answers each.
//!
//! # Why batches
//! PostgreSQL commits a batch of 64 almost as fast as one message, and a conversation's row lock is held once for
//! all of them. Nothing waits for a batch to fill: a lone message is a batch of one.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, Decision, Verdict},
    send::{Item, Sent},
};
use crate::{
    actions::{Context, PATIENCE},
    cluster::bus::Envelope,
    domain::{
        clock::Time,
        error::Error,
        event::Event,
        ids::{ConversationId, MessageId, UserId},
        limits::Limit,
        message::Message,
    },
    store::{
        self, conversations, messages, receipts,
        sending::{self, Facts, Question},
    },
    telemetry::metrics,
};

/// Sends in one transaction at most.
const BATCH: usize = 256;
/// How long connecting may take before those who wait are told that the database is away.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// How often a batch is tried again after a serialization failure, a deadlock or the end of the connection.
const RETRIES: usize = 3;

/// One writer with a connection of its own: the pool would ping it before and after each batch.
#[derive(Debug)]
pub struct Writer {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Writer {
    /// A writer that connects when the first message comes.
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None }
    }

    /// Serves a lane of the queue until the doors are closed, and then what is still in it.
    pub async fn run(mut self, ctx: &Context, mut lane: mpsc::Receiver<Item>, idle: CancellationToken) {
        let mut items = Vec::with_capacity(BATCH);
        loop {
            let taken = tokio::select! {
                taken = lane.recv_many(&mut items, BATCH) => taken,
                () = idle.cancelled(), if !lane.is_closed() => {
                    lane.close();
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            metrics::sends_taken(items.len());
            self.serve(ctx, std::mem::take(&mut items)).await;
        }
    }

    async fn serve(&mut self, ctx: &Context, mut items: Vec<Item>) {
        match self.try_write(ctx, &mut items).await {
            Ok(written) => answer(ctx, items, written).await,
            Err(error) if items.len() == 1 || store::is_away(&error) => fail(items, error),
            // One of them is poisoned: alone, it fails alone.
            Err(_) => {
                for item in items {
                    Box::pin(self.serve(ctx, vec![item])).await;
                }
            }
        }
    }

    async fn try_write(&mut self, ctx: &Context, items: &mut [Item]) -> sqlx::Result<Written> {
        let mut tries = 0;
        loop {
            let error = match timeout(PATIENCE, self.write(ctx, items)).await {
                Ok(Ok(written)) => return Ok(written),
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::PoolTimedOut,
            };
            if !store::is_worth_retrying(&error) {
                // Whatever went wrong, the next attempt starts on a connection without a past.
                let was_connected = self.connection.take().is_some();
                // It may have died long ago, when nobody sent anything. What was committed all the same is found by its id.
                if !was_connected || !store::is_lost(&error) {
                    return Err(error);
                }
            }
            if tries == RETRIES {
                return Err(error);
            }
            tries += 1;
        }
    }

    async fn write(&mut self, ctx: &Context, items: &mut [Item]) -> sqlx::Result<Written> {
        if self.connection.is_none() {
            let connecting = timeout(CONNECT_PATIENCE, PgConnection::connect_with(&self.options));
            self.connection = Some(connecting.await.map_err(|_| sqlx::Error::PoolTimedOut)??);
        }
        let connection = self.connection.as_mut().expect("connected above");
        let started = Instant::now();
        let mut tx = connection.begin().await?;
        let batch = decide(ctx, &mut tx, items).await?;
        if !batch.new.is_empty() {
            append(&mut tx, &batch).await?;
        }
        let stored = load_stored(&mut tx, items, &batch).await?;
        tx.commit().await?;
        metrics::committed(started.elapsed());
        Ok(Written { batch, stored })
    }
}

/// Messages that were sent before, as they are now.
type Stored = HashMap<(ConversationId, MessageId), Message>;

/// What came of a batch.
struct Written {
    batch: Batch,
    stored: Stored,
}

async fn decide(ctx: &Context, tx: &mut PgConnection, items: &mut [Item]) -> sqlx::Result<Batch> {
    let mut ids: Vec<_> = items.iter().map(|item| item.draft.conversation_id).collect();
    ids.sort_unstable();
    ids.dedup();
    conversations::lock(tx, &ids).await?;
    let questions: Vec<_> = items.iter().map(question).collect();
    let facts = sending::facts(tx, &questions).await?;
    let present = mentioned_members(tx, items).await?;
    // The clock is read under the locks, so that within a conversation times do not run against `seq`.
    let now = ctx.clock.now();
    let mut batch = Batch::default();
    for (item, facts) in items.iter_mut().zip(&facts) {
        let verdict = judge(ctx, &mut batch, (item, facts.as_ref()), &present, now).await;
        batch.verdicts.push(verdict);
    }
    Ok(batch)
}

async fn judge(
    ctx: &Context,
    batch: &mut Batch,
    asked: (&mut Item, Option<&Facts>),
    present: &HashSet<(ConversationId, UserId)>,
    now: Time,
) -> Verdict {
    let (item, Some(facts)) = asked else {
        return Verdict::Refuse(Error::NotFound("conversation"));
    };
    let sender = item.caller.user_id;
    match batch.decide(&item.draft, sender, facts, present) {
        Decision::Write(fingerprint) => {
            // Asked last, so that neither a retry nor a refusal counts.
            if !item.is_admitted
                && let Err(error) = ctx.cluster.limits.spend(Limit::Messages, &sender.to_string()).await
            {
                return Verdict::Refuse(error);
            }
            item.is_admitted = true;
            Verdict::Write(batch.place(&item.draft, sender, facts, (fingerprint, now)))
        }
        Decision::Stored => Verdict::Stored,
        Decision::SameAs(first) => Verdict::SameAs(first),
        Decision::Refuse(error) => Verdict::Refuse(error),
    }
}

fn question(item: &Item) -> Question {
    Question {
        conversation_id: item.draft.conversation_id,
        sender_id: item.caller.user_id,
        message_id: item.draft.id,
        reply_to: item.draft.reply_to,
    }
}

async fn mentioned_members(tx: &mut PgConnection, items: &[Item]) -> sqlx::Result<HashSet<(ConversationId, UserId)>> {
    let pairs: Vec<_> = items
        .iter()
        .flat_map(|item| item.draft.mentions.iter().map(|user| (item.draft.conversation_id, *user)))
        .collect();
    if pairs.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(sending::present(tx, &pairs).await?.into_iter().collect())
}

async fn append(tx: &mut PgConnection, batch: &Batch) -> sqlx::Result<()> {
    messages::insert(tx, &batch.new).await?;
    conversations::advance_all(tx, &batch.heads()).await?;
    receipts::advance_senders(tx, &batch.senders()).await?;
    let mentioning: Vec<_> = batch.new.iter().map(|new| &new.message).collect();
    messages::insert_mentions(tx, &mentioning).await
}

async fn load_stored(tx: &mut PgConnection, items: &[Item], batch: &Batch) -> sqlx::Result<Stored> {
    let ids: Vec<_> = items
        .iter()
        .zip(&batch.verdicts)
        .filter(|(_, verdict)| matches!(verdict, Verdict::Stored))
        .map(|(item, _)| (item.draft.conversation_id, item.draft.id))
        .collect();
    if ids.is_empty() {
        return Ok(Stored::new());
    }
    let mut stored = messages::by_ids(tx, &ids).await?;
    let conversations: Vec<_> = ids.iter().map(|(conversation, _)| *conversation).collect();
    let lows = receipts::lows(tx, &conversations).await?;
    for message in stored.values_mut() {
        receipts::set_status(&lows, message);
    }
    Ok(stored)
}

/// Tells everybody who must hear, then answers those who wait.
async fn answer(ctx: &Context, items: Vec<Item>, written: Written) {
    let Written { batch, stored } = written;
    tell(ctx, &batch).await;
    for (item, verdict) in items.into_iter().zip(batch.verdicts) {
        let result = match verdict {
            Verdict::Write(index) => Ok(Sent::New(batch.new[index].message.clone())),
            Verdict::SameAs(index) => Ok(Sent::Before(batch.new[index].message.clone())),
            Verdict::Stored => stored
                .get(&(item.draft.conversation_id, item.draft.id))
                .map(|message| Sent::Before(message.clone()))
                .ok_or(Error::NotFound("message")),
            Verdict::Refuse(error) => Err(error),
        };
        // Who no longer waits will ask again with the same id.
        let _ = item.answer.send(result);
    }
}

async fn tell(ctx: &Context, batch: &Batch) {
    metrics::messages_sent(batch.new.len());
    let mut by_conversation: HashMap<ConversationId, Vec<Envelope>> = HashMap::new();
    for new in &batch.new {
        let envelope = Envelope::of(&Event::MessageNew(new.message.clone()));
        by_conversation.entry(new.message.conversation_id).or_default().push(envelope);
    }
    for envelopes in by_conversation.into_values() {
        ctx.cluster.bus.publish(envelopes).await;
    }
}

/// The first to wait learns what went wrong, and the log with it; the others only that it did.
fn fail(items: Vec<Item>, error: sqlx::Error) {
    let mut error = Some(error);
    for item in items {
        let says = error.take().map_or(Error::Unavailable("The database is away; try again soon."), Error::from);
        let _ = item.answer.send(Err(says));
    }
}
