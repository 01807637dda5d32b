//! Between the bus and the hub: one task per worker thread.

use std::time::Duration;

use tokio::{
    sync::mpsc::Receiver,
    task::yield_now,
    time::{MissedTickBehavior, interval},
};

use super::hub::Hub;
use crate::{cluster::bus::Delivery, domain::clock::Clock};

/// Deliveries put into mailboxes before anybody may write: enough for writes to be shared, few enough for commands not to wait.
const DELIVERIES_AT_ONCE: usize = 64;
/// One timer serves all sockets of a worker; it looks this often within a heartbeat, and at least once a second.
const SWEEPS_PER_HEARTBEAT: u32 = 16;

/// Delivers what the bus brings, and sweeps the hub, until the bus is gone.
pub async fn run(hub: Hub, mut deliveries: Receiver<Delivery>, heartbeat: Duration, clock: Clock) {
    let mut batch = Vec::with_capacity(DELIVERIES_AT_ONCE);
    let mut sweeps = interval((heartbeat / SWEEPS_PER_HEARTBEAT).min(Duration::from_secs(1)));
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = deliveries.recv_many(&mut batch, DELIVERIES_AT_ONCE) => {
                if received == 0 {
                    return;
                }
                batch.drain(..).for_each(|delivery| hub.deliver(&delivery));
                // The sockets' turn, or mailboxes fill under a steady stream while nobody empties them.
                yield_now().await;
            }
            _ = sweeps.tick() => hub.sweep(heartbeat, clock.now()),
        }
    }
}
