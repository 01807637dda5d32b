//! Between the bus and the hub: one task per worker thread.

use std::{mem, time::Duration};

use tokio::{
    sync::mpsc::Receiver,
    task::yield_now,
    time::{MissedTickBehavior, interval, sleep},
};

use super::hub::Hub;
use crate::{
    cluster::bus::{Delivery, Envelope},
    config::settings::Settings,
    domain::clock::Clock,
};

/// Deliveries put into mailboxes before anybody may write: enough for writes to be shared, few enough for commands not to wait.
const DELIVERIES_AT_ONCE: usize = 64;
/// One timer serves all sockets of a worker; it looks this often within a heartbeat, and at least once a second.
const SWEEPS_PER_HEARTBEAT: u32 = 16;
/// How long those have who read, and have not taken everything yet, before the next part of a burst comes. Who does not read is
/// closed by the next part or the one after it, so that nobody waits for them for long.
const BREATH: Duration = Duration::from_millis(10);

/// Delivers what the bus brings, and sweeps the hub, until the bus is gone.
pub async fn run(hub: Hub, mut deliveries: Receiver<Delivery>, settings: &Settings, clock: Clock) {
    let mut batch = Vec::with_capacity(DELIVERIES_AT_ONCE);
    let heartbeat = Duration::from_secs(settings.heartbeat_seconds);
    let mut sweeps = interval((heartbeat / SWEEPS_PER_HEARTBEAT).min(Duration::from_secs(1)));
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut spout = Spout { hub: &hub, part: settings.mailbox_bytes / 2, poured: 0, is_anybody_behind: false };
    loop {
        tokio::select! {
            received = deliveries.recv_many(&mut batch, DELIVERIES_AT_ONCE) => {
                if received == 0 {
                    return;
                }
                for delivery in batch.drain(..) {
                    match &delivery {
                        Delivery::Events(envelopes) => spout.pour(envelopes).await,
                        other => hub.deliver(other),
                    }
                }
                // The sockets' turn, or mailboxes fill under a steady stream while nobody empties them.
                yield_now().await;
                spout.poured = 0;
            }
            _ = sweeps.tick() => hub.sweep(heartbeat, clock.now()),
        }
    }
}

/// Lets a burst into the mailboxes in parts of which each has room, however large all of it is.
struct Spout<'a> {
    hub: &'a Hub,
    /// Bytes of a part.
    part: usize,
    /// Bytes since the sockets had their turn.
    poured: usize,
    is_anybody_behind: bool,
}

impl Spout<'_> {
    async fn pour(&mut self, envelopes: &[Envelope]) {
        let mut begun = 0;
        for (place, envelope) in envelopes.iter().enumerate() {
            let bytes = envelope.text.len();
            if self.poured > 0 && self.poured + bytes > self.part {
                self.tell(&envelopes[begun..place]);
                begun = place;
                self.rest().await;
            }
            self.poured += bytes;
        }
        self.tell(&envelopes[begun..]);
    }

    fn tell(&mut self, envelopes: &[Envelope]) {
        self.is_anybody_behind |= self.hub.tell(envelopes);
    }

    /// Between two parts it is the sockets' turn.
    async fn rest(&mut self) {
        self.poured = 0;
        yield_now().await;
        if mem::take(&mut self.is_anybody_behind) {
            sleep(BREATH).await;
        }
    }
}
