//! The law of sync: whatever happens, an old snapshot and the events heard since make a fresh snapshot, and a client that
//! syncs from any earlier place ends where a fresh one does.

mod chance;
mod equal;
mod model;
mod rush;
mod script;

use colloquy::config::settings::Settings;
use futures_util::future::join_all;
use serde_json::Value;

use self::{chance::Chance, equal::differences, model::Client, script::Script};
use crate::harness::{person::Person, server::TestServer, socket::Socket};

/// Things that are done in one script.
const STEPS: usize = 120;
/// Things that are done between two looks at what everybody knows.
const STEPS_BETWEEN_LOOKS: usize = 12;

/// Somebody's clients: one that only listens, and some that slept for a while.
struct Witness {
    person: Person,
    socket: Socket,
    listening: Client,
    asleep: Vec<Client>,
    chance: Chance,
    /// Where the beacon sends what is counted after all that was said before, and how often it has.
    beacon: String,
    signals: usize,
}

#[tokio::test]
async fn a_snapshot_and_the_events_since_make_a_fresh_snapshot() {
    // Those that have broken it before.
    for seed in [118, 143, 148] {
        let server = TestServer::with(long_days).await;
        play(seed, &[&server]).await;
    }
}

#[tokio::test]
async fn the_law_holds_on_two_nodes() {
    for seed in 11..=12 {
        let (north, south) = TestServer::pair_with(long_days).await;
        play(seed, &[&north, &south]).await;
    }
}

/// The script lets hours go by.
fn long_days(settings: &mut Settings) {
    settings.access_token_seconds = 1_000_000;
}

async fn play(seed: u64, nodes: &[&TestServer]) {
    let people = nodes[0].people(["ada", "bob", "carol", "dave"]).await;
    let beacon = nodes[0].person("beacon").await;
    let people: Vec<_> = (0..).zip(&people).map(|(place, person)| person.at(nodes[place % nodes.len()])).collect();
    let seeds = (1..).map(|number| 1_000 * seed + number);
    let mut witnesses =
        join_all(people.iter().zip(seeds).map(|(person, seed)| Witness::new(person, &beacon, seed))).await;
    let clocks = nodes.iter().map(|node| node.clock.clone()).collect();
    let mut script = Script::new(seed, people, clocks);
    for step in 1..=STEPS {
        script.goes_on().await;
        if step % STEPS_BETWEEN_LOOKS != 0 {
            continue;
        }
        for outcome in join_all(witnesses.iter_mut().map(|witness| witness.look(&beacon))).await {
            let last = || script.done[step - STEPS_BETWEEN_LOOKS..].join("\n");
            outcome.unwrap_or_else(|broken| panic!("seed {seed}, step {step}, {broken}\nThe last steps:\n{}", last()));
        }
    }
}

impl Witness {
    async fn new(person: &Person, beacon: &Person, seed: u64) -> Self {
        let (conversation, mut socket) = (beacon.opens_direct_with(person).await, person.socket().await);
        socket.drains().await;
        let listening = Client::fresh(person).await;
        let (asleep, chance) = (vec![listening.clone()], Chance::new(seed));
        Self { person: person.clone(), socket, listening, asleep, chance, beacon: conversation, signals: 0 }
    }

    /// Compares what the clients know with what a fresh one is told.
    async fn look(&mut self, beacon: &Person) -> Result<(), String> {
        for event in self.hears_all(beacon).await {
            self.listening.hears(&event);
        }
        let fresh = Client::fresh(&self.person).await;
        let broken = |how: &str, what: Vec<String>| {
            let (who, id) = (&self.person.username, &self.person.id);
            if what.is_empty() { Ok(()) } else { Err(format!("{who} ({id}) {how}:\n{}", what.join("\n"))) }
        };
        broken("reading all", equal::contradictions(&fresh))?;
        broken("listening", differences(&self.listening, &fresh))?;

        let mut waking = self.chance.pick(&self.asleep).clone();
        let limit = *self.chance.pick(&[1, 2, 3, 7, 100]);
        waking.catches_up(&self.person, limit).await;
        broken(&format!("syncing in pages of {limit}"), differences(&waking, &fresh))?;
        self.asleep.push(if self.chance.once_in(2) { waking } else { fresh.clone() });
        if self.chance.once_in(3) {
            self.listening = fresh;
        }
        Ok(())
    }

    /// All events that were caused until now, counts of what is unread included, which are told a little later.
    async fn hears_all(&mut self, beacon: &Person) -> Vec<Value> {
        beacon.says(&self.beacon, "How much is unread?").await;
        self.signals += 1;
        let mut events = Vec::new();
        let is_last = |event: &Value| {
            let is_counted = event["type"] == "unread:changed" && event["conversation_id"] == self.beacon.as_str();
            is_counted && event["data"]["unread"] == self.signals
        };
        while !events.last().is_some_and(is_last) {
            events.push(self.socket.hears_any("before the beacon's count", |_| true).await);
        }
        events.extend(self.socket.drains().await);
        events
    }
}
