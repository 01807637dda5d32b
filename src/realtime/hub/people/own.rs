//! People's own logs: who of them listens here, and how far each socket has been told.
//!
//! Invariant: everything up to a guest's `own_seq` they knew when they came, or were told, or were told to sync.

use super::{Guest, People};
use crate::domain::{
    event::Event,
    ids::{LogId, UserId},
    own::OwnPlace,
};

impl People {
    pub fn stand_at(&mut self, seat: u32, own_seq: i64) {
        self.guest(seat).own_seq = own_seq;
    }

    pub fn own_seq(&self, seat: u32) -> i64 {
        self.guests[seat as usize].own_seq
    }

    /// Lets a guest who has just been subscribed hear their own log. What was told here between what they loaded and now,
    /// they have missed.
    pub(super) fn follow(&mut self, seat: u32) {
        let Guest { arrival, own_seq, .. } = self.guests[seat as usize];
        let log = LogId::Person(arrival.user_id);
        let told = self.told_others(arrival.user_id, seat).unwrap_or_else(|| self.rooms.track(log, own_seq));
        if told > own_seq {
            self.guest(seat).own_seq = told;
            self.guests[seat as usize].require(&Event::OwnSyncRequired(arrival.user_id));
        }
    }

    /// Ends that, once they have gone.
    pub(super) fn unfollow(&self, gone: &Guest) {
        let user_id = gone.arrival.user_id;
        if gone.is_subscribed && !self.seats_of(user_id).iter().any(|seat| self.guests[*seat as usize].is_subscribed) {
            self.rooms.untrack(LogId::Person(user_id));
        }
    }

    /// The seats that have not been told this entry of their person's log, nor what came after it. From now on they have.
    pub(super) fn advance_own(&mut self, place: OwnPlace) -> Vec<u32> {
        let mut seats = self.seats_of(place.user_id).to_vec();
        seats.retain(|seat| {
            let guest = self.guest(*seat);
            let is_new = guest.is_subscribed && guest.own_seq < place.seq;
            if is_new {
                guest.own_seq = place.seq;
            }
            is_new
        });
        seats
    }

    fn told_others(&self, user_id: UserId, seat: u32) -> Option<i64> {
        let seats = self.seats_of(user_id);
        let others = seats.iter().filter(|other| **other != seat).map(|other| &self.guests[*other as usize]);
        others.filter(|guest| guest.is_subscribed).map(|guest| guest.own_seq).max()
    }
}
