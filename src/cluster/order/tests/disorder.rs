//! Under seeded disorder, each log is told gapless and in order.

use std::{collections::BTreeMap, time::Duration};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    super::sequencer::{Hole, Telling, Trust},
    Bench, entry_of, log, person,
};
use crate::{cluster::bus::Envelope, domain::ids::LogId};

/// Whatever is lost, doubled or late, each log is told gapless and in order.
#[test]
fn any_disorder_and_loss_ends_gapless_and_in_order() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bench = Bench::new();
        let logs = [log(1), log(2), log(3), LogId::Person(person(1))];
        let heads: BTreeMap<_, _> = logs.map(|log| (log, random.random_range(1..80))).into();
        for &id in heads.keys() {
            bench.sequencer.track(id, 0, bench.now);
        }
        for publish in disorder(&heads, &mut random) {
            bench.feed(publish);
            let holes = bench.wait(Duration::from_millis(random.random_range(0..20)));
            repair(&mut bench, holes, &mut random);
        }
        let heads: Vec<_> = heads.into_iter().collect();
        for _ in 0..200 {
            bench.sequencer.check(&heads, Trust::SecondLook, bench.now);
            bench.sequencer.sweep(bench.now);
            let holes = bench.wait(Duration::from_secs(3));
            repair(&mut bench, holes, &mut random);
        }
        for (id, head) in heads {
            let heard: Vec<_> = bench.told.iter().filter_map(|telling| seq_in(telling, id)).collect();
            assert_eq!(heard, (1..=head).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}

/// All entries in changes of one to three, of which some are lost, some come twice, and all are shuffled.
fn disorder(heads: &BTreeMap<LogId, i64>, random: &mut impl Rng) -> Vec<Vec<Envelope>> {
    let mut publishes = Vec::new();
    for (&id, &head) in heads {
        let mut next = 1;
        while next <= head {
            let last = (next + random.random_range(0..3)).min(head);
            let copies = *[0, 1, 1, 1, 1, 2].get(random.random_range(0..6)).expect("in range");
            let change: Vec<_> = (next..=last).map(|seq| entry_of(id, seq)).collect();
            publishes.extend(std::iter::repeat_n(change, copies));
            next = last + 1;
        }
    }
    publishes.shuffle(random);
    publishes
}

/// Answers fetches as PostgreSQL would, or fails.
fn repair(bench: &mut Bench, holes: Vec<Hole>, random: &mut impl Rng) {
    for hole in holes {
        if random.random_bool(0.3) {
            bench.sequencer.failed(hole, bench.now, &mut bench.told);
        } else {
            let entries: Vec<_> = (hole.after + 1..=hole.up_to).map(|seq| entry_of(hole.log, seq)).collect();
            bench.fetched(hole, entries);
        }
    }
}

fn seq_in(telling: &Telling, id: LogId) -> Option<i64> {
    match telling {
        Telling::Event(envelope) => envelope.place().filter(|(log, _)| *log == id).map(|(_, seq)| seq),
        Telling::SyncRequired(_) => None,
    }
}
