//! How fast a server is: scenarios that load it as clients would, and check everything that it answers.
//!
//! Invariant: it comes in through the front door and knows nothing but the contract; only where a million messages must be
//! there before the clock starts are they written straight into the database. One thread and hand-made frames, because it
//! shares the machine with what it measures.

pub mod connect;
pub mod fanout;
pub mod idle;
pub mod report;
pub mod server;
pub mod socket;
pub mod usage;

pub mod crowd;
mod haystack;
pub mod history;
mod http;
mod ledger;
mod list;
mod meter;
pub mod nodes;
mod paced;
mod pictures;
mod search;
pub mod send;
pub mod words;

use std::time::Duration;

use clap::{Args, ValueEnum};

use self::{
    report::Report,
    server::{Server, Target},
};

/// What to load a server with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// 64 direct conversations, with 1 and with 16 messages in flight each.
    Send,
    /// 64 people who all speak in one group, and the same people in as many groups.
    Hot,
    /// One sender, 200 and 1,000 listeners.
    Fanout,
    /// 10,000 sockets that do nothing.
    Idle,
    /// Pages of 50 from a conversation of 10,000 and one of 1,000,000 messages.
    History,
    /// The conversations of somebody who has 1,000.
    List,
    /// Words among 1,000,000 messages in 1,000 conversations, by a member of 50 of these.
    Search,
    /// Sends while the index follows them, and while it may not.
    Index,
    /// Sends alone, and while four clients upload pictures that take long to look into.
    Pictures,
    /// Sockets that open, prove who they are, and go.
    Connect,
    /// Two nodes between which Redis carries what is said at one and heard at the other; needs `REDIS_URL`.
    Nodes,
}

/// How long, and how much.
#[derive(Clone, Copy, Debug, Args)]
pub struct Load {
    /// For how many seconds each measurement counts.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,

    /// How much of the full load to put up: of listeners, idle sockets, stored messages, conversations.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
}

impl Load {
    /// For how long each measurement counts.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The part of a full load; never nothing.
    pub fn part_of(&self, full: usize) -> usize {
        ((full as f64 * self.scale).round() as usize).max(1)
    }
}

/// Carries a scenario out.
pub async fn run(scenario: Scenario, target: &Target, load: &Load) -> anyhow::Result<Vec<Report>> {
    match scenario {
        Scenario::Send => {
            let mut reports = Vec::new();
            for load_of_each in [(1, 1), (send::SPEAKERS, 1), (send::SPEAKERS, 16)] {
                reports.push(send::direct(target, load, load_of_each).await?);
            }
            Ok(reports)
        }
        Scenario::Hot => Ok(vec![send::hot(target, load).await?, send::spread(target, load).await?]),
        Scenario::Fanout => Ok(vec![fanout::run(target, load, 200).await?, fanout::run(target, load, 1_000).await?]),
        Scenario::Idle => Ok(vec![idle::run(target, load).await?]),
        Scenario::History => history::run(target, load).await,
        Scenario::List => Ok(vec![list::run(target, load).await?]),
        Scenario::Search => search::run(target, load).await,
        Scenario::Index => send::beside_index(target, load).await,
        Scenario::Pictures => pictures::run(target, load).await,
        Scenario::Connect => Ok(vec![connect::run(target, load).await?]),
        Scenario::Nodes => {
            let other = Server::beside(target).await?;
            let reports = nodes::run(target, &other.target, load).await;
            other.stop().await;
            reports
        }
    }
}
