//! A person's own log is kept in order like a conversation's.

use super::*;

#[test]
fn a_persons_own_log_is_put_into_order_like_a_conversations() {
    let mut bench = Bench::new();
    let own = |seq| own_entry(person(7), seq);
    bench.sequencer.track(LogId::Person(person(7)), 3, bench.now);

    bench.feed([own(5)]);
    bench.feed([own(3)]);
    bench.feed([own(4)]);
    bench.feed([own(4)]);
    bench.feed([own(7)]);
    let holes = bench.wait(PATIENCE);

    let hole = Hole { log: LogId::Person(person(7)), after: 5, up_to: 6 };
    assert_eq!((bench.told(), &holes[..]), (vec!["own 4".to_owned(), "own 5".to_owned()], &[hole][..]));
    bench.fetched(hole, [own(6)]);
    assert_eq!(bench.told(), ["own 6", "own 7"]);
}

#[test]
fn what_a_message_changes_for_one_person_is_told_after_it_and_in_the_order_of_their_own_log() {
    let mut bench = Bench::tracking(4);
    bench.sequencer.track(LogId::Person(person(7)), 0, bench.now);

    bench.feed([own_entry(person(7), 2), entry(5)]);
    bench.feed([entry(6), own_entry(person(7), 1)]);

    assert_eq!(bench.told(), ["5", "6", "own 1", "own 2"]);
}

#[test]
fn of_a_person_who_is_not_here_nothing_is_told_and_what_passed_is_fetched_when_they_come() {
    let mut bench = Bench::new();

    bench.feed([own_entry(person(7), 5)]);
    assert_eq!(bench.told(), [""; 0]);
    assert_eq!(bench.sequencer.track(LogId::Person(person(7)), 4, bench.now), 4);

    assert_eq!(bench.wait(Duration::ZERO), [Hole { log: LogId::Person(person(7)), after: 4, up_to: 5 }]);
}

#[test]
fn a_cleared_conversation_is_heard_on_from_where_it_was_cleared() {
    let mut bench = Bench::new();
    bench.sequencer.track(LogId::Person(person(7)), 0, bench.now);

    let cleared = Envelope { own_place: Some(OwnPlace { user_id: person(7), seq: 1 }), ..admission(9) };
    bench.feed([cleared]);
    bench.feed([entry(11)]);
    bench.feed([entry(10)]);

    assert_eq!(bench.told(), ["admitted", "10", "11"]);
}
