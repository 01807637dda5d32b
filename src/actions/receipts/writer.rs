//! What a [writer](crate::actions::writer) does with moved cursors: coalesces them per person and conversation, and
//! moves all of them in one statement.
//!
//! # Why it never waits for a row
//! A cursor's row may be held by a send of its person, by another node, or by a change of members. Whoever waits for one row while
//! holding others can deadlock, whatever the order, with everybody who orders them otherwise. So what is held is passed
//! over, and comes with the next batch.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use sqlx::PgConnection;
use tokio::sync::oneshot;

use crate::{
    actions::{Context, lanes::Bounds, writer::Work},
    cluster::bus::Envelope,
    domain::{
        clock::Time,
        error::{Error, Result},
        event::Event,
        ids::{ConversationId, MessageId, UserId},
        limits,
        receipt::{Advance, Reached, Receipt, ReceiptKind},
    },
    store::{
        messages,
        receipts::moves::{self, Place, Step},
    },
    telemetry::metrics,
};

/// Moves that may wait before others are refused.
pub const WAITING: Bounds = Bounds { items: 16_384, bytes: 16 * 1024 * 1024 };
/// How long a move may find its row held by others.
const PATIENCE: Duration = Duration::from_secs(10);

/// One person's word of how far they have come.
#[derive(Debug)]
pub struct Move {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// Which cursor.
    pub kind: ReceiptKind,
    /// How far.
    pub reached: Reached,
    /// Since when it waits.
    pub since: Instant,
    /// Who waits for the answer.
    pub answer: oneshot::Sender<Result<Receipt>>,
}

/// Moves cursors.
#[derive(Debug)]
pub struct Marking;

/// What came of a batch.
#[derive(Debug)]
pub struct Written {
    /// For each move, whether there is what it speaks of.
    is_known: Vec<bool>,
    /// Where the members stand; those who are none are absent.
    stands: HashMap<Who, Stand>,
    at: Time,
}

/// Somebody in a conversation.
type Who = (ConversationId, UserId);

/// The furthest of what somebody says of their two cursors; 0 where they say nothing of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    delivered_seq: i64,
    read_seq: i64,
}

/// Where one member stands after a batch.
#[derive(Debug)]
struct Stand {
    /// Nothing where somebody else held their row, and nothing was done.
    receipt: Option<Receipt>,
    has_read: bool,
    /// Told only where it goes further than the reading, which implies it.
    is_delivered: bool,
    member_count: i32,
    head_seq: i64,
}

impl Stand {
    /// Forward, never back, up to the head at most; reading implies that it was delivered.
    fn after(place: Place, wanted: Wanted, now: Time) -> Self {
        let Place { head_seq, member_count, receipt, .. } = place;
        let Some(mut receipt) = receipt else {
            return Self { receipt, has_read: false, is_delivered: false, member_count, head_seq };
        };
        let read_seq = wanted.read_seq.min(head_seq);
        let delivered_seq = wanted.delivered_seq.max(wanted.read_seq).min(head_seq);
        let (has_read, reaches) = (read_seq > receipt.read_seq, delivered_seq > receipt.delivered_seq);
        if has_read {
            (receipt.read_seq, receipt.read_at) = (read_seq, Some(now));
        }
        if reaches {
            (receipt.delivered_seq, receipt.delivered_at) = (delivered_seq, Some(now));
        }
        let is_delivered = reaches && !(has_read && delivered_seq == read_seq);
        Self { receipt: Some(receipt), has_read, is_delivered, member_count, head_seq }
    }

    /// What is to be written, if anything moved.
    fn step(&self, (conversation_id, user_id): Who) -> Option<Step> {
        let receipt = self.receipt.as_ref().filter(|_| self.has_read || self.is_delivered)?;
        let Receipt { delivered_seq, read_seq, .. } = *receipt;
        Some(Step { conversation_id, user_id, delivered_seq, read_seq })
    }

    fn events(&self, (conversation_id, user_id): Who, at: Time) -> Vec<Event> {
        let Some(receipt) = &self.receipt else { return Vec::new() };
        let is_large = self.member_count as usize > limits::RECEIPTS_MEMBERS;
        let tell = if is_large { Event::AdvancedAmongMany } else { Event::Advanced };
        let advance = |kind, seq| tell(Advance { conversation_id, user_id, kind, seq, at, head_seq: self.head_seq });
        let delivered = self.is_delivered.then(|| advance(ReceiptKind::Delivered, receipt.delivered_seq));
        let read = self.has_read.then(|| advance(ReceiptKind::Read, receipt.read_seq));
        delivered.into_iter().chain(read).collect()
    }
}

impl Move {
    /// Puts it into its lane.
    pub fn queue(self, ctx: &Context) -> Result<()> {
        let ids = if let Reached::Messages(ids) = &self.reached { size_of_val(ids.as_slice()) } else { 0 };
        ctx.moves.put(self.conversation_id, size_of::<Self>() + ids, self)?;
        metrics::queued(metrics::Lane::Receipts);
        Ok(())
    }

    fn who(&self) -> Who {
        (self.conversation_id, self.user_id)
    }
}

impl Work for Marking {
    type Item = Move;
    type Written = Written;

    const LANE: metrics::Lane = metrics::Lane::Receipts;
    const BATCH: usize = 512;
    const PACE: Duration = Duration::from_millis(20);

    async fn admit(&self, _: &Context, _: &mut [Move]) {}

    async fn write(&self, ctx: &Context, tx: &mut PgConnection, asked: &mut [Move]) -> sqlx::Result<Written> {
        let seqs = targets(tx, asked).await?;
        let wanted = coalesced(asked, &seqs);
        let places = moves::hold(tx, &wanted.keys().copied().collect::<Vec<_>>()).await?;
        let at = ctx.clock.now();
        let stand = |place: Place| {
            let who = (place.conversation_id, place.user_id);
            (who, Stand::after(place, wanted.get(&who).copied().unwrap_or_default(), at))
        };
        let stands: HashMap<_, _> = places.into_iter().map(stand).collect();
        let steps: Vec<_> = stands.iter().filter_map(|(who, stand)| stand.step(*who)).collect();
        if !steps.is_empty() {
            moves::advance(tx, &steps, at).await?;
        }
        Ok(Written { is_known: seqs.iter().map(Option::is_some).collect(), stands, at })
    }

    async fn answer(&self, ctx: &Context, asked: Vec<Move>, written: Written) {
        tell(ctx, &written).await;
        for (asked, is_known) in asked.into_iter().zip(written.is_known) {
            match written.stands.get(&asked.who()) {
                None => drop(asked.answer.send(Err(Error::NotFound("conversation")))),
                Some(Stand { receipt: None, .. }) => put_off(ctx, asked),
                Some(_) if !is_known => drop(asked.answer.send(Err(Error::NotFound("message")))),
                Some(Stand { receipt: Some(receipt), .. }) => drop(asked.answer.send(Ok(receipt.clone()))),
            }
        }
    }

    fn leave_untold(&self, ctx: &Context) {
        ctx.cluster.leave_untold();
    }

    /// The first to wait learns what went wrong, and the log with it; the others only that it did.
    async fn fail(&self, _: &Context, asked: Vec<Move>, error: sqlx::Error) {
        let mut error = Some(error);
        for asked in asked {
            let says = error.take().map_or(Error::Unavailable("The database is away; try again soon."), Error::from);
            drop(asked.answer.send(Err(says)));
        }
    }
}

/// Queues once more what others held, but not for ever.
fn put_off(ctx: &Context, asked: Move) {
    if asked.since.elapsed() < PATIENCE {
        // Where there is no room, who waits for the answer learns it by there being none.
        drop(asked.queue(ctx));
    }
}

/// Up to where each move goes; nothing where it speaks of messages that do not exist.
async fn targets(tx: &mut PgConnection, asked: &[Move]) -> sqlx::Result<Vec<Option<i64>>> {
    let named: Vec<(ConversationId, MessageId)> = asked
        .iter()
        .filter_map(|asked| match &asked.reached {
            Reached::Messages(ids) => Some(ids.iter().map(|id| (asked.conversation_id, *id))),
            Reached::Head | Reached::Seq(_) => None,
        })
        .flatten()
        .collect();
    let seqs = if named.is_empty() { HashMap::new() } else { messages::seqs(tx, &named).await? };
    let latest = |asked: &Move| match &asked.reached {
        Reached::Head => Some(i64::MAX),
        Reached::Seq(seq) => Some(*seq),
        Reached::Messages(ids) => ids.iter().filter_map(|id| seqs.get(&(asked.conversation_id, *id))).max().copied(),
    };
    Ok(asked.iter().map(latest).collect())
}

/// The furthest of what each person said of each conversation.
fn coalesced(asked: &[Move], seqs: &[Option<i64>]) -> BTreeMap<Who, Wanted> {
    let mut wanted: BTreeMap<Who, Wanted> = BTreeMap::new();
    for (asked, seq) in asked.iter().zip(seqs) {
        let wanted = wanted.entry(asked.who()).or_default();
        let cursor = match asked.kind {
            ReceiptKind::Delivered => &mut wanted.delivered_seq,
            ReceiptKind::Read => &mut wanted.read_seq,
        };
        *cursor = seq.unwrap_or(0).max(*cursor);
    }
    wanted
}

async fn tell(ctx: &Context, written: &Written) {
    let mut by_conversation: HashMap<ConversationId, Vec<Envelope>> = HashMap::new();
    for (who, stand) in &written.stands {
        let events = stand.events(*who, written.at);
        by_conversation.entry(who.0).or_default().extend(events.iter().map(Envelope::of));
    }
    for envelopes in by_conversation.into_values().filter(|envelopes| !envelopes.is_empty()) {
        ctx.cluster.bus.publish(envelopes).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Clock;

    fn asked((conversation_id, user_id): Who, kind: ReceiptKind) -> Move {
        let (answer, _) = oneshot::channel();
        Move { conversation_id, user_id, kind, reached: Reached::Head, since: Instant::now(), answer }
    }

    /// Where somebody stands who wants to go there from (4, 2) in a log of 9: delivered, read, and what is told of both.
    fn stand(delivered_seq: i64, read_seq: i64) -> (i64, i64, bool, bool) {
        let (conversation_id, user_id) = (ConversationId::random(), UserId::new_v7());
        let receipt = Receipt { user_id, delivered_seq: 4, delivered_at: None, read_seq: 2, read_at: None };
        let place = Place { conversation_id, user_id, head_seq: 9, member_count: 2, receipt: Some(receipt) };
        let stand = Stand::after(place, Wanted { delivered_seq, read_seq }, Clock::default().now());
        let receipt = stand.receipt.expect("nobody held it");
        (receipt.delivered_seq, receipt.read_seq, stand.is_delivered, stand.has_read)
    }

    #[test]
    fn of_all_that_one_says_of_a_conversation_the_furthest_counts() {
        let (ada, bob) = ((ConversationId::random(), UserId::new_v7()), (ConversationId::random(), UserId::new_v7()));
        let moves = [
            asked(ada, ReceiptKind::Read),
            asked(ada, ReceiptKind::Delivered),
            asked(bob, ReceiptKind::Read),
            asked(ada, ReceiptKind::Read),
            asked(ada, ReceiptKind::Read),
        ];

        let wanted = coalesced(&moves, &[Some(3), Some(9), Some(1), Some(7), None]);

        let of = |delivered_seq, read_seq| Some(&Wanted { delivered_seq, read_seq }).copied();
        assert_eq!((wanted.get(&ada).copied(), wanted.get(&bob).copied()), (of(9, 7), of(0, 1)));
    }

    #[test]
    fn cursors_go_forward_up_to_the_head_and_reading_implies_delivery() {
        for (wanted, expected) in [
            ((0, 0), (4, 2, false, false)),
            ((4, 2), (4, 2, false, false)),
            ((3, 1), (4, 2, false, false)),
            ((6, 0), (6, 2, true, false)),
            ((0, 3), (4, 3, false, true)),
            ((0, 6), (6, 6, false, true)),
            ((8, 6), (8, 6, true, true)),
            ((i64::MAX, i64::MAX), (9, 9, false, true)),
        ] {
            assert_eq!(stand(wanted.0, wanted.1), expected, "{wanted:?}");
        }
    }
}
