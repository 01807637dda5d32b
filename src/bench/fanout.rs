//! Fan-out: one speaks and many hear, as fast as the slowest of them can.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::future::{join, try_join_all};
use tokio::{sync::Notify, task::spawn_local, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::{
    Load, crowd,
    ledger::{self, Ear, Entry, Ledger},
    meter::Meter,
    report::Report,
    server::Target,
    socket::{Mouth, Socket, push_text},
    usage::Watch,
    words::{self, Heard},
};

/// Messages under way at once: the next is said when all before these have been heard by all.
const IN_FLIGHT: usize = 16;
/// Sockets over which the one speaks, for a single one may send no more than a thousand frames a second.
pub const MOUTHS: usize = 4;
/// How long what is under way may take once nothing new is begun.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of a fan-out.
pub struct Outcome {
    /// How fast it was; broken sockets are its errors.
    pub report: Report,
    /// Messages that were said.
    pub said: usize,
    /// What was acknowledged, and what each listener heard.
    pub ledger: Ledger,
}

/// What speaker and listeners share.
struct Hall {
    meter: Meter,
    listeners: usize,
    /// When each message was said, in the order of their places.
    said: RefCell<Vec<Instant>>,
    /// The first message's place.
    first: Cell<Option<i64>>,
    acknowledged: RefCell<Vec<Entry>>,
    deliveries: Cell<usize>,
    /// As many deliveries as there are listeners have been added.
    round: Notify,
    /// Everything was heard, or will not be.
    end: CancellationToken,
}

/// Loads a group of so many listeners and one who speaks.
pub async fn run(target: &Target, load: &Load, listeners: usize) -> anyhow::Result<Report> {
    let listeners = load.part_of(listeners);
    let people = crowd::people(target, 1 + listeners).await?;
    let group = crowd::group(target, &people).await?;
    let speaker = &people[0].token;
    let mut sockets = Vec::new();
    for token in people.iter().map(|person| &person.token).chain([speaker; MOUTHS - 1]) {
        sockets.push(target.open_socket(token).await?);
    }
    sockets.rotate_left(1 + listeners);
    let compose = |_| words::send(&group, Uuid::now_v7());
    let report = Report::new(format!("fanout, {listeners} listeners"), "deliveries");
    let Outcome { report, said, ledger } = drive(sockets, compose, (load, &target.watch), report).await?;
    let acknowledged = ledger.acknowledged.len();
    let unanswered = (acknowledged != said).then(|| format!("{acknowledged} of {said} messages were acknowledged"));
    let faults = ledger::faults(target, vec![(group, speaker.clone(), ledger)]).await?;
    Ok(report.faults(unanswered).faults(faults))
}

/// Has the first few sockets speak in turn, and all of them listen. `compose` makes the texts, which are heard as messages.
pub async fn drive(
    sockets: Vec<Socket>,
    compose: impl FnMut(usize) -> String,
    (load, watch): (&Load, &Watch),
    report: Report,
) -> anyhow::Result<Outcome> {
    let mouths: Vec<Mouth> = sockets.iter().take(MOUTHS).map(Socket::mouth).collect();
    let hall = Rc::new(Hall::new(sockets.len()));
    let listeners: Vec<_> = sockets.into_iter().map(|socket| spawn_local(Rc::clone(&hall).listen(socket))).collect();
    let (report, said) = join(hall.meter.measure(report, watch, load.time()), hall.speak(&mouths, compose)).await;
    let said = said?;
    // Where this is in vain, the ears say what they lack.
    timeout(PATIENCE, hall.heard(said * listeners.len())).await.ok();
    hall.end.cancel();
    let ears = try_join_all(listeners).await?;
    let acknowledged = hall.acknowledged.take();
    Ok(Outcome { report: report.errors(hall.meter.errors()), said, ledger: Ledger { acknowledged, ears } })
}

impl Hall {
    fn new(listeners: usize) -> Self {
        Self {
            meter: Meter::new(),
            listeners,
            said: RefCell::default(),
            first: Cell::new(None),
            acknowledged: RefCell::default(),
            deliveries: Cell::new(0),
            round: Notify::new(),
            end: CancellationToken::new(),
        }
    }

    /// Says one message after the other until it is over; answers how many.
    async fn speak(&self, mouths: &[Mouth], mut compose: impl FnMut(usize) -> String) -> io::Result<usize> {
        let mut frame = Vec::new();
        for said in 0_usize.. {
            let wait_for = said.saturating_sub(IN_FLIGHT - 1) * self.listeners;
            if self.meter.over().run_until_cancelled(self.heard(wait_for)).await.is_none() {
                return Ok(said);
            }
            frame.clear();
            push_text(&mut frame, compose(said).as_bytes());
            self.said.borrow_mut().push(Instant::now());
            mouths[said % mouths.len()].write(&frame).await?;
        }
        unreachable!("there are more numbers than time")
    }

    /// Waits until so many deliveries have come.
    async fn heard(&self, deliveries: usize) {
        while self.deliveries.get() < deliveries {
            self.round.notified().await;
        }
    }

    async fn listen(self: Rc<Self>, mut socket: Socket) -> Ear {
        let mut ear = Ear::default();
        loop {
            let reading = socket.read(|text| match words::read(text) {
                Heard::Message(_, seq) => self.hear(&mut ear, seq),
                Heard::Ack(entry) => self.acknowledged.borrow_mut().push(entry),
                Heard::Error => self.meter.failed(),
                Heard::Ready | Heard::Other => {}
            });
            match self.end.run_until_cancelled(reading).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    warn!("A listener's socket broke: {error}");
                    self.meter.failed();
                    return ear;
                }
                None => return ear,
            }
        }
    }

    fn hear(&self, ear: &mut Ear, seq: i64) {
        ear.hear(seq);
        let first = self.first.get().unwrap_or(seq);
        self.first.set(Some(first));
        if let Some(begun) = self.said.borrow().get((seq - first) as usize) {
            self.meter.done(*begun);
        }
        self.deliveries.set(self.deliveries.get() + 1);
        if self.deliveries.get().is_multiple_of(self.listeners) {
            self.round.notify_one();
        }
    }
}
