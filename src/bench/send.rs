//! Sending: 64 people who speak as fast as they are answered, each in a conversation of their own or all in one.

use std::{
    collections::{HashMap, VecDeque},
    io,
    rc::Rc,
    slice,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    task::JoinSet,
    time::{timeout, timeout_at},
};
use uuid::Uuid;

use super::{
    Load,
    crowd::{self, Person},
    ledger::{self, Ear, Entry, Ledger},
    meter::Meter,
    report::Report,
    server::Target,
    socket::{Mouth, Socket, push_text},
    words::{self, Heard},
};
use crate::store::filling;

/// Who speaks at once.
pub const SPEAKERS: usize = 64;
/// What each has in flight where all speak in groups.
const IN_FLIGHT: usize = 16;
/// How often it is measured with and without the index.
const ROUNDS: usize = 3;
/// How long what is under way may take once nothing new is begun.
const PATIENCE: Duration = Duration::from_secs(20);
/// What all who take part share.
struct Talk {
    meter: Meter,
    in_flight: usize,
}

/// One socket that hears, and perhaps speaks.
struct Participant {
    socket: Socket,
    ears: Ears,
    voice: Option<Voice>,
}

/// What a socket hears, by conversation.
struct Ears {
    all: Vec<(Vec<u8>, Ear)>,
    places: HashMap<Vec<u8>, usize>,
    /// Which heard something last: mostly it is the one that does so again.
    latest: usize,
}

/// One who speaks.
struct Voice {
    mouth: Mouth,
    conversation: String,
    under_way: VecDeque<(Uuid, Instant)>,
    acknowledged: Vec<Entry>,
    refused: Option<String>,
}

/// Loads direct conversations whose both sides listen: as many as there are speakers.
pub async fn direct(target: &Target, load: &Load, speaking: (usize, usize)) -> anyhow::Result<Report> {
    across(target, target, load, speaking).await
}

/// The same, while every other one listens at another node.
pub async fn across(near: &Target, far: &Target, load: &Load, speaking: (usize, usize)) -> anyhow::Result<Report> {
    let (participants, readers) = pairs([near, far], speaking.0).await?;
    speak(near, load, speaking, participants, readers).await
}

/// Loads direct conversations as [`direct`] does, in turn while the index follows what is said, and while there is nothing that
/// it would have to follow.
pub async fn beside_index(target: &Target, load: &Load) -> anyhow::Result<Vec<Report>> {
    let database = target.database().await?;
    let mut db = database.pool().acquire().await?;
    let mut reports = Vec::new();
    for _ in 0..ROUNDS {
        for (name, is_held) in [("index follows", false), ("index held up", true)] {
            let (participants, readers) = pairs([target; 2], SPEAKERS).await?;
            // A lock would do as well, but whoever waits for it keeps PostgreSQL from clearing away what was written over.
            if is_held {
                filling::count_as_indexed(&mut *db, Some(i64::MAX)).await?;
            }
            filling::settle(&mut db).await?;
            let report = speak(target, load, (SPEAKERS, IN_FLIGHT), participants, readers).await?;
            reports.push(Report { scenario: name.to_owned(), ..report });
            // What was said without an index is passed over, and what was said with it may take its time.
            if is_held {
                filling::count_as_indexed(&mut *db, None).await?;
            }
            crowd::wait_for_index(&mut db).await?;
        }
    }
    drop(db);
    database.close(Duration::ZERO).await;
    Ok(reports)
}

/// Opens direct conversations, with a socket on either side: of one who speaks, at the first node; and of one who listens, at
/// the nodes in turn.
async fn pairs(nodes: [&Target; 2], speakers: usize) -> anyhow::Result<(Vec<Participant>, Vec<(String, Person)>)> {
    let (mut participants, mut readers) = (Vec::new(), Vec::new());
    let pairs = crowd::pairs(nodes[0], speakers).await?;
    for ((speaker, listener, conversation), node) in pairs.into_iter().zip(nodes.into_iter().cycle()) {
        let hears = slice::from_ref(&conversation);
        participants.push(Participant::join(nodes[0], &speaker, hears, Some(&conversation)).await?);
        participants.push(Participant::join(node, &listener, hears, None).await?);
        readers.push((conversation, speaker));
    }
    Ok((participants, readers))
}

async fn speak(
    target: &Target,
    load: &Load,
    (speakers, in_flight): (usize, usize),
    participants: Vec<Participant>,
    readers: Vec<(String, Person)>,
) -> anyhow::Result<Report> {
    let report = Report::new(format!("send, {speakers} × {in_flight} in flight"), "messages");
    converse(target, (load, in_flight), participants, readers, report).await
}

/// Loads one group in which 64 people speak, and all hear all.
pub async fn hot(target: &Target, load: &Load) -> anyhow::Result<Report> {
    groups(target, load, 1).await
}

/// Loads as many groups of the same 64 people, each of whom speaks in another: as much is said and heard as in one.
pub async fn spread(target: &Target, load: &Load) -> anyhow::Result<Report> {
    groups(target, load, SPEAKERS).await
}

async fn groups(target: &Target, load: &Load, count: usize) -> anyhow::Result<Report> {
    let people = crowd::people(target, SPEAKERS).await?;
    let mut groups = Vec::new();
    for _ in 0..count {
        groups.push(crowd::group(target, &people).await?);
    }
    let mut participants = Vec::new();
    for (person, group) in people.iter().zip(groups.iter().cycle()) {
        participants.push(Participant::join(target, person, &groups, Some(group)).await?);
    }
    let readers = groups.into_iter().zip(people.iter().cloned()).collect();
    let report = Report::new(format!("hot, {SPEAKERS} × {IN_FLIGHT} in flight, {count} groups"), "messages");
    converse(target, (load, IN_FLIGHT), participants, readers, report).await
}

/// Lets all speak for a while, waits until everything is heard, and compares it with what was acknowledged.
async fn converse(
    target: &Target,
    (load, in_flight): (&Load, usize),
    participants: Vec<Participant>,
    readers: Vec<(String, Person)>,
    report: Report,
) -> anyhow::Result<Report> {
    let talk = Rc::new(Talk { meter: Meter::new(), in_flight });
    let mut tasks = JoinSet::new();
    for mut participant in participants {
        let talk = Rc::clone(&talk);
        tasks.spawn_local(async move { participant.take_part(&talk).await.map(|()| participant) });
    }
    let report = talk.meter.measure(report, &target.watch, load.time()).await;
    let ended = timeout(PATIENCE, tasks.join_all()).await.context("Acknowledgements are missing.")?;
    let mut participants: Vec<_> = ended.into_iter().collect::<io::Result<_>>().context("a socket broke")?;

    let mut ledgers: HashMap<String, Ledger> = HashMap::new();
    let mut refused = None;
    for voice in participants.iter_mut().filter_map(|participant| participant.voice.take()) {
        ledgers.entry(voice.conversation).or_default().acknowledged.extend(voice.acknowledged);
        refused = refused.or(voice.refused);
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for Participant { mut socket, mut ears, .. } in participants {
        // Where this is in vain, the ledgers say so.
        timeout_at(deadline, ears.catch_up(&mut socket, &ledgers)).await.ok();
        for (conversation, ear) in ears.all {
            ledgers.entry(String::from_utf8(conversation)?).or_default().ears.push(ear);
        }
    }
    let conversations = readers.into_iter().map(|(id, reader)| {
        let ledger = ledgers.remove(&id).unwrap_or_default();
        (id, reader.token, ledger)
    });
    let faults = ledger::faults(target, conversations.collect()).await?;
    Ok(report.errors(talk.meter.errors()).faults(refused).faults(faults))
}

impl Participant {
    async fn join(target: &Target, person: &Person, hears: &[String], speaks_in: Option<&str>) -> io::Result<Self> {
        let socket = target.open_socket(&person.token).await?;
        let voice = speaks_in.map(|conversation| Voice::new(socket.mouth(), conversation));
        Ok(Self { socket, ears: Ears::new(hears), voice })
    }

    /// Speaks and hears until it is over and everything said is answered.
    async fn take_part(&mut self, talk: &Talk) -> io::Result<()> {
        let Self { socket, ears, voice } = self;
        loop {
            let Some(voice) = voice.as_mut() else {
                match talk.meter.over().run_until_cancelled(socket.read(|text| ears.hear(text))).await {
                    Some(read) => read?,
                    None => return Ok(()),
                }
                continue;
            };
            if !talk.meter.is_over() {
                voice.speak(talk.in_flight).await?;
            } else if voice.under_way.is_empty() {
                return Ok(());
            }
            let take = |text: &[u8]| match words::read(text) {
                Heard::Ack(entry) => voice.take(Some(entry), text, &talk.meter),
                Heard::Error => voice.take(None, text, &talk.meter),
                _ => ears.hear(text),
            };
            socket.read(take).await?;
        }
    }
}

impl Ears {
    fn new(conversations: &[String]) -> Self {
        let ids = || conversations.iter().map(|conversation| conversation.clone().into_bytes());
        let all = ids().map(|id| (id, Ear::default())).collect();
        Self { all, places: ids().zip(0..).collect(), latest: 0 }
    }

    fn hear(&mut self, text: &[u8]) {
        let Heard::Message(conversation, seq) = words::read(text) else { return };
        if self.all.get(self.latest).is_none_or(|(id, _)| id != conversation) {
            let Some(place) = self.places.get(conversation) else { return };
            self.latest = *place;
        }
        self.all[self.latest].1.hear(seq);
    }

    /// Hears until in each conversation as many messages have come as were acknowledged.
    async fn catch_up(&mut self, socket: &mut Socket, ledgers: &HashMap<String, Ledger>) -> io::Result<()> {
        loop {
            let lacks = |(conversation, ear): &(Vec<u8>, Ear)| {
                let ledger = str::from_utf8(conversation).ok().and_then(|id| ledgers.get(id));
                ledger.is_some_and(|ledger| ear.heard() < ledger.acknowledged.len())
            };
            if !self.all.iter().any(lacks) {
                return Ok(());
            }
            socket.read(|text| self.hear(text)).await?;
        }
    }
}

impl Voice {
    fn new(mouth: Mouth, conversation: &str) -> Self {
        let conversation = conversation.to_owned();
        Self { mouth, conversation, under_way: VecDeque::new(), acknowledged: Vec::new(), refused: None }
    }

    /// Says as much as may be under way, in one write.
    async fn speak(&mut self, in_flight: usize) -> io::Result<()> {
        let mut frames = Vec::new();
        while self.under_way.len() < in_flight {
            let id = Uuid::now_v7();
            push_text(&mut frames, words::send(&self.conversation, id).as_bytes());
            self.under_way.push_back((id, Instant::now()));
        }
        self.mouth.write(&frames).await
    }

    /// Takes an answer. They come in the order of what was said.
    fn take(&mut self, entry: Option<Entry>, text: &[u8], meter: &Meter) {
        match (self.under_way.pop_front(), entry) {
            (Some((asked, begun)), Some((id, seq))) if asked == id => {
                self.acknowledged.push((id, seq));
                meter.done(begun);
            }
            _ => {
                meter.failed();
                self.refused.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
            }
        }
    }
}
