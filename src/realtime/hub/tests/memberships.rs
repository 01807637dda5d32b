//! From when on somebody hears a conversation, and until when.

use tokio::sync::oneshot;

use super::*;

#[test]
fn only_members_view_even_if_they_open_it_before_they_are() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let mut early = worker.hears(&[]);
    early.seat.view(here);

    worker.tell(&[typing(vec![here], UserId::new_v7())]);
    worker.tell(&[addition(here, early.user(), 0, 0), typing(vec![here], UserId::new_v7())]);
    worker.tell(&[removal(here, early.user(), 1), typing(vec![here], UserId::new_v7())]);

    assert_eq!(early.heard(), ["added", "typing"]);
    assert_eq!(early.seat.viewing(), []);
}

#[test]
fn who_is_removed_does_not_hear_even_that() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let [mut stays, mut goes] = [(); 2].map(|()| worker.hears(&[here]));

    worker.tell(&[entry(here, 1), removal(here, goes.user(), 2), entry(here, 3)]);

    assert_eq!(stays.heard(), ["1", "removed", "3"]);
    assert_eq!(goes.heard(), ["1"]);
    assert!(stays.seat.hears(here) && !goes.seat.hears(here));
}

#[test]
fn who_is_added_hears_from_then_on_and_from_their_floor() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let mut comes = worker.hears(&[]);

    worker.tell(&[entry(here, 4), addition(here, comes.user(), 4, 4), entry(here, 5)]);
    worker.tell(&[addition(here, comes.user(), 6, 6), entry(here, 6), entry(here, 7)]);

    assert_eq!(comes.heard(), ["added", "5", "added", "7"]);
    assert_eq!(worker.tracked(), [(here, Some(4))]);
}

#[test]
fn changes_seen_while_loading_beat_what_was_loaded() {
    let worker = Worker::new();
    let [left, came, stayed] = [(); 3].map(|()| ConversationId::random());
    let mut ear = worker.join(UserId::new_v7());
    let user_id = ear.user();
    let (loaded, load) = oneshot::channel();

    {
        let mut subscribing = std::pin::pin!(ear.seat.subscribe(load));
        assert!(subscribing.as_mut().now_or_never().is_none());
        worker.tell(&[removal(left, user_id, 9)]);
        worker.tell(&[addition(came, user_id, 2, 2)]);
        worker.tell(&[entry(stayed, 1)]);
        loaded.send(vec![(left, 0, 8), (stayed, 0, 1)]).unwrap();
        assert_eq!(subscribing.now_or_never(), Some(Ok(())));
    }
    worker.tell(&[entry(left, 10), entry(came, 4), entry(stayed, 2)]);

    assert_eq!(ear.heard(), ["4", "2"]);
}

#[test]
fn changes_seen_before_loading_began_do_not_count() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let mut ear = worker.join(UserId::new_v7());

    worker.tell(&[removal(here, ear.user(), 1)]);
    ear.subscribe(vec![(here, 0, 2)]);
    worker.tell(&[entry(here, 3)]);

    assert_eq!(ear.heard(), ["3"]);
}

#[test]
fn what_a_recheck_finds_must_be_synced() {
    let worker = Worker::new();
    let [kept, missed, lost] = [(); 3].map(|()| ConversationId::random());
    let mut ear = worker.hears(&[kept, lost]);
    worker.tell(&[entry(kept, 1)]);

    worker.hub.deliver(&Delivery::Recheck);
    assert!(ear.mailbox.take_recheck());
    ear.subscribe(vec![(kept, 0, 1), (missed, 0, 4)]);
    worker.tell(&[entry(kept, 2), entry(missed, 5), entry(lost, 6)]);

    let heard = ear.heard();
    assert_eq!(heard, ["1".to_owned(), must_sync(lost), must_sync(missed), "2".to_owned(), "5".to_owned()]);
}

#[test]
fn the_node_is_told_of_the_first_listener_and_the_last() {
    let worker = Worker::new();
    let here = ConversationId::random();

    let first = worker.join(UserId::new_v7());
    first.subscribe(vec![(here, 0, 7)]);
    let second = worker.hears(&[here]);
    assert_eq!(worker.tracked(), [(here, Some(7))]);

    drop(first);
    assert_eq!(worker.tracked(), []);
    worker.tell(&[removal(here, second.user(), 8)]);
    assert_eq!(worker.tracked(), [(here, None)]);
    drop(second);
    assert_eq!(worker.tracked(), []);
    assert!(worker.hub.is_empty());
    worker.hub.check_invariants();
}

#[test]
fn the_hub_stays_whole_whatever_happens() {
    let worker = Worker::new();
    let conversations: Vec<_> = (0..5).map(|_| ConversationId::random()).collect();
    let users: Vec<_> = (0..4).map(|_| UserId::new_v7()).collect();
    let mut ears: Vec<Ear> = Vec::new();
    let mut state = 42_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };

    for seq in 1..3_000 {
        let (id, user) = (conversations[next(5)], users[next(4)]);
        match next(8) {
            0 => ears.push(worker.join(user)),
            1 if !ears.is_empty() => _ = ears.swap_remove(next(ears.len())),
            2 if !ears.is_empty() => ears[next(ears.len())].subscribe(vec![(id, 0, seq)]),
            3 if !ears.is_empty() => _ = ears[next(ears.len())].seat.view(id),
            4 if !ears.is_empty() => _ = ears[next(ears.len())].seat.unview(id),
            5 => worker.tell(&[addition(id, user, 0, 0)]),
            6 => worker.tell(&[removal(id, user, seq)]),
            _ => worker.tell(&[entry(id, seq), typing(vec![id], user)]),
        }
        worker.hub.check_invariants();
    }
    ears.clear();

    worker.hub.check_invariants();
    let mut open = 0;
    for (_, head) in worker.tracked() {
        open += if head.is_some() { 1 } else { -1 };
    }
    assert_eq!(open, 0, "what was tracked is untracked");
}
