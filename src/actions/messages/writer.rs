//! What a [writer](crate::actions::writer) does with sends: decides and appends all of them under their conversations' locks.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::PgConnection;

use super::{
    batch::{Batch, Circumstances, Decision, Verdict, wanted},
    send::{Item, Sent},
};
use crate::{
    actions::{Context, writer::Work},
    cluster::{bus::Envelope, limits::Share},
    domain::{
        attachment::Attachment,
        clock::Time,
        conversation::ConversationKind,
        error::Error,
        event::{Event, Touch},
        ids::{ConversationId, MessageId, UserId},
        limits::Limit,
        message::{Draft, Message},
        own::{OwnChange, OwnMatter},
        policy::rules::Rules,
        preferences::ConversationPreferences,
    },
    store::{
        links, messages, personal, receipts,
        sending::{self, Facts, Question},
        taking::{self, Wanted},
    },
    telemetry::metrics,
};

/// Writes messages.
#[derive(Debug)]
pub struct Sending;

impl Work for Sending {
    type Item = Item;
    type Written = Written;

    const LANE: metrics::Lane = metrics::Lane::Sends;
    const BATCH: usize = 512;
    const PACE: Duration = Duration::ZERO;

    /// Spends what the limits allow, for all together: whatever is not written in the end is given back.
    async fn admit(&self, ctx: &Context, items: &mut [Item]) {
        for item in items.iter_mut() {
            item.quota = ctx.quota(Limit::Messages, &item.caller.roles);
        }
        let shares: Vec<_> = items.iter().filter(|item| !item.was_planned).map(share).collect();
        let waits = ctx.cluster.limits.spend_all(Limit::Messages, &shares).await;
        for (item, wait) in items.iter_mut().filter(|item| !item.was_planned).zip(waits) {
            item.wait = wait;
        }
    }

    async fn write(&self, ctx: &Context, tx: &mut PgConnection, items: &mut [Item]) -> sqlx::Result<Written> {
        let batch = decide(ctx, tx, items).await?;
        let linking = if ctx.web.is_some() { batch.linking() } else { Vec::new() };
        let missed = if batch.new.is_empty() { Vec::new() } else { append(tx, &batch).await? };
        if !linking.is_empty() {
            links::visit(tx, &linking, ctx.clock.now()).await?;
        }
        let back = bring_back(ctx, tx, &missed).await?;
        let stored = load_stored(tx, items, &batch, ctx.clock.now()).await?;
        Ok(Written { batch, stored, back, is_linking: !linking.is_empty() })
    }

    async fn answer(&self, ctx: &Context, items: Vec<Item>, written: Written) {
        let Written { batch, stored, back, is_linking } = written;
        if is_linking {
            ctx.visits.set(ctx.clock.now());
        }
        tell(ctx, &batch, back).await;
        let unwritten = items.iter().zip(&batch.verdicts).filter(|(_, verdict)| !matches!(verdict, Verdict::Write(_)));
        give_back(ctx, unwritten.map(|(item, _)| item)).await;
        for (item, verdict) in items.into_iter().zip(batch.verdicts) {
            let result = match verdict {
                Verdict::Write(index) => Ok(Sent::New(batch.new[index].message.clone())),
                Verdict::SameAs(index) => Ok(Sent::Before(batch.new[index].message.clone())),
                Verdict::Stored(floor_seq) => stored
                    .get(&(item.draft.conversation_id, item.draft.id))
                    // Who was gone since, and came back to nothing earlier, sees not even their own.
                    .filter(|message| message.seq > floor_seq)
                    .map(|message| Sent::Before(message.clone().veiled(floor_seq)))
                    .ok_or(Error::NotFound("message")),
                Verdict::Refuse(error) => Err(error),
            };
            // Who no longer waits will ask again with the same id.
            let _ = item.answer.send(result);
        }
    }

    /// The first to wait learns what went wrong, and the log with it; the others only that it did.
    async fn fail(&self, ctx: &Context, items: Vec<Item>, error: sqlx::Error) {
        give_back(ctx, items.iter()).await;
        let mut error = Some(error);
        for item in items {
            let says = error.take().map_or(Error::Unavailable("The database is away; try again soon."), Error::from);
            let _ = item.answer.send(Err(says));
        }
    }
}

/// Neither a retry nor a refusal counts against a limit.
async fn give_back(ctx: &Context, items: impl Iterator<Item = &Item>) {
    let spent: Vec<_> = items.filter(|item| !item.was_planned && item.wait.is_zero()).map(share).collect();
    ctx.cluster.limits.give_back(Limit::Messages, &spent).await;
}

fn share(item: &Item) -> Share {
    Share { key: item.caller.user_id.to_string(), quota: item.quota }
}

/// Messages that were sent before, as they are now.
type Stored = HashMap<(ConversationId, MessageId), Message>;

/// What came of a batch.
#[derive(Debug)]
pub struct Written {
    batch: Batch,
    stored: Stored,
    /// Who finds which conversation out of their archive again.
    back: Vec<OwnChange>,
    /// Whether there are pages to look at.
    is_linking: bool,
}

async fn decide(ctx: &Context, tx: &mut PgConnection, items: &[Item]) -> sqlx::Result<Batch> {
    let questions: Vec<_> = items.iter().map(question).collect();
    let facts = sending::lock(tx, &questions, ctx.clock.now()).await?;
    // The clock is read under the locks, so that within a conversation times do not run against `seq`.
    let now = ctx.clock.now();
    let drafts: Vec<_> = items.iter().map(|item| (item.caller.user_id, &item.draft)).collect();
    let circumstances = circumstances(ctx, tx, &drafts, &facts, now).await?;
    let mut batch = Batch::default();
    for (item, facts) in items.iter().zip(&facts) {
        let verdict = judge(&mut batch, (item, facts.as_ref()), &circumstances);
        batch.verdicts.push(verdict);
    }
    Ok(batch)
}

fn judge(batch: &mut Batch, asked: (&Item, Option<&Facts>), circumstances: &Circumstances) -> Verdict {
    let (item, Some(facts)) = asked else {
        return Verdict::Refuse(Error::NotFound("conversation"));
    };
    let (sender, facts) = (item.caller.user_id, &*batch.complete(&item.draft, facts));
    match batch.decide(&item.draft, sender, facts, circumstances) {
        // What was sent before is answered even to those who may send nothing more for now.
        Decision::Write(_) if !item.wait.is_zero() => {
            let retry_after = item.wait;
            Verdict::Refuse(Error::SlowDown { limit: Limit::Messages, quota: item.quota, retry_after })
        }
        Decision::Write(fingerprint) => {
            Verdict::Write(batch.place(&item.draft, sender, facts, (fingerprint, circumstances)))
        }
        Decision::Stored => Verdict::Stored(facts.floor_seq),
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

/// What drafts are decided on besides the facts of each.
pub(in crate::actions) async fn circumstances(
    ctx: &Context,
    tx: &mut PgConnection,
    drafts: &[(UserId, &Draft)],
    facts: &[Option<Facts>],
    now: Time,
) -> sqlx::Result<Circumstances> {
    let rules = ctx.rulebook.rules();
    Ok(Circumstances {
        present: mentioned_members(tx, drafts).await?,
        files: untaken_files(tx, drafts).await?,
        missing_roles: missing_roles(tx, &rules, drafts, facts).await?,
        now,
        rules,
    })
}

/// Asks only where the rules want somebody of a role to be in a group.
async fn missing_roles(
    tx: &mut PgConnection,
    rules: &Rules,
    drafts: &[(UserId, &Draft)],
    facts: &[Option<Facts>],
) -> sqlx::Result<HashMap<ConversationId, Vec<String>>> {
    let groups = drafts.iter().zip(facts).filter_map(|((_, draft), facts)| {
        let facts = facts.as_ref().filter(|facts| facts.kind == ConversationKind::Group)?;
        Some((draft.conversation_id, rules.required(facts.category.as_deref())))
    });
    let wanted: HashSet<_> = groups.flat_map(|(id, roles)| roles.iter().map(move |role| (id, role.as_str()))).collect();
    let mut missing: HashMap<_, Vec<_>> = HashMap::new();
    if !wanted.is_empty() {
        for (id, role) in sending::missing_roles(tx, &wanted.into_iter().collect::<Vec<_>>()).await? {
            missing.entry(id).or_default().push(role);
        }
    }
    Ok(missing)
}

async fn mentioned_members(
    tx: &mut PgConnection,
    drafts: &[(UserId, &Draft)],
) -> sqlx::Result<HashSet<(ConversationId, UserId)>> {
    let pairs: Vec<_> =
        drafts.iter().flat_map(|(_, draft)| draft.mentions.iter().map(|user| (draft.conversation_id, *user))).collect();
    if pairs.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(sending::present(tx, &pairs).await?.into_iter().collect())
}

async fn untaken_files(
    tx: &mut PgConnection,
    drafts: &[(UserId, &Draft)],
) -> sqlx::Result<HashMap<Wanted, Attachment>> {
    let wanted: Vec<_> = drafts.iter().flat_map(|(sender, draft)| wanted(draft, *sender)).collect();
    if wanted.is_empty() { Ok(HashMap::new()) } else { taking::untaken(tx, &wanted).await }
}

/// Writes what passes; answers with the conversations that somebody is to find again.
async fn append(tx: &mut PgConnection, batch: &Batch) -> sqlx::Result<Vec<ConversationId>> {
    let missed = messages::append(tx, &batch.new).await?;
    let taken = batch.taken();
    if !taken.is_empty() {
        taking::take(tx, &taken).await?;
    }
    let mentioning: Vec<_> = batch.new.iter().map(|new| &new.message).collect();
    messages::insert_mentions(tx, &mentioning).await?;
    Ok(missed)
}

/// Takes conversations out of the archives of those whom their new messages concern. Mostly there are none.
async fn bring_back(ctx: &Context, tx: &mut PgConnection, missed: &[ConversationId]) -> sqlx::Result<Vec<OwnChange>> {
    if missed.is_empty() {
        return Ok(Vec::new());
    }
    let back = personal::unarchive(tx, missed, ctx.clock.now()).await?;
    let changed: Vec<_> = back.iter().map(|(user, own)| (*user, own.conversation_id)).collect();
    let logged = personal::log_preferences(tx, &changed).await?.into_iter();
    let places: HashMap<_, _> = logged.map(|(id, place)| ((place.user_id, id), place)).collect();
    let change = |(user, own): (UserId, ConversationPreferences)| {
        Some(places.get(&(user, own.conversation_id))?.of(OwnMatter::Preferences(own)))
    };
    Ok(back.into_iter().filter_map(change).collect())
}

async fn load_stored(tx: &mut PgConnection, items: &[Item], batch: &Batch, now: Time) -> sqlx::Result<Stored> {
    let ids: Vec<_> = items
        .iter()
        .zip(&batch.verdicts)
        .filter(|(_, verdict)| matches!(verdict, Verdict::Stored(_)))
        .map(|(item, _)| (item.draft.conversation_id, item.draft.id))
        .collect();
    if ids.is_empty() {
        return Ok(Stored::new());
    }
    let mut stored = messages::by_ids(tx, &ids, now).await?;
    let conversations: Vec<_> = ids.iter().map(|(conversation, _)| *conversation).collect();
    let lows = receipts::lows(tx, &conversations).await?;
    for message in stored.values_mut() {
        receipts::set_status(&lows, message);
    }
    Ok(stored)
}

async fn tell(ctx: &Context, batch: &Batch, back: Vec<OwnChange>) {
    metrics::messages_sent(batch.new.len());
    if let Some(soonest) = batch.new.iter().filter_map(|new| new.message.expires_at).min() {
        ctx.expiry.set(soonest);
    }
    // With their own cursors passing something of others, the senders' unread counts may have changed too.
    let passing = batch.new.iter().filter(|new| new.is_passing);
    let passed: HashSet<_> = passing.map(|new| (new.message.conversation_id, new.message.sender_id)).collect();
    let mut by_conversation: HashMap<ConversationId, Vec<Envelope>> = HashMap::new();
    for new in &batch.new {
        let (conversation, sender) = (new.message.conversation_id, new.message.sender_id);
        let mut envelope = Envelope::of(&Event::MessageNew(new.message.clone()));
        if !passed.contains(&(conversation, sender)) {
            envelope.touch = Some(Touch::Others(conversation, sender));
        }
        by_conversation.entry(conversation).or_default().push(envelope);
    }
    for own in back {
        let Some(conversation) = own.conversation_id() else { continue };
        by_conversation.entry(conversation).or_default().push(Envelope::of(&Event::Own(own)));
    }
    for envelopes in by_conversation.into_values() {
        ctx.cluster.bus.publish(envelopes).await;
    }
}
