//! One log's line in the [sequencer](super::sequencer): where it stands, what came early, and how its repair goes.

use std::collections::{BTreeMap, HashMap, btree_map::Entry, hash_map};

use tokio::time::Instant;

use super::sequencer::{Hole, Telling};
use crate::{
    cluster::bus::Envelope,
    domain::{
        event::{Audience, MembershipChange},
        ids::{LogId, UserId},
        receipt::{Cursor, ReceiptKind},
    },
};

/// What an envelope takes besides its text, roughly.
const ENVELOPE_BYTES: usize = 256;
/// What a cursor that waits takes, roughly.
pub const CURSOR_BYTES: usize = 2 * ENVELOPE_BYTES;

/// One committed change of one log: consecutive entries, with what is told together with them.
#[derive(Debug)]
pub struct Change {
    /// Whose log.
    pub log: LogId,
    /// Its first entry.
    pub first_seq: i64,
    /// Its last entry.
    pub last_seq: i64,
    /// What is told of it.
    pub envelopes: Vec<Envelope>,
}

/// What is being done about a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing; there is none.
    Idle,
    /// It may fill by itself until then.
    Waiting(Instant),
    /// It is being fetched.
    Fetching(Hole),
}

/// Where one log stands on this node.
#[derive(Debug)]
pub struct Line {
    /// The entry to be told next.
    pub next_seq: i64,
    /// The last entry that is known to exist.
    pub known_seq: i64,
    /// The head at the last check, where it was ahead.
    pub suspected_seq: Option<i64>,
    /// What is being done about a hole.
    pub repair: Repair,
    /// Fetches that failed in a row.
    pub failures: u32,
    early: BTreeMap<i64, Change>,
    /// Cursors that moved when the log went further than it has been told; of each the furthest.
    cursors: HashMap<(UserId, ReceiptKind), (Cursor, Envelope)>,
    listeners: usize,
    kept_until: Option<Instant>,
}

impl Change {
    /// Parts what is of no log from the changes of each log. What is of no log, but in one publish with changes, stays with them.
    pub fn split(envelopes: Vec<Envelope>) -> (Vec<Envelope>, Vec<Self>) {
        let mut changes: Vec<Self> = Vec::new();
        let mut places = HashMap::new();
        for envelope in &envelopes {
            let Some((log, seq)) = envelope.place() else { continue };
            let place = *places.entry(log).or_insert_with(|| {
                changes.push(Self { log, first_seq: seq, last_seq: seq, envelopes: Vec::new() });
                changes.len() - 1
            });
            let change = &mut changes[place];
            (change.first_seq, change.last_seq) = (change.first_seq.min(seq), change.last_seq.max(seq));
        }
        if changes.is_empty() {
            return (envelopes, changes);
        }
        let mut place = 0;
        for envelope in envelopes {
            let beside = || envelope.conversation_id.map(LogId::Conversation);
            let log = envelope.place().map(|(log, _)| log).or_else(beside);
            place = log.and_then(|log| places.get(&log)).copied().unwrap_or(place);
            changes[place].envelopes.push(envelope);
        }
        (Vec::new(), changes)
    }

    /// The conversations that somebody hears from this change on, and the first entry that they hear.
    pub fn admissions(&self) -> Vec<(LogId, i64)> {
        let admission = |envelope: &Envelope| match (self.log, &envelope.membership) {
            (LogId::Conversation(_), Some(MembershipChange::Hears { .. })) => Some((self.log, self.first_seq)),
            (LogId::Person(_), Some(MembershipChange::Hears { head_seq, .. })) => {
                Some((LogId::Conversation(envelope.conversation_id?), head_seq + 1))
            }
            (_, Some(MembershipChange::HearsNothing(_)) | None) => None,
        };
        self.envelopes.iter().filter_map(admission).collect()
    }

    /// What is left to tell of a change whose entries have been fetched, or will be: what is of no log, without a membership.
    pub fn late(self) -> impl Iterator<Item = Envelope> {
        self.envelopes.into_iter().filter(|envelope| envelope.place().is_none() && envelope.membership.is_none())
    }

    /// What is left to tell of a change of a log that nobody here listens to: what is of no log, and for one person.
    pub fn personal(self) -> impl Iterator<Item = Envelope> {
        self.envelopes
            .into_iter()
            .filter(|envelope| envelope.place().is_none() && matches!(envelope.audience, Audience::Users(_)))
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        let veiled = |envelope: &Envelope| envelope.veiled.as_ref().map_or(0, |veiled| veiled.text.len());
        self.envelopes.iter().map(|envelope| envelope.text.len() + veiled(envelope) + ENVELOPE_BYTES).sum()
    }
}

impl Line {
    /// A line whose next entry is `next_seq`, with nobody listening yet.
    pub fn starting_at(next_seq: i64) -> Self {
        Self {
            next_seq,
            known_seq: next_seq - 1,
            suspected_seq: None,
            repair: Repair::Idle,
            failures: 0,
            early: BTreeMap::new(),
            cursors: HashMap::new(),
            listeners: 0,
            kept_until: None,
        }
    }

    /// Counts a listener.
    pub fn listen(&mut self) {
        self.listeners += 1;
    }

    /// Counts a listener off.
    pub fn unlisten(&mut self, kept_until: Instant) {
        self.listeners = self.listeners.saturating_sub(1);
        self.linger(kept_until);
    }

    /// Keeps the line until then, even if nobody listens.
    pub fn linger(&mut self, until: Instant) {
        self.kept_until = self.kept_until.max(Some(until));
    }

    /// Whether somebody listens, or may come back.
    pub fn is_wanted(&self, now: Instant) -> bool {
        self.listeners > 0 || self.kept_until.is_some_and(|until| now < until)
    }

    /// Whether entries are known that have not been told.
    pub fn is_behind(&self) -> bool {
        self.known_seq >= self.next_seq
    }

    /// The last entry of the first hole; only where the line is behind.
    pub fn missing_up_to(&self) -> i64 {
        self.early.first_key_value().map_or(self.known_seq, |(first_seq, _)| first_seq - 1)
    }

    /// Takes a change that is not early. What overlaps with entries that were told is not told in part: it is left to be fetched.
    pub fn take(&mut self, change: Change, out: &mut Vec<Telling>) {
        if change.first_seq == self.next_seq {
            self.next_seq = change.last_seq + 1;
            out.extend(change.envelopes.into_iter().map(Telling::Event));
        } else {
            out.extend(change.late().map(Telling::Event));
        }
    }

    /// Holds an early change. Says how many bytes more are held.
    pub fn hold(&mut self, change: Change) -> usize {
        let bytes = change.bytes();
        match self.early.entry(change.first_seq) {
            Entry::Occupied(_) => 0,
            Entry::Vacant(place) => {
                place.insert(change);
                bytes
            }
        }
    }

    /// Takes the held changes whose turn has come. Says how many bytes fewer are held.
    pub fn release(&mut self, out: &mut Vec<Telling>) -> usize {
        let mut bytes = 0;
        while let Some(first) = self.early.first_entry()
            && *first.key() <= self.next_seq
        {
            let change = first.remove();
            bytes += change.bytes();
            self.take(change, out);
        }
        bytes
    }

    /// Holds what tells of a cursor until the log has been told as far as it went then. Says how many bytes more are held.
    pub fn put_off(&mut self, cursor: Cursor, envelope: Envelope) -> usize {
        match self.cursors.entry((cursor.user_id, cursor.kind)) {
            hash_map::Entry::Occupied(mut place) => {
                if place.get().0.seq < cursor.seq {
                    place.insert((cursor, envelope));
                }
                0
            }
            hash_map::Entry::Vacant(place) => {
                place.insert((cursor, envelope));
                CURSOR_BYTES
            }
        }
    }

    /// Takes the cursors whose turn has come.
    pub fn due_cursors(&mut self) -> Vec<(Cursor, Envelope)> {
        let next_seq = self.next_seq;
        self.cursors.extract_if(|_, (cursor, _)| cursor.head_seq < next_seq).map(|(_, due)| due).collect()
    }

    /// Bytes of early changes, and of cursors that wait.
    pub fn held_bytes(&self) -> usize {
        self.early.values().map(Change::bytes).sum::<usize>() + self.cursors.len() * CURSOR_BYTES
    }
}
