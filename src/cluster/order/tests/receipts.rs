//! Receipts have no place in a log, and yet their turn.

use super::{super::sequencer::HELD_BYTES, *};
use crate::domain::receipt::{Cursor, ReceiptKind};

/// Person 7 has come so far in conversation 1, when its log went up to `head_seq`.
fn receipt(kind: ReceiptKind, seq: i64, head_seq: i64) -> Envelope {
    let word = match kind {
        ReceiptKind::Delivered => "got",
        ReceiptKind::Read => "read",
    };
    let audience = Audience::Members { conversation_id: conversation(1), born: None };
    let cursor = Some(Cursor { user_id: person(7), kind, seq, head_seq });
    Envelope { audience, cursor, text: format!("{word} {seq}").into(), ..matter("") }
}

fn read(seq: i64, head_seq: i64) -> Envelope {
    receipt(ReceiptKind::Read, seq, head_seq)
}

fn got(seq: i64, head_seq: i64) -> Envelope {
    receipt(ReceiptKind::Delivered, seq, head_seq)
}

#[test]
fn a_receipt_is_told_once_the_log_has_been_told_as_far_as_it_went_when_the_cursor_moved() {
    let mut bench = Bench::tracking(4);

    bench.feed([read(3, 4)]);
    bench.feed([read(4, 6)]);
    bench.feed([entry(5)]);
    assert_eq!(bench.told(), ["read 3", "5"]);
    bench.feed([removal(), entry(6)]);

    assert_eq!(bench.told(), ["removed", "6", "read 4"]);
    assert_eq!(bench.sequencer.next_alarm(), None);
}

#[test]
fn a_receipt_that_waits_for_what_was_lost_is_told_after_it() {
    let mut bench = Bench::tracking(4);
    bench.feed([read(5, 6)]);

    bench.heads(6, Trust::AtOnce);
    assert_eq!(bench.wait(PATIENCE), [hole(4, 6)]);
    bench.fetched(hole(4, 6), [entry(5), entry(6)]);

    assert_eq!(bench.told(), ["5", "6", "read 5"]);
}

#[test]
fn no_cursor_is_told_to_go_back_nor_twice() {
    let mut bench = Bench::tracking(9);

    bench.feed([got(4, 9), read(5, 9)]);
    bench.feed([read(5, 9), got(5, 9), got(4, 9), read(3, 9)]);
    bench.feed([got(8, 9), read(6, 9)]);

    assert_eq!(bench.told(), ["got 4", "read 5", "got 8", "read 6"]);
}

#[test]
fn of_receipts_that_wait_only_the_furthest_is_told() {
    let mut bench = Bench::tracking(4);

    bench.feed([read(2, 5)]);
    bench.feed([read(5, 6)]);
    bench.feed([read(3, 5)]);
    bench.feed([entry(5), entry(6)]);

    assert_eq!(bench.told(), ["5", "6", "read 5"]);
}

#[test]
fn a_receipt_whose_turn_it_is_needs_no_room() {
    let mut bench = Bench::tracking(4);
    let rest = "x".repeat(HELD_BYTES - 512).into();
    bench.feed([Envelope { text: rest, ..entry(6) }]);

    bench.feed([read(3, 4)]);
    bench.feed([read(4, 6)]);

    assert_eq!(bench.told(), ["read 3", "sync"]);
}

#[test]
fn what_was_told_long_ago_may_be_told_again() {
    let mut bench = Bench::tracking(4);
    bench.feed([read(3, 4)]);
    bench.told();

    for _ in 0..3 {
        bench.wait(Duration::from_mins(1));
        bench.sequencer.sweep(bench.now);
    }
    bench.feed([read(3, 4)]);

    assert_eq!(bench.told(), ["read 3"]);
}

#[test]
fn of_a_conversation_that_nobody_hears_no_receipt_is_told_nor_kept() {
    let mut bench = Bench::new();

    bench.feed([read(3, 4)]);
    bench.track(4);
    bench.feed([read(3, 4)]);

    assert_eq!(bench.told(), ["read 3"]);
}
