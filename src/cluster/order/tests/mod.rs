//! What the sequencer promises, case by case.

mod disorder;
mod own;
mod receipts;
mod task;

use std::time::Duration;

use bytestring::ByteString;
use tokio::time::Instant;

use super::sequencer::{Hole, PATIENCE, Sequencer, Telling, Trust};
use crate::{
    cluster::bus::Envelope,
    domain::{
        event::{Audience, Durability, MembershipChange},
        ids::{ConversationId, LogId, UserId},
        own::OwnPlace,
    },
};

fn conversation(number: u128) -> ConversationId {
    ConversationId(uuid::Uuid::from_u128(number))
}

fn log(number: u128) -> LogId {
    LogId::Conversation(conversation(number))
}

fn person(number: u128) -> UserId {
    UserId(uuid::Uuid::from_u128(number))
}

/// An entry of the log of conversation 1.
fn entry(seq: i64) -> Envelope {
    entry_of(log(1), seq)
}

fn entry_of(log: LogId, seq: i64) -> Envelope {
    let conversation_id = match log {
        LogId::Conversation(id) => id,
        LogId::Person(user_id) => return own_entry(user_id, seq),
    };
    Envelope {
        audience: Audience::Members { conversation_id, born: None },
        durability: Durability::Durable,
        conversation_id: Some(conversation_id),
        seq: Some(seq),
        own_place: None,
        membership: None,
        text: seq.to_string().into(),
        touch: None,
        veiled: None,
        cursor: None,
    }
}

/// An entry of somebody's own log, about conversation 1.
fn own_entry(user_id: UserId, seq: i64) -> Envelope {
    Envelope {
        audience: Audience::Users(vec![user_id]),
        own_place: Some(OwnPlace { user_id, seq }),
        text: format!("own {seq}").into(),
        ..matter("")
    }
}

/// Somebody's own matter in conversation 1, of no log.
fn matter(text: &'static str) -> Envelope {
    Envelope {
        audience: Audience::Users(vec![person(7)]),
        durability: Durability::Durable,
        conversation_id: Some(conversation(1)),
        seq: None,
        own_place: None,
        membership: None,
        text: ByteString::from_static(text),
        touch: None,
        veiled: None,
        cursor: None,
    }
}

fn admission(head_seq: i64) -> Envelope {
    Envelope {
        membership: Some(MembershipChange::Hears { user_id: person(7), floor_seq: 0, head_seq }),
        ..matter("admitted")
    }
}

fn removal() -> Envelope {
    Envelope { membership: Some(MembershipChange::HearsNothing(vec![person(7)])), ..matter("removed") }
}

/// A sequencer with a hand-set time, and what it has told.
struct Bench {
    sequencer: Sequencer,
    now: Instant,
    told: Vec<Telling>,
}

impl Bench {
    fn new() -> Self {
        Self { sequencer: Sequencer::default(), now: Instant::now(), told: Vec::new() }
    }

    /// Conversation 1 is listened to, and told up to `seq`.
    fn tracking(seq: i64) -> Self {
        let mut bench = Self::new();
        bench.track(seq);
        bench
    }

    fn track(&mut self, seq: i64) -> i64 {
        self.sequencer.track(log(1), seq, self.now)
    }

    fn feed(&mut self, envelopes: impl Into<Vec<Envelope>>) {
        self.sequencer.feed(envelopes.into(), self.now, &mut self.told);
    }

    fn wait(&mut self, time: Duration) -> Vec<Hole> {
        self.now += time;
        self.sequencer.due(self.now)
    }

    fn fetched(&mut self, hole: Hole, envelopes: impl Into<Vec<Envelope>>) {
        self.sequencer.fetched(hole, envelopes.into(), self.now, &mut self.told);
    }

    fn heads(&mut self, head: i64, trust: Trust) {
        self.sequencer.check(&[(log(1), head)], trust, self.now);
    }

    /// What was told since last asked.
    fn told(&mut self) -> Vec<String> {
        let text = |telling| match telling {
            Telling::Event(envelope) => envelope.text.to_string(),
            Telling::SyncRequired(_) => "sync".to_owned(),
        };
        std::mem::take(&mut self.told).into_iter().map(text).collect()
    }
}

fn hole(after: i64, up_to: i64) -> Hole {
    Hole { log: log(1), after, up_to }
}

#[test]
fn events_in_order_are_told_at_once() {
    let mut bench = Bench::tracking(4);

    bench.feed([entry(5)]);
    bench.feed([entry(6), entry(7)]);

    assert_eq!(bench.told(), ["5", "6", "7"]);
    assert_eq!(bench.sequencer.next_alarm(), None);
}

#[test]
fn duplicates_are_dropped() {
    let mut bench = Bench::tracking(4);

    bench.feed([entry(5)]);
    bench.feed([entry(5)]);
    bench.feed([entry(3)]);

    assert_eq!(bench.told(), ["5"]);
}

#[test]
fn early_events_wait_for_those_before_them() {
    let mut bench = Bench::tracking(4);

    bench.feed([entry(7)]);
    bench.feed([entry(6)]);
    assert_eq!(bench.told(), [""; 0]);
    bench.feed([entry(5)]);

    assert_eq!(bench.told(), ["5", "6", "7"]);
    assert_eq!(bench.wait(PATIENCE), []);
}

#[test]
fn own_matters_keep_their_place_in_a_change_that_waits() {
    let mut bench = Bench::tracking(4);

    bench.feed([matter("a"), entry(6), matter("b")]);
    bench.feed([matter("alone")]);
    assert_eq!(bench.told(), ["alone"]);
    bench.feed([entry(5)]);

    assert_eq!(bench.told(), ["5", "a", "6", "b"]);
}

#[test]
fn a_hole_is_fetched_after_a_moment_and_only_once() {
    let mut bench = Bench::tracking(4);
    bench.feed([entry(8)]);

    assert_eq!(bench.wait(PATIENCE / 2), []);
    assert_eq!(bench.wait(PATIENCE), [hole(4, 7)]);
    assert_eq!(bench.wait(PATIENCE), []);
    bench.fetched(hole(4, 7), [entry(5), entry(7)]);

    // Entry 6 is no more in the log by itself: a later change carries it.
    assert_eq!(bench.told(), ["5", "7", "8"]);
    assert_eq!(bench.sequencer.next_alarm(), None);
}

#[test]
fn what_arrives_while_it_is_fetched_is_told_once() {
    let mut bench = Bench::tracking(4);
    bench.feed([entry(7)]);
    bench.wait(PATIENCE);

    bench.feed([entry(5), entry(6)]);
    bench.fetched(hole(4, 6), [entry(5), entry(6)]);

    assert_eq!(bench.told(), ["5", "6", "7"]);
}

#[test]
fn a_change_that_arrives_after_it_was_fetched_tells_only_its_matters() {
    let mut bench = Bench::tracking(4);
    bench.feed([entry(6)]);
    bench.wait(PATIENCE);
    bench.fetched(hole(4, 5), [entry(5)]);
    bench.told();

    bench.feed([admission(0), entry(5), matter("unread")]);

    assert_eq!(bench.told(), ["unread"]);
}

#[test]
fn patience_starts_anew_when_a_conversation_moves() {
    let mut bench = Bench::tracking(0);
    bench.feed([entry(2)]);
    bench.wait(PATIENCE * 3 / 4);
    bench.feed([entry(4)]);
    bench.feed([entry(1)]);

    assert_eq!(bench.wait(PATIENCE / 2), []);
    assert_eq!(bench.wait(PATIENCE / 2), [hole(2, 3)]);
}

#[test]
fn a_hole_that_cannot_be_fetched_is_told_and_tried_for_ever() {
    let mut bench = Bench::tracking(4);
    bench.feed([entry(6)]);
    for _ in 0..5 {
        let holes = bench.wait(Duration::from_mins(1));
        assert_eq!(holes, [hole(4, 5)]);
        bench.sequencer.failed(holes[0], bench.now, &mut bench.told);
    }
    assert_eq!(bench.told(), ["sync"]);

    bench.wait(Duration::from_mins(1));
    bench.fetched(hole(4, 5), [entry(5)]);

    assert_eq!(bench.told(), ["5", "6"]);
}

#[test]
fn long_holes_are_fetched_page_by_page() {
    let mut bench = Bench::tracking(0);
    bench.heads(700, Trust::AtOnce);

    assert_eq!(bench.wait(PATIENCE), [hole(0, 500)]);
    bench.fetched(hole(0, 500), [entry(500)]);
    assert_eq!(bench.wait(Duration::ZERO), [hole(500, 700)]);
}

#[test]
fn a_lost_tail_is_fetched_at_the_second_look() {
    let mut bench = Bench::tracking(4);

    bench.heads(6, Trust::SecondLook);
    assert_eq!(bench.wait(PATIENCE), []);
    bench.heads(7, Trust::SecondLook);

    assert_eq!(bench.wait(PATIENCE), [hole(4, 7)]);
}

#[test]
fn a_head_that_is_merely_ahead_of_the_bus_fetches_nothing() {
    let mut bench = Bench::tracking(4);

    bench.heads(5, Trust::SecondLook);
    bench.feed([entry(5)]);
    bench.heads(6, Trust::SecondLook);

    assert_eq!(bench.wait(PATIENCE), []);
}

#[test]
fn nothing_of_a_conversation_without_listeners_is_told_but_personal_matters() {
    let mut bench = Bench::new();

    bench.feed([entry(5), matter("unread")]);

    assert_eq!(bench.told(), ["unread"]);
}

#[test]
fn what_passed_between_loading_and_tracking_is_fetched_at_once() {
    let mut bench = Bench::new();
    bench.feed([entry(5)]);

    assert_eq!(bench.track(4), 4);

    assert_eq!(bench.wait(Duration::ZERO), [hole(4, 5)]);
}

#[test]
fn a_second_worker_does_not_move_a_conversation() {
    let mut bench = Bench::tracking(4);
    bench.feed([entry(5)]);

    assert_eq!(bench.track(3), 5);
    assert_eq!(bench.track(8), 5);
    bench.feed([entry(6)]);

    assert_eq!(bench.told(), ["5", "6"]);
    assert_eq!(bench.wait(PATIENCE), [hole(6, 8)]);
}

#[test]
fn a_newcomer_hears_the_change_that_admits_them_and_all_that_follows() {
    let mut bench = Bench::new();

    bench.feed([admission(9), entry(10), entry(11)]);
    bench.feed([entry(13)]);
    bench.feed([entry(12)]);
    assert_eq!(bench.track(11), 13);
    bench.feed([entry(14)]);

    assert_eq!(bench.told(), ["admitted", "10", "11", "12", "13", "14"]);
}

#[test]
fn the_first_message_may_overtake_the_making_of_a_conversation() {
    let mut bench = Bench::new();

    bench.feed([entry(1)]);
    bench.feed([admission(0)]);
    assert_eq!(bench.wait(Duration::ZERO), [hole(0, 1)]);
    bench.fetched(hole(0, 1), [entry(1)]);

    assert_eq!(bench.told(), ["admitted", "1"]);
}

#[test]
fn an_admission_that_was_overtaken_by_a_removal_is_taken_back_before_anything_else_is_told() {
    let mut bench = Bench::new();

    bench.feed([removal(), entry(7), entry(8)]);
    bench.feed([admission(4), entry(5), entry(6)]);
    bench.feed([entry(9)]);
    assert_eq!(bench.told(), ["removed", "admitted", "5", "6"]);

    let holes = bench.wait(PATIENCE);
    assert_eq!(holes, [hole(6, 8)]);
    bench.fetched(holes[0], [removal(), entry(7), entry(8)]);
    assert_eq!(bench.told(), ["removed", "7", "8", "9"]);
}

#[test]
fn a_line_outlives_its_listeners_for_a_while() {
    let mut bench = Bench::tracking(4);
    bench.sequencer.untrack(log(1), bench.now);
    bench.feed([entry(5)]);
    bench.sequencer.sweep(bench.now);
    assert_eq!(bench.sequencer.tracked(), [log(1)]);

    bench.wait(Duration::from_mins(1));
    bench.sequencer.sweep(bench.now);

    assert_eq!(bench.sequencer.tracked(), []);
}

#[test]
fn changes_of_several_conversations_in_one_publish_go_their_own_ways() {
    let mut bench = Bench::tracking(4);
    bench.sequencer.track(log(2), 0, bench.now);

    bench.feed([entry_of(log(2), 1), entry(6), entry_of(log(2), 2), matter("one")]);
    assert_eq!(bench.told(), ["1", "2"]);
    bench.feed([entry(5)]);

    assert_eq!(bench.told(), ["5", "6", "one"]);
}
