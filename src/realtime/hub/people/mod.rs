//! Who sits where.

mod own;
mod telling;

use std::{collections::HashMap, mem, time::Duration};

use slab::Slab;
use smallvec::SmallVec;
use tokio::time::Instant;

use self::telling::Tally;
use super::{
    Arrival, Membership,
    rooms::{Listener, Rooms},
};
use crate::{
    domain::{
        clock::Time,
        event::{Durability, Event, MembershipChange, Revocation},
        ids::{ConversationId, UserId},
    },
    realtime::{close::Close, frames, mailbox::Mailbox},
    wire,
};

/// The seats of one person: often one, seldom more than a phone and a desk.
type Seats = SmallVec<[u32; 2]>;

/// All guests, by seat and by person, and the rooms they are in.
pub(super) struct People {
    guests: Slab<Guest>,
    by_user: HashMap<UserId, Seats>,
    rooms: Rooms,
    /// Over how long whoever comes is told to come back elsewhere, once all are sent away.
    sends_away: Option<Duration>,
}

/// One socket and its person.
struct Guest {
    arrival: Arrival,
    mailbox: Mailbox,
    rooms: Vec<u32>,
    /// What is open before their eyes; in a room only once they hear the conversation.
    viewing: Vec<ConversationId>,
    /// Whether they hear their conversations and their own matters.
    is_subscribed: bool,
    /// What changed while their memberships are being loaded.
    notes: Option<Vec<Note>>,
    /// Whether their memberships could not be loaded.
    is_unsure: bool,
    /// How much the rooms had been told when they last asked for heads.
    told: u64,
    /// Up to where they know their own log, or have been told it.
    own_seq: i64,
    heard_at: Instant,
    pinged_at: Instant,
}

/// A change of membership: the floor and the head of who hears the conversation now.
struct Note {
    conversation_id: ConversationId,
    standing: Option<Standing>,
}

/// What somebody may hear of a conversation, above which floor, and how far they know its log.
type Standing = (i64, i64);

impl People {
    pub fn new(rooms: Rooms) -> Self {
        Self { guests: Slab::new(), by_user: HashMap::new(), rooms, sends_away: None }
    }

    pub fn len(&self) -> usize {
        self.guests.len()
    }

    pub fn admit(&mut self, arrival: Arrival, mailbox: Mailbox, now: Instant) -> u32 {
        if let Some(spread) = self.sends_away {
            mailbox.close_when_answered(Close::going_away_within(spread));
        }
        let seat = self.guests.insert(Guest {
            arrival,
            mailbox,
            rooms: Vec::new(),
            viewing: Vec::new(),
            is_subscribed: false,
            notes: None,
            is_unsure: false,
            told: self.rooms.told(),
            own_seq: 0,
            heard_at: now,
            pinged_at: now,
        }) as u32;
        self.by_user.entry(arrival.user_id).or_default().push(seat);
        seat
    }

    pub fn dismiss(&mut self, seat: u32) {
        let guest = self.guests.remove(seat as usize);
        for room in &guest.rooms {
            self.rooms.exit(*room, seat);
        }
        if let Some(seats) = self.by_user.get_mut(&guest.arrival.user_id) {
            seats.retain(|other| *other != seat);
            if seats.is_empty() {
                self.by_user.remove(&guest.arrival.user_id);
            }
        }
        self.unfollow(&guest);
    }

    pub fn take_notes(&mut self, seat: u32) {
        self.guest(seat).notes = Some(Vec::new());
    }

    /// Puts a guest into the rooms of these conversations and no others, but for what was noted meanwhile. To one who was
    /// in rooms before, every difference is something that they were not told of.
    pub fn subscribe(&mut self, seat: u32, memberships: Vec<Membership>) {
        let guest = &mut self.guests[seat as usize];
        let was_subscribed = mem::replace(&mut guest.is_subscribed, true);
        let mut wanted: HashMap<_, _> = memberships.into_iter().map(|(id, floor, head)| (id, (floor, head))).collect();
        for note in guest.notes.take().unwrap_or_default() {
            match note.standing {
                Some(standing) => wanted.insert(note.conversation_id, standing),
                None => wanted.remove(&note.conversation_id),
            };
        }

        let rooms = guest.rooms.iter().map(|room| self.rooms.room(*room).conversation_id);
        let mut changed: Vec<_> = rooms.filter(|id| !wanted.contains_key(id)).collect();
        guest.rooms.reserve_exact(wanted.len().saturating_sub(guest.rooms.len()));
        for id in &changed {
            self.exit(seat, *id);
        }
        for (id, standing) in wanted {
            if self.enter(seat, id, standing) {
                changed.push(id);
            }
        }
        if was_subscribed {
            for id in changed {
                self.guests[seat as usize].require(&Event::SyncRequired(id));
            }
        } else {
            self.follow(seat);
        }
    }

    /// Where somebody belongs could not be found out.
    pub fn stay_unsure(&mut self, seat: u32) {
        let guest = self.guest(seat);
        (guest.notes, guest.is_unsure) = (None, true);
    }

    pub fn hears(&self, seat: u32, conversation_id: ConversationId) -> bool {
        self.rooms.of(conversation_id).is_some_and(|room| room.is_heard_by(seat))
    }

    pub fn view(&mut self, seat: u32, conversation_id: ConversationId) -> bool {
        let viewing = &mut self.guest(seat).viewing;
        if viewing.contains(&conversation_id) {
            return false;
        }
        viewing.push(conversation_id);
        self.rooms.set_viewing(conversation_id, seat, true);
        true
    }

    pub fn unview(&mut self, seat: u32, conversation_id: ConversationId) -> bool {
        let viewing = &mut self.guest(seat).viewing;
        let Some(place) = viewing.iter().position(|id| *id == conversation_id) else { return false };
        viewing.swap_remove(place);
        self.rooms.set_viewing(conversation_id, seat, false);
        true
    }

    pub fn viewing(&self, seat: u32) -> &[ConversationId] {
        &self.guests[seat as usize].viewing
    }

    pub fn heads(&mut self, seat: u32) -> Vec<(ConversationId, i64)> {
        let guest = &mut self.guests[seat as usize];
        let told = mem::replace(&mut guest.told, self.rooms.told());
        let rooms = guest.rooms.iter().map(|room| self.rooms.room(*room));
        rooms.filter(|room| room.told_at > told).map(|room| (room.conversation_id, room.head_seq)).collect()
    }

    pub fn renew(&mut self, seat: u32, arrival: Arrival) {
        self.guest(seat).arrival = arrival;
    }

    pub fn close(&mut self, revocation: Revocation) {
        for seat in self.seats_of(revocation.user_id) {
            let guest = self.guest(seat);
            if revocation.session_id.is_none_or(|id| guest.arrival.session_id == Some(id)) {
                guest.mailbox.close(Close::Ended);
            }
        }
    }

    pub fn check(&self, members: &[(ConversationId, UserId)]) {
        for (conversation_id, user_id) in members {
            for seat in self.seats_of(*user_id).into_iter().filter(|seat| !self.hears(*seat, *conversation_id)) {
                self.guests[seat as usize].mailbox.ask_to_recheck();
            }
        }
    }

    pub fn recheck(&self) {
        self.guests.iter().for_each(|(_, guest)| guest.mailbox.ask_to_recheck());
    }

    pub fn send_away(&mut self, spread: Duration) {
        self.sends_away = Some(spread);
        for (place, (_, guest)) in self.guests.iter().enumerate() {
            let reconnect_after = spread.mul_f64(place as f64 / self.guests.len() as f64);
            guest.mailbox.close_when_answered(Close::GoingAway { reconnect_after });
        }
    }

    pub fn sweep(&mut self, heartbeat: Duration, now: Instant, time: Time) {
        let mut tally = Tally::default();
        for (_, guest) in &mut self.guests {
            if guest.mailbox.take_heard() {
                guest.heard_at = now;
            }
            if mem::take(&mut guest.is_unsure) {
                guest.mailbox.ask_to_recheck();
            }
            if guest.arrival.expires_at <= time {
                guest.mailbox.close(Close::TokenExpired);
            } else if now >= guest.heard_at + 2 * heartbeat {
                guest.mailbox.close(Close::Silent);
            } else if now >= guest.pinged_at + heartbeat {
                guest.pinged_at = now;
                guest.push(frames::ping(), Durability::Ephemeral, &mut tally);
            }
        }
    }

    fn change(&mut self, conversation_id: ConversationId, change: &MembershipChange) {
        match change {
            MembershipChange::Hears { user_id, floor_seq, head_seq } => {
                let standing = (*floor_seq, *head_seq);
                for seat in self.seats_of(*user_id) {
                    self.guest(seat).note(conversation_id, Some(standing));
                    if self.guest(seat).is_subscribed {
                        self.enter(seat, conversation_id, standing);
                    }
                }
            }
            MembershipChange::HearsNothing(users) => {
                for seat in users.iter().flat_map(|user_id| self.seats_of(*user_id)).collect::<Seats>() {
                    self.guest(seat).note(conversation_id, None);
                    self.exit(seat, conversation_id);
                }
            }
        }
    }

    /// Puts a guest into a room; whether they were not in it.
    fn enter(&mut self, seat: u32, conversation_id: ConversationId, (floor_seq, head_seq): Standing) -> bool {
        let guest = &mut self.guests[seat as usize];
        let is_viewing = guest.viewing.contains(&conversation_id);
        let room = self.rooms.enter(conversation_id, head_seq, Listener { seat, is_viewing, floor_seq });
        guest.rooms.extend(room);
        room.is_some()
    }

    fn exit(&mut self, seat: u32, conversation_id: ConversationId) {
        let guest = &mut self.guests[seat as usize];
        guest.viewing.retain(|id| *id != conversation_id);
        let Some(room) = self.rooms.id_of(conversation_id) else { return };
        if let Some(place) = guest.rooms.iter().position(|id| *id == room) {
            guest.rooms.swap_remove(place);
            self.rooms.exit(room, seat);
        }
    }

    fn guest(&mut self, seat: u32) -> &mut Guest {
        &mut self.guests[seat as usize]
    }

    fn seats_of(&self, user_id: UserId) -> Seats {
        self.by_user.get(&user_id).cloned().unwrap_or_default()
    }

    #[cfg(test)]
    pub fn user_of(&self, seat: u32) -> UserId {
        self.guests[seat as usize].arrival.user_id
    }

    #[cfg(test)]
    pub fn check_invariants(&self) {
        self.rooms.check_invariants();
        assert_eq!(self.by_user.values().map(SmallVec::len).sum::<usize>(), self.guests.len());
        for (seat, guest) in &self.guests {
            let seat = seat as u32;
            assert!(self.by_user[&guest.arrival.user_id].contains(&seat));
            assert!(guest.is_subscribed || guest.rooms.is_empty());
            assert!(guest.rooms.iter().all(|room| self.rooms.room(*room).is_heard_by(seat)));
        }
        let listeners = || self.rooms.iter().flat_map(|(_, room)| room.listeners.iter().map(move |l| (room, l)));
        assert_eq!(listeners().count(), self.guests.iter().map(|(_, guest)| guest.rooms.len()).sum::<usize>());
        for (room, listener) in listeners() {
            let viewing = &self.guests[listener.seat as usize].viewing;
            assert_eq!(listener.is_viewing, viewing.contains(&room.conversation_id));
        }
    }
}

impl Guest {
    fn note(&mut self, conversation_id: ConversationId, standing: Option<Standing>) {
        if let Some(notes) = &mut self.notes {
            notes.push(Note { conversation_id, standing });
        }
    }

    /// Tells one guest alone what they must do.
    fn require(&self, event: &Event) {
        self.push(frames::text(&wire::event::encode(event)), Durability::Durable, &mut Tally::default());
    }
}
