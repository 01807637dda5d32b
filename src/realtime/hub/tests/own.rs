//! Who hears a person's own log, and from where on.

use super::*;
use crate::domain::own::OwnPlace;

fn own(user_id: UserId, seq: i64) -> Envelope {
    let place = Some(OwnPlace { user_id, seq });
    Envelope { own_place: place, ..envelope(Audience::Users(vec![user_id]), &format!("own {seq}")) }
}

/// Another socket of somebody, who knows their own log so far.
fn joins(worker: &Worker, user_id: UserId, own_seq: i64) -> Ear {
    let ear = worker.join(user_id);
    ear.seat.stands_at(own_seq);
    ear.subscribe(Vec::new());
    ear
}

#[test]
fn each_entry_is_told_once_and_to_ones_own_sockets_only() {
    let (worker, ada) = (Worker::new(), UserId::new_v7());
    let (mut desk, mut phone, mut eves) = (joins(&worker, ada, 3), joins(&worker, ada, 4), worker.hears(&[]));

    worker.tell(&[own(ada, 3), own(ada, 4), own(ada, 5), own(ada, 5)]);

    assert_eq!(desk.heard(), ["own 4", "own 5"]);
    assert_eq!(phone.heard(), ["own 5"]);
    assert_eq!(eves.heard(), [""; 0]);
    assert_eq!((desk.seat.own_seq(), phone.seat.own_seq(), eves.seat.own_seq()), (5, 5, 0));
}

#[test]
fn who_missed_something_while_they_came_must_sync() {
    let (worker, ada) = (Worker::new(), UserId::new_v7());
    let _desk = joins(&worker, ada, 3);
    let mut phone = worker.join(ada);
    phone.seat.stands_at(3);

    worker.tell(&[own(ada, 4)]);
    phone.subscribe(Vec::new());
    worker.tell(&[own(ada, 5)]);

    assert_eq!(phone.heard(), [r#"{"type":"sync:required","data":{}}"#, "own 5"]);
}

#[test]
fn what_is_about_a_conversation_that_is_not_heard_yet_must_be_asked_for() {
    let (worker, ada) = (Worker::new(), UserId::new_v7());
    let mut desk = joins(&worker, ada, 0);
    let conversation_id = ConversationId::random();

    let audience = Audience::Member { conversation_id, user_id: ada };
    worker.tell(&[Envelope { audience, conversation_id: Some(conversation_id), ..own(ada, 1) }]);

    assert_eq!(desk.heard(), [r#"{"type":"sync:required","data":{}}"#]);
    assert_eq!(desk.seat.own_seq(), 1);
}

#[test]
fn the_node_is_told_of_the_first_and_the_last_socket_of_each_person() {
    let (worker, ada) = (Worker::new(), UserId::new_v7());
    let desk = joins(&worker, ada, 3);
    let phone = joins(&worker, ada, 3);
    let unsubscribed = worker.join(ada);
    let log = LogId::Person(ada);
    assert_eq!(worker.tracked.take(), [(log, Some(3))]);

    drop(desk);
    assert_eq!(worker.tracked.take(), []);
    drop(phone);
    assert_eq!(worker.tracked.take(), [(log, None)]);
    drop(unsubscribed);

    assert_eq!(worker.tracked.take(), []);
}
