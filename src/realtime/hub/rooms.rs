//! Which sockets of this worker hear which conversation, from which message on, and how far each conversation has been told.
//!
//! Invariant: a conversation has a room while, and only while, somebody here hears it; the node is told of both edges.

use std::collections::HashMap;

use slab::Slab;

use crate::domain::ids::{ConversationId, LogId};

/// The node's ear, told which logs anybody on this worker hears.
pub(super) struct Tracker {
    /// The first one came, knowing the log up to here. Answers with how far it has been told on this node.
    pub track: Box<dyn Fn(LogId, i64) -> i64>,
    /// The last one went.
    pub untrack: Box<dyn Fn(LogId)>,
}

/// All rooms of a worker.
pub(super) struct Rooms {
    open: Slab<Room>,
    by_conversation: HashMap<ConversationId, u32>,
    tracker: Tracker,
    /// Counts what was told, over all rooms, so that a socket needs to keep but one number to know what is new.
    told: u64,
}

/// Those who hear one conversation.
pub(super) struct Room {
    pub conversation_id: ConversationId,
    /// By ascending seat, for binary search and because that is how they lie in memory.
    pub listeners: Vec<Listener>,
    /// The log's entry that was told last.
    pub head_seq: i64,
    /// When that was, in `Rooms::told`.
    pub told_at: u64,
    viewers: u32,
}

/// One who hears.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    pub seat: u32,
    /// Whether the conversation is open before their eyes.
    pub is_viewing: bool,
    /// Messages up to here are not for them.
    pub floor_seq: i64,
}

impl Rooms {
    pub fn new(tracker: Tracker) -> Self {
        Self { open: Slab::new(), by_conversation: HashMap::new(), tracker, told: 0 }
    }

    pub fn room(&self, id: u32) -> &Room {
        &self.open[id as usize]
    }

    pub fn of(&self, conversation_id: ConversationId) -> Option<&Room> {
        self.by_conversation.get(&conversation_id).map(|id| self.room(*id))
    }

    pub fn id_of(&self, conversation_id: ConversationId) -> Option<u32> {
        self.by_conversation.get(&conversation_id).copied()
    }

    /// How much has been told, for [`Room::told_at`] to be compared with.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// Lets somebody hear a conversation whose log they know up to `head_seq`. Answers with the room, if it is new to them.
    pub fn enter(&mut self, conversation_id: ConversationId, head_seq: i64, listener: Listener) -> Option<u32> {
        let Self { open, tracker, .. } = self;
        let id = *self.by_conversation.entry(conversation_id).or_insert_with(|| {
            let head_seq = (tracker.track)(LogId::Conversation(conversation_id), head_seq);
            open.insert(Room { conversation_id, listeners: Vec::new(), head_seq, told_at: 0, viewers: 0 }) as u32
        });
        let room = &mut open[id as usize];
        match room.place_of(listener.seat) {
            Ok(place) => {
                room.listeners[place].floor_seq = listener.floor_seq;
                None
            }
            Err(place) => {
                // Most conversations are of two, and often one of them is here.
                if room.listeners.is_empty() {
                    room.listeners.reserve_exact(1);
                }
                room.viewers += u32::from(listener.is_viewing);
                room.listeners.insert(place, listener);
                Some(id)
            }
        }
    }

    /// Lets somebody hear it no more.
    pub fn exit(&mut self, id: u32, seat: u32) {
        let room = &mut self.open[id as usize];
        if let Ok(place) = room.place_of(seat) {
            let listener = room.listeners.remove(place);
            room.viewers -= u32::from(listener.is_viewing);
        }
        if room.listeners.is_empty() {
            let conversation_id = self.open.remove(id as usize).conversation_id;
            self.by_conversation.remove(&conversation_id);
            self.untrack(LogId::Conversation(conversation_id));
        }
    }

    /// A log of which this worker has no listener gets one, who knows it up to `head_seq`. Answers with how far it has been told.
    pub fn track(&self, log: LogId, head_seq: i64) -> i64 {
        (self.tracker.track)(log, head_seq)
    }

    /// The last one went.
    pub fn untrack(&self, log: LogId) {
        (self.tracker.untrack)(log);
    }

    /// Notes that somebody who hears it has it open, or no more.
    pub fn set_viewing(&mut self, conversation_id: ConversationId, seat: u32, is_viewing: bool) {
        let Some(id) = self.id_of(conversation_id) else { return };
        let room = &mut self.open[id as usize];
        let Ok(place) = room.place_of(seat) else { return };
        let listener = &mut room.listeners[place];
        if listener.is_viewing != is_viewing {
            listener.is_viewing = is_viewing;
            room.viewers = if is_viewing { room.viewers + 1 } else { room.viewers - 1 };
        }
    }

    /// Notes that an entry of the log is told.
    pub fn advance(&mut self, conversation_id: ConversationId, seq: i64) {
        let Some(id) = self.id_of(conversation_id) else { return };
        self.told += 1;
        let room = &mut self.open[id as usize];
        room.head_seq = room.head_seq.max(seq);
        room.told_at = self.told;
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Room)> {
        self.open.iter().map(|(id, room)| (id as u32, room))
    }

    #[cfg(test)]
    pub fn check_invariants(&self) {
        assert_eq!(self.open.len(), self.by_conversation.len());
        for (id, room) in self.iter() {
            assert_eq!(self.id_of(room.conversation_id), Some(id));
            assert!(!room.listeners.is_empty(), "a room without listeners is closed");
            assert!(room.listeners.is_sorted_by(|a, b| a.seat < b.seat));
            assert_eq!(room.viewers as usize, room.viewers().count());
            assert!(room.told_at <= self.told);
        }
    }
}

impl Room {
    /// The seats before whose eyes the conversation is open.
    pub fn viewers(&self) -> impl Iterator<Item = u32> {
        let listeners = if self.viewers == 0 { &[] } else { self.listeners.as_slice() };
        listeners.iter().filter(|listener| listener.is_viewing).map(|listener| listener.seat)
    }

    pub fn is_heard_by(&self, seat: u32) -> bool {
        self.place_of(seat).is_ok()
    }

    fn place_of(&self, seat: u32) -> Result<usize, usize> {
        self.listeners.binary_search_by_key(&seat, |listener| listener.seat)
    }
}
