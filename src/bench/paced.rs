//! People who speak at a pace, whatever becomes of it: how long what they say is on its way, where that is no matter of how
//! much is under way.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::future::join;
use tokio::{
    task::JoinSet,
    time::{Interval, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Load, crowd,
    ledger::{self, Ear, Entry, Ledger},
    meter::Meter,
    report::Report,
    send::SPEAKERS,
    server::Target,
    socket::{Socket, push_text},
    words::{self, Heard},
};

/// How long the last words may be on their way.
const PATIENCE: Duration = Duration::from_secs(20);

/// What all share.
struct Talk {
    /// Those who are connected where the speakers are, and those who are not.
    meters: [Meter; 2],
    /// When each conversation's messages were said, in the order of their places.
    said: RefCell<HashMap<String, Vec<Instant>>>,
    end: CancellationToken,
}

/// Loads direct conversations of people who speak at the first node so often in a second, all together, with people who listen at
/// the nodes in turn; each report is of those who listen at one of them.
pub async fn direct(
    nodes: [&Target; 2],
    load: &Load,
    per_second: f64,
    scenarios: [&str; 2],
) -> anyhow::Result<[Report; 2]> {
    let near = nodes[0];
    let pace = Duration::from_secs_f64(SPEAKERS as f64 / per_second);
    let pairs = crowd::pairs(near, SPEAKERS).await?;
    let meters = [(); 2].map(|()| Meter::new());
    let talk = Rc::new(Talk { meters, said: RefCell::default(), end: CancellationToken::new() });

    let (mut speaking, mut listening) = (JoinSet::new(), JoinSet::new());
    for (number, (speaker, listener, id)) in pairs.iter().enumerate() {
        let place = number % 2;
        let socket = nodes[place].open_socket(&listener.token).await?;
        listening.spawn_local(Rc::clone(&talk).listen(socket, id.clone(), place));
        let socket = near.open_socket(&speaker.token).await?;
        // All at once would be a burst, and not a load.
        let first = tokio::time::Instant::now() + pace.mul_f64(number as f64 / SPEAKERS as f64);
        let ticks = interval_at(first, pace);
        speaking.spawn_local(Rc::clone(&talk).speak(socket, id.clone(), ticks));
    }
    let measuring = |place: usize| {
        let report = Report::new(scenarios[place], "deliveries");
        talk.meters[place].measure(report, &nodes[place].watch, load.time())
    };
    let (here, there) = join(measuring(0), measuring(1)).await;
    let mut acknowledged = speaking.join_all().await.into_iter().collect::<io::Result<HashMap<_, _>>>()?;
    talk.end.cancel();
    let mut ears = listening.join_all().await.into_iter().collect::<io::Result<HashMap<_, _>>>()?;
    let ledgers = pairs.into_iter().map(|(reader, _, id)| {
        let acknowledged = acknowledged.remove(&id).unwrap_or_default();
        let ears = ears.remove(&id).into_iter().collect();
        (id, reader.token, Ledger { acknowledged, ears })
    });
    let faults = ledger::faults(near, ledgers.collect()).await?;
    let errors = talk.meters.each_ref().map(Meter::errors);
    Ok([here.errors(errors[0]).faults(faults), there.errors(errors[1])])
}

impl Talk {
    /// Says something again and again until it is over and all is acknowledged.
    async fn speak(
        self: Rc<Self>,
        mut socket: Socket,
        id: String,
        mut ticks: Interval,
    ) -> io::Result<(String, Vec<Entry>)> {
        let mouth = socket.mouth();
        let (mut said, mut acknowledged, mut frame) = (0, Vec::new(), Vec::new());
        loop {
            let is_over = self.meters.iter().all(Meter::is_over);
            if is_over && acknowledged.len() == said {
                return Ok((id, acknowledged));
            }
            let reading = socket.read(|text| match words::read(text) {
                Heard::Ack(entry) => acknowledged.push(entry),
                Heard::Error => self.meters[0].failed(),
                Heard::Ready | Heard::Message(..) | Heard::Other => {}
            });
            tokio::select! {
                read = timeout(PATIENCE, reading) => read.map_err(io::Error::other)??,
                _ = ticks.tick(), if !is_over => {
                    frame.clear();
                    push_text(&mut frame, words::send(&id, Uuid::now_v7()).as_bytes());
                    self.said.borrow_mut().entry(id.clone()).or_default().push(Instant::now());
                    said += 1;
                    mouth.write(&frame).await?;
                }
            }
        }
    }

    /// Hears what is said in a conversation, to the last word.
    async fn listen(self: Rc<Self>, mut socket: Socket, id: String, place: usize) -> io::Result<(String, Ear)> {
        let mut ear = Ear::default();
        while !self.end.is_cancelled() || ear.heard() < self.said_in(&id) {
            let is_ending = self.end.is_cancelled();
            let reading = socket.read(|text| {
                if let Heard::Message(_, seq) = words::read(text) {
                    ear.hear(seq);
                    if let Some(begun) = self.said.borrow()[&id].get(seq as usize - 1) {
                        self.meters[place].done(*begun);
                    }
                }
            });
            tokio::select! {
                read = timeout(PATIENCE, reading) => match read {
                    Ok(read) => read?,
                    // What it lacks, the ledger says.
                    Err(_) => break,
                },
                () = self.end.cancelled(), if !is_ending => {}
            }
        }
        Ok((id, ear))
    }

    fn said_in(&self, id: &str) -> usize {
        self.said.borrow().get(id).map_or(0, Vec::len)
    }
}
