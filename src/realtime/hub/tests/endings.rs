//! How sockets are closed, and by whom.

use super::*;

#[test]
fn a_slow_socket_is_closed_and_slows_nobody() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let (mut slow, mut quick) = (worker.hears(&[here]), worker.hears(&[here]));
    let long = "x".repeat(300);
    let event = |seq| Envelope { text: long.as_str().into(), ..entry(here, seq) };

    for seq in 1..=4 {
        worker.tell(&[event(seq)]);
        assert_eq!(quick.heard(), [long.as_str()]);
    }

    assert_eq!(slow.heard(), ["4008"]);
    assert!(slow.mailbox.is_closed() && !quick.mailbox.is_closed());
}

#[test]
fn ephemeral_events_are_shed_from_a_socket_that_is_behind() {
    let worker = Worker::new();
    let here = ConversationId::random();
    let mut ear = worker.hears(&[here]);
    ear.seat.view(here);
    let long = Envelope { text: "x".repeat(300).into(), ..entry(here, 1) };

    worker.tell(&[typing(vec![here], UserId::new_v7()), long, typing(vec![here], UserId::new_v7()), entry(here, 2)]);

    assert_eq!(ear.heard(), ["typing".to_owned(), "x".repeat(300), "2".to_owned()]);
}

#[test]
fn a_revoked_session_is_closed_and_no_other() {
    let worker = Worker::new();
    let user_id = UserId::new_v7();
    let [one, two] = [(); 2].map(|()| SessionId::new_v7());
    let arrive = |session_id| worker.join_as(Arrival { user_id, session_id, expires_at: hours_from_now(1) });
    let (mut first, mut second, mut external) = (arrive(Some(one)), arrive(Some(two)), arrive(None));
    let mut other = worker.hears(&[]);

    worker.hub.deliver(&Delivery::Close(Revocation { user_id, session_id: Some(one) }));
    assert_eq!(first.heard(), ["4003"]);
    assert_eq!((second.heard().len(), external.heard().len()), (0, 0));

    worker.hub.close(Revocation { user_id, session_id: None });
    assert_eq!(second.heard(), ["4003"]);
    assert_eq!(external.heard(), ["4003"]);
    assert_eq!(other.heard(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_pings_and_lets_go_of_the_silent() {
    let worker = Worker::new();
    let (mut lively, mut silent) = (worker.hears(&[]), worker.hears(&[]));
    let heartbeat = Duration::from_secs(10);
    let mut sweep_after = async |seconds| {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        lively.mailbox.hear();
        worker.hub.sweep(heartbeat, Clock::default().now());
        (lively.heard(), silent.heard())
    };
    let pinged = || vec!["ping".to_owned()];

    assert_eq!(sweep_after(1).await, (vec![], vec![]));
    assert_eq!(sweep_after(9).await, (pinged(), pinged()));
    assert_eq!(sweep_after(9).await, (vec![], vec![]));
    assert_eq!(sweep_after(1).await, (pinged(), pinged()));
    assert_eq!(sweep_after(1).await, (vec![], vec!["1001".to_owned()]));
    assert_eq!(sweep_after(9).await, (pinged(), vec![]));
}

#[test]
fn a_token_that_expires_closes_unless_it_is_renewed() {
    let worker = Worker::new();
    let arrival = Arrival { user_id: UserId::new_v7(), session_id: None, expires_at: hours_from_now(1) };
    let (mut expires, renewed) = (worker.hears(&[]), worker.join_as(arrival));

    renewed.seat.renew(Arrival { expires_at: hours_from_now(3), ..arrival });
    worker.hub.sweep(Duration::from_secs(10), hours_from_now(2));

    assert_eq!(expires.heard(), ["4001"]);
    assert!(!renewed.mailbox.is_closed());
}

#[test]
fn those_sent_away_come_back_apart_from_one_another() {
    let worker = Worker::new();
    let mut ears = [(); 4].map(|()| worker.hears(&[]));

    worker.hub.send_away(Duration::from_secs(4));

    let reasons = ears.each_mut().map(|ear| {
        ear.mailbox.finish();
        let poll = Pin::new(&mut ear.outgoing).poll_next(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = poll else { panic!("it is closed") };
        String::from_utf8_lossy(&frame[4..]).into_owned()
    });
    assert_eq!(reasons, [0, 1_000, 2_000, 3_000].map(|wait| format!("reconnect_after_ms={wait}")));
}
