//! What the orderer has read from PostgreSQL beside its own work: missing events and the heads of logs.

use std::{
    collections::{HashMap, VecDeque},
    error::Error as _,
    sync::Arc,
};

use futures_util::future::BoxFuture;
use tokio::task::{self, JoinSet};
use tracing::{debug, warn};

use super::sequencer::{Hole, Trust};
use crate::{
    cluster::bus::Envelope,
    domain::{
        error::{Error, Result},
        ids::LogId,
    },
    telemetry::metrics,
};

/// Holes fetched at the same time.
const FETCHES: usize = 8;
/// Logs whose heads are read at once.
const HEADS: usize = 1000;

/// Fetches a log above one entry, up to and with another, as it would be published now: ascending, each entry with what goes
/// with it (`ConversationNew` before the participant who was added, if they are still in); and before all,
/// `ConversationRemoved` or `ConversationDeleted` for those who are gone now. All that the log still has of those entries must be there.
pub type Refetch = Arc<dyn Fn(LogId, i64, i64) -> BoxFuture<'static, Result<Vec<Envelope>>> + Send + Sync>;

/// Reads the heads of logs; those that are gone are absent.
pub type Heads = Arc<dyn Fn(Vec<LogId>) -> BoxFuture<'static, Result<Vec<(LogId, i64)>>> + Send + Sync>;

/// The logs in PostgreSQL, as far as the orderer needs them.
#[derive(Clone)]
pub struct Log {
    /// Fetches what is missing.
    pub refetch: Refetch,
    /// Says how far the logs go.
    pub heads: Heads,
}

/// What was read.
#[derive(Debug)]
pub enum Done {
    /// What a hole held.
    Fetched(Hole, Vec<Envelope>),
    /// A hole could not be read.
    Failed(Hole),
    /// How far the logs go.
    Checked(Trust, Vec<(LogId, i64)>),
}

/// Reading that is under way, or waits for its turn.
pub struct Jobs {
    log: Log,
    fetches: JoinSet<Result<Vec<Envelope>>>,
    holes: HashMap<task::Id, Hole>,
    to_fetch: VecDeque<Hole>,
    checks: JoinSet<Done>,
    /// Logs to be checked once the check that is under way, and older than the doubt, has ended.
    to_check: Option<Vec<LogId>>,
}

impl Jobs {
    /// Nothing to do yet.
    pub fn new(log: Log) -> Self {
        let (holes, to_fetch) = (HashMap::new(), VecDeque::new());
        Self { log, fetches: JoinSet::new(), holes, to_fetch, checks: JoinSet::new(), to_check: None }
    }

    /// Fetches holes, a few at a time.
    pub fn fetch(&mut self, holes: Vec<Hole>) {
        self.to_fetch.extend(holes);
        while self.fetches.len() < FETCHES
            && let Some(hole) = self.to_fetch.pop_front()
        {
            debug!(log = %hole.log, hole.after, hole.up_to, "Fetching missing events");
            metrics::missing_events_fetched();
            let fetch = (self.log.refetch)(hole.log, hole.after, hole.up_to);
            self.holes.insert(self.fetches.spawn(fetch).id(), hole);
        }
    }

    /// Reads how far these logs go. One look at a time: a first one is skipped while another is under way.
    pub fn check(&mut self, trust: Trust, logs: Vec<LogId>) {
        if !self.checks.is_empty() {
            if trust == Trust::AtOnce {
                self.to_check = Some(logs);
            }
            return;
        }
        let heads = Arc::clone(&self.log.heads);
        self.checks.spawn(async move {
            let mut found = Vec::with_capacity(logs.len());
            for ids in logs.chunks(HEADS) {
                match heads(ids.to_vec()).await {
                    Ok(some) => found.extend(some),
                    Err(error) => warn!("Cannot check whether events are missing: {error}"),
                }
            }
            Done::Checked(trust, found)
        });
    }

    /// What was read next; nothing while nothing is being read. May be given up and asked again.
    pub async fn next(&mut self) -> Option<Done> {
        tokio::select! {
            Some(fetched) = self.fetches.join_next_with_id() => {
                let (id, fetched) = match fetched {
                    Ok((id, fetched)) => (id, fetched),
                    Err(error) => (error.id(), Err(Error::Internal(error.into()))),
                };
                let hole = self.holes.remove(&id)?;
                self.fetch(Vec::new());
                Some(fetched.map_or_else(|error| failed(hole, &error), |envelopes| Done::Fetched(hole, envelopes)))
            }
            Some(checked) = self.checks.join_next() => {
                if let Some(logs) = self.to_check.take() {
                    self.check(Trust::AtOnce, logs);
                }
                checked.inspect_err(|error| warn!(%error, "A check for missing events broke off")).ok()
            }
            else => None,
        }
    }
}

fn failed(hole: Hole, error: &Error) -> Done {
    let source = error.source().map(ToString::to_string);
    warn!(log = %hole.log, source, "Cannot fetch missing events: {error}");
    Done::Failed(hole)
}
