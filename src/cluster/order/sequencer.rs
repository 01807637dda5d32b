//! Puts what arrives into the order of each log, a conversation's or a person's own, and says what is missing. Pure: fed
//! with changes and the time.
//!
//! A *line* stands for a log that somebody on this node listens to. Its invariant: everything below `next_seq` has
//! been told here, in order, and nothing at or above it has.
//!
//! # Who joins hears everything
//! A change that admits somebody is told even where the conversation has no line, because the newcomer may be on this node; it
//! makes a line that lingers until a hub tracks it. Whatever follows the change is kept in order by that line, so the
//! hub may take its time.
//!
//! # Why late changes lose their memberships
//! A change that arrives after it was fetched has been told already, up to what is of no log, which a fetch does not know. Those are
//! told late; an admission is not, for the person may have been removed since, and the fetch has told what still holds.
//!
//! # Why receipts wait for the log
//! They have no place in it, but whoever left before a cursor moved must hear nothing of it, and the move may come here first. So it
//! is told once the log has been told as far as it went then, and only where the cursor goes further than it was told to stand.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    cursors::Cursors,
    line::{CURSOR_BYTES, Change, Line, Repair},
};
use crate::{
    cluster::bus::Envelope,
    domain::{event::MembershipChange, ids::LogId, receipt::Cursor},
};

/// How long an early change waits for those before it.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// How long a line is kept without a listener.
const LINGER: Duration = Duration::from_secs(10);
/// Log entries fetched at once.
const PAGE: i64 = 500;
/// Failed fetches of a hole after which the members are told to sync.
const TRIES: u32 = 5;
/// The pause after the first failed fetch; it doubles, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two fetches of a hole.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Early changes are held up to so many bytes of text; beyond that they are fetched again instead.
pub(super) const HELD_BYTES: usize = 32 * 1024 * 1024;
/// Logs without a line whose last entry is remembered, in each of two generations.
const REMEMBERED: usize = 65_536;

/// Entries of a log that are missing here: above `after`, up to and with `up_to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Whose log.
    pub log: LogId,
    /// The last entry that is known.
    pub after: i64,
    /// The last entry that is missing.
    pub up_to: i64,
}

/// How far heads that were read from the database are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The entries may still be on their way; only a second look shows that they are lost.
    SecondLook,
    /// Something was lost; what is missing is missing.
    AtOnce,
}

/// What is to be told, in order.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "Almost all are events, and a box for each would cost the hot path.")]
pub enum Telling {
    /// To those whom it concerns.
    Event(Envelope),
    /// Those who hear the log should sync, for what they miss cannot be fetched.
    SyncRequired(LogId),
}

/// All lines of this node.
#[derive(Debug, Default)]
pub struct Sequencer {
    lines: HashMap<LogId, Line>,
    alarms: BTreeSet<(Instant, LogId)>,
    held_bytes: usize,
    passed: [HashMap<LogId, i64>; 2],
    cursors: Cursors,
}

impl Sequencer {
    /// Somebody listens to a log of which they know everything up to `head_seq`. Says up to where it has been told here.
    pub fn track(&mut self, log: LogId, head_seq: i64, now: Instant) -> i64 {
        let passed = self.passed_seq(log);
        let line = self.lines.entry(log).or_insert_with(|| Line::starting_at(head_seq + 1));
        line.listen();
        line.known_seq = line.known_seq.max(head_seq).max(passed);
        let told = line.next_seq - 1;
        // What passed before anybody listened will not come again.
        let patience = if passed > told { Duration::ZERO } else { PATIENCE };
        self.review(log, now + patience);
        told
    }

    /// A listener went. The line is kept for a while, so that one who comes back, or was just admitted, finds it in order.
    pub fn untrack(&mut self, log: LogId, now: Instant) {
        if let Some(line) = self.lines.get_mut(&log) {
            line.unlisten(now + LINGER);
        }
    }

    /// Takes one committed change, in whatever order it arrives.
    pub fn feed(&mut self, envelopes: Vec<Envelope>, now: Instant, out: &mut Vec<Telling>) {
        let (unlogged, changes) = Change::split(envelopes);
        for envelope in unlogged {
            self.pass(envelope, now, out);
        }
        for change in changes {
            self.take(change, now, out);
        }
    }

    /// The holes that have waited long enough; each is handed out once, and must be answered with [`Self::fetched`].
    pub fn due(&mut self, now: Instant) -> Vec<Hole> {
        let mut holes = Vec::new();
        while let Some(&(at, log)) = self.alarms.first()
            && at <= now
        {
            self.alarms.pop_first();
            let Some(line) = self.lines.get_mut(&log) else { continue };
            let after = line.next_seq - 1;
            let up_to = line.missing_up_to().min(after + PAGE);
            let hole = Hole { log, after, up_to };
            line.repair = Repair::Fetching(hole);
            holes.push(hole);
        }
        holes
    }

    /// When [`Self::due`] will have something.
    pub fn next_alarm(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Takes what a hole held: all that is left of those entries in the log.
    pub fn fetched(&mut self, hole: Hole, envelopes: Vec<Envelope>, now: Instant, out: &mut Vec<Telling>) {
        let Hole { log, after, up_to } = hole;
        let Some(line) = self.fetching(hole) else { return };
        line.failures = 0;
        line.take(Change { log, first_seq: after + 1, last_seq: up_to, envelopes }, out);
        let released = line.release(out);
        self.held_bytes -= released;
        self.tell_cursors(log, out);
        let patience = if up_to == after + PAGE { Duration::ZERO } else { PATIENCE };
        self.review(log, now + patience);
    }

    /// A hole could not be fetched. It stays open, and is tried again: skipping it could leave somebody listening who was removed in it.
    pub fn failed(&mut self, hole: Hole, now: Instant, out: &mut Vec<Telling>) {
        let Some(line) = self.fetching(hole) else { return };
        line.failures = line.failures.saturating_add(1);
        if line.failures.is_multiple_of(TRIES) && line.is_behind() {
            out.push(Telling::SyncRequired(hole.log));
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << line.failures.min(16)).min(LONGEST_PAUSE);
        self.review(hole.log, now + pause);
    }

    /// Compares the lines with the heads of the logs.
    pub fn check(&mut self, heads: &[(LogId, i64)], trust: Trust, now: Instant) {
        for &(log, head_seq) in heads {
            let Some(line) = self.lines.get_mut(&log) else { continue };
            let was_behind = line.suspected_seq.is_some_and(|seq| seq >= line.next_seq);
            line.suspected_seq = (head_seq >= line.next_seq).then_some(head_seq);
            if was_behind || trust == Trust::AtOnce {
                line.known_seq = line.known_seq.max(head_seq);
                self.review(log, now + PATIENCE);
            }
        }
    }

    /// The logs that have a line.
    pub fn tracked(&self) -> Vec<LogId> {
        self.lines.keys().copied().collect()
    }

    /// Whether a log has a line.
    pub fn is_tracked(&self, log: LogId) -> bool {
        self.lines.contains_key(&log)
    }

    /// Forgets lines that nobody came back to, and what passed long ago.
    pub fn sweep(&mut self, now: Instant) {
        let (alarms, held_bytes) = (&mut self.alarms, &mut self.held_bytes);
        self.lines.retain(|id, line| {
            let stays = line.is_wanted(now);
            if !stays {
                *held_bytes -= line.held_bytes();
                if let Repair::Waiting(at) = line.repair {
                    alarms.remove(&(at, *id));
                }
            }
            stays
        });
        self.age_passed();
        self.cursors.sweep(now);
    }

    /// Tells an event that came without a change of a log.
    fn pass(&mut self, envelope: Envelope, now: Instant, out: &mut Vec<Telling>) {
        if let (Some(MembershipChange::Hears { head_seq, .. }), Some(id)) =
            (&envelope.membership, envelope.conversation_id)
        {
            self.admit(LogId::Conversation(id), head_seq + 1, now);
        }
        match (envelope.cursor, envelope.conversation_id) {
            (Some(cursor), Some(id)) => self.pass_cursor(cursor, LogId::Conversation(id), envelope, out),
            _ => out.push(Telling::Event(envelope)),
        }
    }

    /// Tells how far somebody has come, in its turn; nobody where nobody listens.
    fn pass_cursor(&mut self, cursor: Cursor, log: LogId, envelope: Envelope, out: &mut Vec<Telling>) {
        let Some(line) = self.lines.get_mut(&log) else { return };
        if cursor.head_seq < line.next_seq {
            self.tell_cursor(log, cursor, envelope, out);
        } else if self.held_bytes + CURSOR_BYTES <= HELD_BYTES {
            self.held_bytes += line.put_off(cursor, envelope);
        } else {
            out.push(Telling::SyncRequired(log));
        }
    }

    /// Tells the cursors whose turn has come.
    fn tell_cursors(&mut self, log: LogId, out: &mut Vec<Telling>) {
        let Some(line) = self.lines.get_mut(&log) else { return };
        for (cursor, envelope) in line.due_cursors() {
            self.held_bytes -= CURSOR_BYTES;
            self.tell_cursor(log, cursor, envelope, out);
        }
    }

    /// Tells a cursor where it is news.
    fn tell_cursor(&mut self, log: LogId, cursor: Cursor, envelope: Envelope, out: &mut Vec<Telling>) {
        if let LogId::Conversation(id) = log
            && self.cursors.advance(id, cursor)
        {
            out.push(Telling::Event(envelope));
        }
    }

    /// Takes a change of one log.
    fn take(&mut self, change: Change, now: Instant, out: &mut Vec<Telling>) {
        let (log, last_seq) = (change.log, change.last_seq);
        for (admitting, next_seq) in change.admissions() {
            self.admit(admitting, next_seq, now);
        }
        let Some(line) = self.lines.get_mut(&log) else {
            self.pass_by(log, last_seq);
            return out.extend(change.personal().map(Telling::Event));
        };
        let (told, fits) = (line.next_seq, self.held_bytes + change.bytes() <= HELD_BYTES);
        line.known_seq = line.known_seq.max(last_seq);
        if change.first_seq <= line.next_seq {
            line.take(change, out);
            self.held_bytes -= line.release(out);
        } else if fits {
            self.held_bytes += line.hold(change);
        } else {
            out.extend(change.late().map(Telling::Event));
        }
        if line.next_seq > told {
            self.tell_cursors(log, out);
            self.calm(log);
        }
        self.review(log, now + PATIENCE);
    }

    /// Makes sure that somebody who may be on this node, and was just admitted, finds a line.
    fn admit(&mut self, log: LogId, next_seq: i64, now: Instant) {
        let passed = self.passed_seq(log);
        let mut is_new = false;
        let line = self.lines.entry(log).or_insert_with(|| {
            is_new = true;
            Line::starting_at(next_seq)
        });
        line.linger(now + LINGER);
        if is_new {
            line.known_seq = line.known_seq.max(passed);
            self.review(log, now);
        }
    }

    /// The line whose hole was being fetched, unless it has been forgotten since.
    fn fetching(&mut self, hole: Hole) -> Option<&mut Line> {
        let line = self.lines.get_mut(&hole.log)?;
        if line.repair != Repair::Fetching(hole) {
            return None;
        }
        line.repair = Repair::Idle;
        Some(line)
    }

    /// Clears a line's alarm: it moved, so what is missing now has not been missing for as long.
    fn calm(&mut self, log: LogId) {
        if let Some(line) = self.lines.get_mut(&log)
            && let Repair::Waiting(at) = line.repair
        {
            line.repair = Repair::Idle;
            self.alarms.remove(&(at, log));
        }
    }

    /// Sets or clears a line's alarm, as it has a hole or not. An alarm that is set is never put off.
    fn review(&mut self, log: LogId, at: Instant) {
        let Some(line) = self.lines.get_mut(&log) else { return };
        let at = match line.repair {
            Repair::Fetching(_) => return,
            Repair::Waiting(set) => set.min(at),
            Repair::Idle => at,
        };
        self.calm(log);
        if let Some(line) = self.lines.get_mut(&log)
            && line.is_behind()
        {
            line.repair = Repair::Waiting(at);
            self.alarms.insert((at, log));
        }
    }

    /// The last entry that passed while nobody listened, as far as it is remembered; 0 where it is not.
    fn passed_seq(&self, log: LogId) -> i64 {
        self.passed.iter().filter_map(|seqs| seqs.get(&log)).copied().max().unwrap_or(0)
    }

    /// Remembers that an entry passed while nobody listened.
    fn pass_by(&mut self, log: LogId, seq: i64) {
        let seq = self.passed_seq(log).max(seq);
        if self.passed[0].len() >= REMEMBERED {
            self.age_passed();
        }
        self.passed[0].insert(log, seq);
    }

    fn age_passed(&mut self) {
        self.passed.swap(0, 1);
        self.passed[0].clear();
    }
}
