//! How a server stops: asked once it finishes what it has begun, asked twice it stops at once.

use std::{future::Future, io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::{info, warn};

/// The tasks of a server, and the two words that end them.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    draining: CancellationToken,
    hurrying: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// Obeys SIGINT and SIGTERM as long as the answer is kept.
    pub fn obey_signals(&self) -> io::Result<AbortOnDropHandle<()>> {
        // Registered here and not in the task, so that no signal is missed in between.
        let signals =
            Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? };
        Ok(AbortOnDropHandle::new(tokio::spawn(self.clone().follow(signals))))
    }

    /// Runs a task that ends by itself once the server drains; the server waits for it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// The tasks, for those who have more than one to spawn.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The word to take nothing new on and finish what has begun.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// The word to leave everything as it is.
    pub fn hurrying(&self) -> &CancellationToken {
        &self.hurrying
    }

    /// Asks the server to stop.
    pub fn stop(&self) {
        self.draining.cancel();
    }

    /// Waits until all tasks have ended; says whether they did before patience or the operator's ran out.
    pub async fn drained(&self, patience: Duration) -> bool {
        self.tasks.close();
        tokio::select! {
            waited = timeout(patience, self.tasks.wait()) => waited.is_ok(),
            () = self.hurrying.cancelled() => false,
        }
    }

    async fn follow(self, mut signals: Signals) {
        signals.next().await;
        info!("Stopping; once more to stop at once.");
        self.draining.cancel();
        signals.next().await;
        warn!("Stopping at once.");
        self.hurrying.cancel();
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
