//! Who is told what.

use std::cell::LazyCell;

use bytes::{Bytes, BytesMut};

use super::{Guest, People};
use crate::{
    cluster::bus::Envelope,
    domain::{
        event::{Audience, Durability, Event},
        ids::ConversationId,
        own::OwnPlace,
    },
    realtime::{close::Close, frames, hub::rooms::Room, mailbox::Pushed},
    telemetry::metrics,
};

/// What became of what was pushed.
#[derive(Default)]
pub(super) struct Tally {
    delivered: usize,
    shed: usize,
    /// Whether somebody has not taken yet what they were given before.
    is_anybody_behind: bool,
}

impl People {
    /// Tells events in their order; says whether somebody who hears them has not taken yet what they were told before.
    pub fn tell_all(&mut self, envelopes: &[Envelope]) -> bool {
        let mut tally = Tally::default();
        for run in envelopes.chunk_by(go_together) {
            if run.len() > 1 && self.all_see(&run[0]) {
                self.tell_at_once(run, &mut tally);
            } else {
                for envelope in run {
                    self.tell(envelope, &mut tally);
                }
            }
        }
        metrics::deliveries(tally.delivered);
        metrics::events_shed(tally.shed);
        tally.is_anybody_behind
    }

    fn tell(&mut self, envelope: &Envelope, tally: &mut Tally) {
        // Before telling: who leaves does not hear even this, and who comes hears this already.
        if let (Some(id), Some(change)) = (envelope.conversation_id, &envelope.membership) {
            self.change(id, change);
        }
        if let (Some(id), Some(seq)) = (envelope.conversation_id, envelope.seq) {
            self.rooms.advance(id, seq);
        }
        if let Some(place) = envelope.own_place {
            return self.tell_own(place, envelope, tally);
        }

        let frame = LazyCell::new(|| frames::text(&envelope.text));
        match &envelope.audience {
            Audience::Members { conversation_id, born } => {
                let listeners = self.rooms.of(*conversation_id).map_or(&[][..], |room| &room.listeners);
                let veiled = envelope.veiled.as_ref().map(|veiled| (veiled.quoted_seq, frames::text(&veiled.text)));
                for listener in listeners.iter().filter(|listener| born.is_none_or(|born| born > listener.floor_seq)) {
                    let guest = &self.guests[listener.seat as usize];
                    match &veiled {
                        Some((quoted_seq, frame)) if *quoted_seq <= listener.floor_seq => {
                            guest.push(frame.clone(), envelope.durability, tally);
                        }
                        _ => guest.push(frame.clone(), envelope.durability, tally),
                    }
                }
            }
            Audience::Member { conversation_id, user_id } => {
                for seat in self.by_user.get(user_id).into_iter().flatten() {
                    if self.hears(*seat, *conversation_id) {
                        self.guests[*seat as usize].push(frame.clone(), envelope.durability, tally);
                    }
                }
            }
            Audience::Users(users) => {
                let seats = users.iter().filter_map(|user| self.by_user.get(user)).flatten();
                let guests = seats.map(|seat| &self.guests[*seat as usize]);
                for guest in guests.filter(|guest| guest.is_subscribed) {
                    guest.push(frame.clone(), envelope.durability, tally);
                }
            }
            Audience::Viewers { conversation_ids, except } => {
                let guests = self.viewers(conversation_ids).into_iter().map(|seat| &self.guests[seat as usize]);
                for guest in guests.filter(|guest| !except.contains(&guest.arrival.user_id)) {
                    guest.push(frame.clone(), envelope.durability, tally);
                }
            }
        }
    }

    /// Tells an entry of somebody's own log.
    fn tell_own(&mut self, place: OwnPlace, envelope: &Envelope, tally: &mut Tally) {
        let frame = LazyCell::new(|| frames::text(&envelope.text));
        for seat in self.advance_own(place) {
            let guest = &self.guests[seat as usize];
            match &envelope.audience {
                // They may have been admitted there, and not be told of it yet: what comes then may be older than this.
                Audience::Member { conversation_id, .. } if !self.hears(seat, *conversation_id) => {
                    guest.require(&Event::OwnSyncRequired(place.user_id));
                }
                _ => guest.push(frame.clone(), envelope.durability, tally),
            }
        }
    }

    /// Tells messages of one conversation that all its listeners may see: in a busy one, what a listener costs is paid once
    /// and not for each message.
    fn tell_at_once(&mut self, run: &[Envelope], tally: &mut Tally) {
        let (Some(id), Some(last)) = (run[0].conversation_id, run.iter().filter_map(|envelope| envelope.seq).max())
        else {
            return;
        };
        self.rooms.advance(id, last);
        let Some(room) = self.rooms.of(id) else { return };
        let mut frames = BytesMut::new();
        for envelope in run {
            frames.extend_from_slice(&frames::text(&envelope.text));
        }
        let (frames, mut told) = (frames.freeze(), Tally::default());
        for listener in &room.listeners {
            self.guests[listener.seat as usize].push(frames.clone(), run[0].durability, &mut told);
        }
        tally.delivered += told.delivered * run.len();
        tally.is_anybody_behind |= told.is_anybody_behind;
    }

    /// Whether all who hear its conversation may see what an event is about.
    fn all_see(&self, envelope: &Envelope) -> bool {
        let Audience::Members { conversation_id, born: Some(born) } = envelope.audience else { return false };
        let mut listeners = self.rooms.of(conversation_id).into_iter().flat_map(|room| &room.listeners);
        listeners.all(|listener| listener.floor_seq < born)
    }

    fn viewers(&self, conversation_ids: &[ConversationId]) -> Vec<u32> {
        let rooms = conversation_ids.iter().filter_map(|id| self.rooms.of(*id));
        let mut viewers: Vec<_> = rooms.flat_map(Room::viewers).collect();
        viewers.sort_unstable();
        viewers.dedup();
        viewers
    }
}

/// Whether two events that follow one another are messages of the same conversation, told to the same people.
fn go_together(one: &Envelope, next: &Envelope) -> bool {
    let conversation_of = |envelope: &Envelope| match envelope.audience {
        Audience::Members { conversation_id, born } if born.is_some() && born == envelope.seq => Some(conversation_id),
        _ => None,
    };
    let is_plain = |envelope: &Envelope| envelope.membership.is_none() && envelope.veiled.is_none();
    is_plain(one) && is_plain(next) && conversation_of(one).is_some_and(|id| conversation_of(next) == Some(id))
}

impl Guest {
    pub(super) fn push(&self, frame: Bytes, durability: Durability, tally: &mut Tally) {
        match self.mailbox.push(frame, durability) {
            Ok(Pushed::Queued) => tally.delivered += 1,
            Ok(Pushed::Behind) => {
                tally.delivered += 1;
                tally.is_anybody_behind = true;
            }
            Ok(Pushed::Shed) => tally.shed += 1,
            Ok(Pushed::TooLate) => {}
            Err(_) => {
                self.mailbox.close(Close::TooSlow);
                metrics::mailbox_closed();
            }
        }
    }
}
