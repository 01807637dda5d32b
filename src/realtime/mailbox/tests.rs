//! What is queued, what is shed, and how a socket ends.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

use super::*;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether a poll is pending, for whom.
fn poll(outgoing: &mut Outgoing, woken: &Arc<Woken>) -> Poll<Option<Bytes>> {
    let waker = Waker::from(woken.clone());
    let poll = Pin::new(outgoing).poll_next(&mut Context::from_waker(&waker));
    poll.map(|frame| frame.map(|frame| frame.unwrap()))
}

/// All that is written until there is nothing to write, and whether the stream ended then.
fn written(outgoing: &mut Outgoing) -> (Vec<Bytes>, bool) {
    let mut frames = Vec::new();
    loop {
        match poll(outgoing, &Arc::default()) {
            Poll::Ready(Some(frame)) => frames.push(frame),
            Poll::Ready(None) => return (frames, true),
            Poll::Pending => return (frames, false),
        }
    }
}

fn may_read(mailbox: &Mailbox, woken: &Arc<Woken>) -> Poll<bool> {
    mailbox.poll_open(&mut Context::from_waker(&Waker::from(woken.clone())))
}

fn frame(length: usize) -> Bytes {
    vec![b'*'; length].into()
}

#[test]
fn frames_leave_in_order_and_uncopied() {
    let (mailbox, mut outgoing) = open(1_000);
    let (one, two, three) = (frame(1), frame(2), frame(3));

    mailbox.push(one.clone(), Durability::Durable).unwrap();
    mailbox.reply(two.clone());
    mailbox.push(three.clone(), Durability::Ephemeral).unwrap();

    assert_eq!(mailbox.queued_bytes(), 6);
    let (frames, _) = written(&mut outgoing);
    assert_eq!(frames.iter().map(|f| f.as_ptr()).collect::<Vec<_>>(), [one, two, three].map(|f| f.as_ptr()));
    assert_eq!(mailbox.queued_bytes(), 0);
}

#[test]
fn ephemeral_events_are_shed_first_and_durable_ones_never() {
    let (mailbox, mut outgoing) = open(1_000);

    assert_eq!(mailbox.push(frame(250), Durability::Ephemeral), Ok(Pushed::Queued));
    assert_eq!(mailbox.push(frame(1), Durability::Ephemeral), Ok(Pushed::Shed));
    assert_eq!(mailbox.push(frame(749), Durability::Durable), Ok(Pushed::Queued));
    assert_eq!(mailbox.push(frame(1), Durability::Durable), Ok(Pushed::Behind));
    assert_eq!(mailbox.push(frame(1), Durability::Durable), Err(TooSlow));

    assert_eq!(written(&mut outgoing).0.len(), 3);
    assert_eq!(mailbox.push(frame(250), Durability::Ephemeral), Ok(Pushed::Queued));
}

#[test]
fn who_has_taken_everything_is_given_even_what_is_larger_than_the_budget() {
    let (mailbox, mut outgoing) = open(1_000);

    assert_eq!(mailbox.push(frame(2_000), Durability::Durable), Ok(Pushed::Queued));
    assert_eq!(mailbox.push(frame(1), Durability::Durable), Err(TooSlow));
    written(&mut outgoing);

    assert_eq!(mailbox.push(frame(2_000), Durability::Durable), Ok(Pushed::Queued));
}

#[test]
fn replies_are_not_of_the_budget_but_hold_up_commands() {
    let (mailbox, mut outgoing) = open(1_000);
    let woken = Arc::default();

    mailbox.reply(frame(250));
    assert_eq!(may_read(&mailbox, &woken), Poll::Ready(true));
    mailbox.reply(frame(5_000));
    assert_eq!(may_read(&mailbox, &woken), Poll::Pending);
    assert_eq!(mailbox.push(frame(1_000), Durability::Durable), Ok(Pushed::Queued));

    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    written(&mut outgoing);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(may_read(&mailbox, &woken), Poll::Ready(true));
}

#[test]
fn the_writer_is_woken_once_for_whatever_gathers_and_the_reader_not_at_all() {
    let (mailbox, mut outgoing) = open(1_000);
    let (writer, reader) = (Arc::default(), Arc::default());
    assert!(poll(&mut outgoing, &writer).is_pending());
    assert_eq!(may_read(&mailbox, &reader), Poll::Ready(true));

    for _ in 0..8 {
        mailbox.push(frame(1), Durability::Durable).unwrap();
    }
    written(&mut outgoing);

    assert_eq!((writer.0.load(Ordering::Relaxed), reader.0.load(Ordering::Relaxed)), (1, 0));
}

#[test]
fn a_slow_socket_is_told_to_sync_and_nothing_else() {
    let (mailbox, mut outgoing) = open(1_000);
    let reader = Arc::default();
    assert_eq!(may_read(&mailbox, &reader), Poll::Ready(true));
    mailbox.push(frame(1_000), Durability::Durable).unwrap();

    mailbox.close(Close::TooSlow);
    mailbox.close(Close::Finished);

    assert_eq!(reader.0.load(Ordering::Relaxed), 1);
    assert_eq!(may_read(&mailbox, &reader), Poll::Ready(false));
    assert_eq!(mailbox.push(frame(1), Durability::Durable), Ok(Pushed::TooLate));
    assert_eq!(written(&mut outgoing), (vec![frames::close(Close::TooSlow)], false), "the peer may say goodbye, too");
    mailbox.end();
    assert_eq!(written(&mut outgoing), (vec![], true));
}

#[test]
fn other_goodbyes_come_after_what_was_said() {
    let (mailbox, mut outgoing) = open(1_000);
    mailbox.push(frame(10), Durability::Durable).unwrap();

    mailbox.close(Close::TokenExpired);
    mailbox.reply(frame(10));
    mailbox.end();

    assert_eq!(written(&mut outgoing), (vec![frame(10), frames::close(Close::TokenExpired)], true));
}

#[test]
fn a_socket_that_is_sent_away_answers_first() {
    let (mailbox, mut outgoing) = open(1_000);
    let reader = Arc::default();
    let away = Close::GoingAway { reconnect_after: std::time::Duration::from_millis(1_500) };
    assert_eq!(may_read(&mailbox, &reader), Poll::Ready(true));

    mailbox.close_when_answered(away);
    assert_eq!(reader.0.load(Ordering::Relaxed), 1);
    assert_eq!(may_read(&mailbox, &reader), Poll::Ready(false));
    mailbox.reply(frame(10));
    mailbox.end();

    assert_eq!(written(&mut outgoing), (vec![frame(10), frames::close(away)], true));
    assert!(frames::close(away).ends_with(b"reconnect_after_ms=1500"));
}

#[test]
fn nothing_is_kept_for_a_connection_that_is_gone() {
    let (mailbox, outgoing) = open(1_000);
    let reader = Arc::default();
    assert_eq!(may_read(&mailbox, &reader), Poll::Ready(true));
    mailbox.push(frame(10), Durability::Durable).unwrap();

    drop(outgoing);

    assert!(mailbox.is_closed());
    assert_eq!(mailbox.queued_bytes(), 0);
    assert_eq!(reader.0.load(Ordering::Relaxed), 1);
    assert_eq!(may_read(&mailbox, &reader), Poll::Ready(false));
    assert_eq!(mailbox.push(frame(10), Durability::Durable), Ok(Pushed::TooLate));
}

#[test]
fn a_burst_leaves_no_room_behind() {
    let (mailbox, mut outgoing) = open(1_000_000);
    for _ in 0..1_000 {
        mailbox.push(frame(1), Durability::Durable).unwrap();
    }

    written(&mut outgoing);

    assert_eq!(mailbox.0.state.borrow().queue.capacity(), 0);
}
