//! The server's own PostgreSQL, which starts, stops and recovers with it.
//!
//! Invariant: one server per data directory, and PostgreSQL never runs there without one for longer than until the
//! next start. It listens on a Unix socket in a directory that nobody but its account and root may enter.

pub mod account;
pub mod cluster;
pub mod programs;
pub mod site;

mod leftovers;
mod pid_file;
mod postmaster;
mod tuning;

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::{sync::oneshot, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info};

use crate::config::settings::Settings;
use {postmaster::Postmaster, programs::Programs, site::Site};

/// A PostgreSQL that is kept running. Dropping it asks PostgreSQL to stop; [`Embedded::stop`] sees to it.
pub struct Embedded {
    options: PgConnectOptions,
    stop: oneshot::Sender<Duration>,
    keeper: AbortOnDropHandle<()>,
}

impl Embedded {
    /// Starts PostgreSQL in the data directory, which is made where it is missing.
    pub async fn start(settings: &Settings) -> anyhow::Result<Self> {
        let site = Site::claim(&settings.data_dir)?;
        let programs = Programs::find(cluster::version(&site.cluster))?;
        cluster::ensure(&site, &programs).await?;
        let keeper =
            Keeper { settings: tuning::settings(&site.sockets, settings.connections_of_all_threads()), site, programs };
        let postmaster = keeper.start().await?;
        info!("PostgreSQL {} runs in `{}`.", keeper.programs.version, keeper.site.directory.display());
        let options = Site::options_at(&keeper.site.sockets);
        let (stop, stopped) = oneshot::channel();
        Ok(Self { options, stop, keeper: AbortOnDropHandle::new(tokio::spawn(keeper.keep(postmaster, stopped))) })
    }

    /// How to connect.
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Stops PostgreSQL: in good order if that takes no longer than `patience`, else so that it recovers at next start.
    pub async fn stop(self, patience: Duration) {
        self.stop.send(patience).ok();
        if let Err(error) = self.keeper.await {
            error!(%error, "The keeper of PostgreSQL ended badly");
        }
    }
}

/// What it takes to start PostgreSQL again.
struct Keeper {
    site: Site,
    programs: Programs,
    settings: Vec<String>,
}

impl Keeper {
    async fn start(&self) -> anyhow::Result<Postmaster> {
        leftovers::end(&self.site.cluster).await?;
        Postmaster::start(&self.site, &self.programs, &self.settings).await
    }

    /// Starts PostgreSQL again whenever it ends before we want it to.
    async fn keep(self, mut postmaster: Postmaster, mut stopped: oneshot::Receiver<Duration>) {
        loop {
            tokio::select! {
                patience = &mut stopped => return stop(postmaster, patience).await,
                status = postmaster.ended() => {
                    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    error!("PostgreSQL ended unexpectedly ({status}); starting it again.");
                }
            }
            postmaster = tokio::select! {
                _ = &mut stopped => return self.give_up().await,
                started = self.start_again() => started,
            };
            info!("PostgreSQL is back.");
        }
    }

    /// Sees to it that a start which was broken off leaves nothing behind.
    async fn give_up(&self) {
        if let Err(error) = leftovers::end(&self.site.cluster).await {
            error!("{error:#}");
        }
    }

    async fn start_again(&self) -> Postmaster {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.start().await {
                Ok(postmaster) => return postmaster,
                Err(error) => error!("{error:#}"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }
}

async fn stop(postmaster: Postmaster, patience: Result<Duration, oneshot::error::RecvError>) {
    // Without an order the owner is gone, and the drop asks PostgreSQL to stop.
    if let Ok(patience) = patience {
        postmaster.stop(patience).await;
    }
}
