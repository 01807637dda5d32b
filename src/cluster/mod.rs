//! What nodes share besides the database. Invariant: carries no truth; lose all of it and PostgreSQL repairs it.
//!
//! Each capability works on a node alone and, with Redis, on all nodes as one. While Redis is away each node goes on by itself: what
//! happens on it is told on it at once, and elsewhere once the tails of conversations are checked; limits and presence
//! are its own; a ticket is good where it was given out. When Redis is back, all that may have been missed is looked for. Receipts,
//! which no log shows to be missing, are told again then, and when a node dies.

pub mod bus;
pub mod changed;
pub mod limits;
pub mod looks;
pub mod losses;
pub mod order;
pub mod presence;
pub mod revoked;
pub mod tickets;
pub mod typing;

mod link;
mod relay;
mod servers;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    bus::Bus,
    limits::Limits,
    link::Link,
    looks::Looks,
    losses::Losses,
    order::{Log, Order, Orderer},
    presence::PresenceBoard,
    relay::{Inward, Letter, Listener, Peers, Poster, Reach, Relay},
    revoked::Revoked,
    servers::Servers,
    tickets::Tickets,
    typing::{TypingBoard, Typists},
};
use crate::domain::{
    clock::{Clock, Time},
    event::Revocation,
};

/// How often the tails of conversations are compared with PostgreSQL.
pub const TAIL_CHECK: Duration = Duration::from_secs(3);
/// How long a starting node waits for Redis before it begins without.
const SETTLING: Duration = Duration::from_secs(2);

/// Everything that nodes share besides the database.
#[derive(Debug)]
pub struct Cluster {
    /// Tells the sockets what was committed.
    pub bus: Bus,
    /// How often somebody may do something.
    pub limits: Limits,
    /// Who has which conversation open here.
    pub looks: Looks,
    /// Receipts that may have been lost on their way.
    pub losses: Losses,
    /// Who is there.
    pub presence: PresenceBoard,
    /// Sessions that ended before their tokens.
    pub revoked: Arc<Revoked>,
    /// One-use tickets for sockets.
    pub tickets: Tickets,
    /// Who is typing.
    pub typing: TypingBoard,
    reach: Reach,
    clock: Clock,
}

/// What a cluster is made of.
pub struct Setup<'a> {
    /// What time it is.
    pub clock: &'a Clock,
    /// The logs in PostgreSQL.
    pub log: Log,
    /// How often the tails of conversations are checked; [`TAIL_CHECK`] but in tests.
    pub tail_check: Duration,
    /// Ends the tasks. What is published afterwards is heard by nobody, so it comes after the last socket and the last writer.
    pub stop: CancellationToken,
    /// Waits for the tasks.
    pub tasks: &'a TaskTracker,
}

impl Cluster {
    /// A node on its own.
    pub fn local(setup: &Setup<'_>) -> Self {
        let order = start_order(setup);
        Self::assemble(setup, order, (Reach::Node, None), Parts::new(setup.clock))
    }

    /// A node among those that share a Redis. Begins alone where Redis is away.
    pub async fn redis(url: &str, setup: &Setup<'_>) -> anyhow::Result<Self> {
        let servers = Arc::new(Servers::new(url).context("REDIS_URL is not the address of a Redis")?);
        let (relay, parcels) = Relay::new();
        let (order, parts, road) = (start_order(setup), Parts::new(setup.clock), relay.road());
        let link = Link::new(Arc::clone(&servers), Arc::clone(&road));
        let Parts { revoked, typists, losses } = parts.clone();
        let inward = Inward { order: order.clone(), revoked, typists, losses };
        let (servers_to_hear, road_to_hear, stop) = (Arc::clone(&servers), Arc::clone(&road), setup.stop.clone());
        let peers = Peers::default();
        setup
            .tasks
            .spawn(Listener { servers: servers_to_hear, road: road_to_hear, inward, peers, stop: stop.clone() }.run());
        setup.tasks.spawn(Poster { servers, road, parcels, stop }.run());
        let reach = Reach::Nodes(relay);
        reach.settled(SETTLING).await;
        Ok(Self::assemble(setup, order, (reach, Some(link)), parts))
    }

    /// Voids the tokens of a session or of a person, and closes their sockets, on all nodes.
    pub async fn revoke(&self, revocation: Revocation) {
        let at = self.clock.now();
        if self.revoked.add(revocation, at) {
            self.bus.close(revocation, at).await;
        }
    }

    /// The same on this node only, for a revocation that was found in the database; nothing where it is known.
    pub async fn heed(&self, revocation: Revocation, at: Time) {
        if self.revoked.add(revocation, at) {
            self.bus.close_here(revocation).await;
        }
    }

    /// Receipts of what was committed just now may never be told, here nor elsewhere: whoever committed does not know whether they did.
    pub fn leave_untold(&self) {
        self.losses.note(Instant::now());
        self.reach.post(self.reach.pack(&Letter::Untold(Duration::ZERO)));
    }

    /// Whether other nodes, where there are any, can be reached.
    pub fn is_whole(&self) -> bool {
        self.reach.is_whole()
    }

    fn assemble(setup: &Setup<'_>, order: Order, way: (Reach, Option<Link>), parts: Parts) -> Self {
        let ((reach, link), clock) = (way, setup.clock.clone());
        Self {
            bus: Bus::new(order, reach.clone()),
            limits: Limits::new(&clock, link.clone()),
            looks: Looks::default(),
            losses: parts.losses,
            presence: PresenceBoard::new(clock.clone(), link.clone()),
            revoked: parts.revoked,
            tickets: Tickets::new(clock.clone(), link),
            typing: TypingBoard::new(parts.typists, reach.clone()),
            reach,
            clock,
        }
    }
}

/// What other nodes' letters reach as well as this node's callers.
#[derive(Clone)]
struct Parts {
    revoked: Arc<Revoked>,
    typists: Arc<Typists>,
    losses: Losses,
}

impl Parts {
    fn new(clock: &Clock) -> Self {
        let typists = Arc::new(Typists::new(clock.clone()));
        Self { revoked: Arc::default(), typists, losses: Losses::default() }
    }
}

fn start_order(setup: &Setup<'_>) -> Order {
    let (order, orderer) = Orderer::new(setup.log.clone(), setup.stop.clone());
    setup.tasks.spawn(orderer.run(setup.tail_check));
    order
}
