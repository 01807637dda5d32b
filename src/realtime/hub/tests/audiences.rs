//! Who hears what.

use std::collections::HashMap;

use tokio::sync::mpsc;

use super::*;
use crate::{config::settings::Settings, realtime::pump};

#[test]
fn members_hear_their_conversations_and_nothing_else() {
    let worker = Worker::new();
    let [here, there] = [(); 2].map(|()| ConversationId::random());
    let (mut alice, mut bob, mut eve) = (worker.hears(&[here]), worker.hears(&[here, there]), worker.hears(&[]));

    worker.tell(&[entry(here, 1), entry(there, 1), entry(here, 2)]);

    assert_eq!(alice.heard(), ["1", "2"]);
    assert_eq!(bob.heard(), ["1", "1", "2"]);
    assert_eq!(eve.heard(), [""; 0]);
}

#[test]
fn all_sockets_of_a_person_hear_and_one_frame_serves_them() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let phone = worker.hears(&[here]);
    let desk = worker.join(phone.user());
    desk.subscribe(vec![(here, 0, 0)]);

    worker.tell(&[entry(here, 1)]);

    let frames = [phone, desk].map(|mut ear| {
        let poll = Pin::new(&mut ear.outgoing).poll_next(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        poll.map(|frame| frame.map(|frame| frame.unwrap().as_ptr()))
    });
    assert!(matches!(frames[0], Poll::Ready(Some(_))));
    assert_eq!(frames[0], frames[1]);
}

#[test]
fn nobody_hears_of_messages_below_their_floor() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let mut late = worker.join(UserId::new_v7());
    late.subscribe(vec![(here, 5, 7)]);

    let edit_of = |born, seq| {
        let audience = Audience::Members { conversation_id: here, born: Some(born) };
        Envelope { audience, ..entry(here, seq) }
    };
    let settings = Envelope { audience: Audience::Members { conversation_id: here, born: None }, ..entry(here, 10) };
    worker.tell(&[edit_of(5, 8), edit_of(6, 9), settings]);

    assert_eq!(late.heard(), ["9", "10"]);
}

#[test]
fn many_messages_at_once_are_heard_one_by_one_and_only_above_the_floor() {
    let worker = Worker::new();
    let [here, there] = [(); 2].map(|()| ConversationId::random());
    let (mut early, mut late) = (worker.hears(&[here, there]), worker.join(UserId::new_v7()));
    late.subscribe(vec![(here, 4, 4)]);
    let change = Envelope { audience: Audience::Members { conversation_id: here, born: None }, ..entry(here, 7) };

    worker.tell(&[entry(here, 5), entry(here, 6), change, entry(here, 8), entry(there, 9), entry(here, 10)]);
    late.subscribe(vec![(here, 11, 11)]);
    worker.tell(&[entry(here, 11), entry(here, 12)]);

    assert_eq!(early.heard(), ["5", "6", "7", "8", "9", "10", "11", "12"]);
    assert_eq!(late.heard(), ["5", "6", "7", "8", "10", "12"]);
    let heads: HashMap<_, _> = early.seat.heads().into_iter().collect();
    assert_eq!(heads, HashMap::from([(here, 12), (there, 9)]));
}

#[test]
fn own_matters_go_to_all_own_sockets_that_are_ready() {
    let worker = Worker::new();
    let mut phone = worker.hears(&[]);
    let (mut desk, mut other) = (worker.join(phone.user()), worker.hears(&[]));

    worker.tell(&[envelope(Audience::Users(vec![phone.user()]), "one")]);
    desk.subscribe(vec![]);
    worker.tell(&[envelope(Audience::Users(vec![phone.user()]), "two")]);

    assert_eq!(phone.heard(), ["one", "two"]);
    assert_eq!(desk.heard(), ["two"]);
    assert_eq!(other.heard(), [""; 0]);
}

#[test]
fn own_matters_of_a_conversation_are_not_told_to_who_was_removed() {
    let worker = Worker::new();
    let conversation_id = ConversationId::random();
    let (mut ada, mut bob) = (worker.hears(&[conversation_id]), worker.hears(&[conversation_id]));
    let user_id = ada.user();
    let count = |text| envelope(Audience::Member { conversation_id, user_id }, text);

    worker.tell(&[count("1 unread"), removal(conversation_id, user_id, 1), count("2 unread")]);

    assert_eq!(ada.heard(), ["1 unread"]);
    assert_eq!(bob.heard(), ["removed"]);
}

#[test]
fn viewers_hear_once_and_the_causer_not_at_all() {
    let worker = Worker::new();
    let [here, there] = [(); 2].map(|()| ConversationId::random());
    let [mut both, mut one, mut none, mut causer] = [(); 4].map(|()| worker.hears(&[here, there]));
    both.seat.view(here);
    both.seat.view(there);
    one.seat.view(there);
    causer.seat.view(here);

    worker.tell(&[typing(vec![here, there], causer.user())]);

    assert_eq!(both.heard(), ["typing"]);
    assert_eq!(one.heard(), ["typing"]);
    assert_eq!(none.heard(), [""; 0]);
    assert_eq!(causer.heard(), [""; 0]);

    assert!(both.seat.unview(there));
    assert!(!both.seat.unview(there));
    assert_eq!(both.seat.viewing(), [here]);
    worker.tell(&[typing(vec![there], causer.user())]);
    assert_eq!(both.heard(), [""; 0]);
    assert_eq!(one.heard(), ["typing"]);
}

#[test]
fn heads_are_of_what_moved_since_they_were_last_asked_for() {
    let worker = Worker::new();
    let [here, there] = [(); 2].map(|()| ConversationId::random());
    let other = worker.hears(&[here, there]);
    worker.tell(&[entry(here, 1)]);
    let ear = worker.hears(&[here, there]);

    assert_eq!(ear.seat.heads(), []);
    worker.tell(&[entry(here, 2), entry(here, 3)]);
    worker.tell(&[typing(vec![there], other.user())]);
    assert_eq!(ear.seat.heads(), [(here, 3)]);
    worker.tell(&[entry(there, 1)]);
    assert_eq!(ear.seat.heads(), [(there, 1)]);
    assert_eq!(ear.seat.heads(), []);
    assert_eq!(other.seat.heads().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_pump_hands_on_what_the_bus_brings_until_the_bus_is_gone() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let mut ear = worker.hears(&[here]);
    let (bus, deliveries) = mpsc::channel(100);
    for seq in 1..=100 {
        bus.try_send(Delivery::Events([entry(here, seq)].into())).unwrap();
    }
    drop(bus);

    pump::run(worker.hub.clone(), deliveries, &Settings::defaults(), Clock::default()).await;

    assert_eq!(ear.heard(), (1..=100).map(|seq: i64| seq.to_string()).collect::<Vec<_>>());
}
