//! Search: somebody in 50 of 1,000 conversations looks for words, common and rare, among 1,000,000 messages.

use std::{
    io,
    rc::Rc,
    slice,
    time::{Duration, Instant},
};

use anyhow::Context;
use chrono::TimeDelta;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Deserialize;
use serde_json::json;
use strum::VariantArray;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    Load,
    crowd::{self, Person},
    haystack::{Said, Vocabulary},
    http::{Http, Page},
    meter::Meter,
    report::Report,
    server::Target,
};
use crate::{
    domain::{
        clock::{Clock, Time},
        ids::{ConversationId, UserId},
    },
    store::filling::{self, MadeUp},
};

/// Messages of all conversations.
const MESSAGES: usize = 1_000_000;
/// Conversations.
const CONVERSATIONS: usize = 1_000;
/// Those of them that the one who searches is in.
const OWN: usize = 50;
/// Who speaks.
const SPEAKERS: usize = 20;
/// Messages written in one statement.
const AT_ONCE: usize = 5_000;
/// Devices that search at once, where it is about how many searches there are.
const SEARCHERS: usize = 4;
/// Hits of a page.
const PAGE: usize = 50;
/// One page in so many is compared with what was said.
const CHECKED: u32 = 8;

/// Everything that the searcher may find, newest first, and how to ask for it.
struct Haystack {
    vocabulary: Vocabulary,
    said: Vec<Said>,
    searcher: Person,
    speakers: Vec<Uuid>,
    conversations: Vec<Uuid>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
enum Kind {
    /// One of the commonest words.
    Common,
    /// A word that few messages have.
    Rare,
    /// A common word and one that is not, or a common one without another.
    Both,
    /// Two words that follow each other.
    Phrase,
    /// The first letters of many words.
    Beginning,
    /// A common word of one sender, or in one conversation.
    Narrowed,
    /// An address of a page, whatever the words.
    Link,
}

/// Whether a message is to be found.
type Fits = Box<dyn Fn(&Vocabulary, &Said) -> bool>;

/// A question, and what it must find.
struct Question {
    path: String,
    is_newest: bool,
    fits: Fits,
}

#[derive(Deserialize)]
struct Item {
    message: Found,
}

#[derive(Deserialize)]
struct Found {
    conversation_id: Uuid,
    seq: i64,
}

/// Measures each kind of question by itself, and then all of them, from one and from several devices.
pub async fn run(target: &Target, load: &Load) -> anyhow::Result<Vec<Report>> {
    let haystack = Rc::new(fill(target, load).await?);
    let mut reports = Vec::new();
    for kind in Kind::VARIANTS {
        let report = Report::new(format!("search, {kind}, 1 at once"), "pages");
        reports.push(search(target, load, &haystack, (slice::from_ref(kind), 1), report).await?);
    }
    for searchers in [1, SEARCHERS] {
        let report = Report::new(format!("search, all kinds, {searchers} at once"), "pages");
        reports.push(search(target, load, &haystack, (Kind::VARIANTS, searchers), report).await?);
    }
    Ok(reports)
}

/// Makes people and conversations, has them say all that is said, each conversation in turn, and waits until the index
/// has taken it in.
async fn fill(target: &Target, load: &Load) -> anyhow::Result<Haystack> {
    let mut people = crowd::people(target, 1 + SPEAKERS).await?;
    let searcher = people.remove(0);
    let count = load.part_of(CONVERSATIONS).max(4);
    let own = load.part_of(OWN).max(2);
    let ids: Vec<_> = people.iter().map(|person| person.id.clone()).collect();
    let groups = crowd::each(target.address, (0..count).collect(), async |http, place| {
        let mut members = ids.clone();
        members.extend((place < own).then(|| searcher.id.clone()));
        let asked = json!({"kind": "group", "name": format!("place {place}"), "participant_ids": members}).to_string();
        crowd::id_in(http.post("/conversations", &people[0].token, &asked).await?)
    });
    let read = |ids: &[String]| ids.iter().map(|id| id.parse()).collect::<Result<Vec<Uuid>, _>>();
    let (groups, speakers) = (read(&groups.await?)?, read(&ids)?);

    let mut haystack = Haystack {
        vocabulary: Vocabulary::new(),
        said: Vec::new(),
        searcher,
        speakers,
        conversations: groups[..own].to_vec(),
    };
    let database = target.database().await?;
    let filled = async {
        let mut db = database.pool().acquire().await?;
        let first = first_seq(target, &haystack).await?;
        let begun = Clock::default().now() - TimeDelta::days(30);
        let mut dice = StdRng::seed_from_u64(5);
        let total = load.part_of(MESSAGES);
        for start in (0..total).step_by(AT_ONCE) {
            let numbers = start..(start + AT_ONCE).min(total);
            let batch: Vec<_> =
                numbers.map(|number| haystack.say(&groups, (number, first), begun, &mut dice)).collect();
            filling::say(&mut db, &batch).await?;
        }
        crowd::wait_for_index(&mut db).await?;
        filling::settle(&mut db).await?;
        anyhow::Ok(())
    };
    let filled = filled.await;
    database.close(Duration::ZERO).await;
    filled?;
    haystack.said.reverse();
    Ok(haystack)
}

/// Where the first message in each conversation will stand.
async fn first_seq(target: &Target, haystack: &Haystack) -> anyhow::Result<i64> {
    let mut http = Http::connect(target.address).await?;
    let path = format!("/conversations/{}", haystack.conversations[0]);
    let conversation: serde_json::Value = serde_json::from_slice(http.get(&path, &haystack.searcher.token).await?)?;
    Ok(conversation["head_seq"].as_i64().context("a conversation has a head")? + 1)
}

/// Has so many devices ask questions of some kinds, and read on now and then.
async fn search(
    target: &Target,
    load: &Load,
    haystack: &Rc<Haystack>,
    (kinds, searchers): (&'static [Kind], usize),
    report: Report,
) -> anyhow::Result<Report> {
    let meter = Rc::new(Meter::new());
    let mut tasks = JoinSet::new();
    for searcher in 0..searchers {
        let http = Http::connect(target.address).await?;
        let (meter, haystack) = (Rc::clone(&meter), Rc::clone(haystack));
        let dice = StdRng::seed_from_u64(searcher as u64);
        tasks.spawn_local(async move { haystack.ask(http, &meter, kinds, dice).await });
    }
    let report = meter.measure(report, &target.watch, load.time()).await;
    let faults = tasks.join_all().await.into_iter().collect::<io::Result<Vec<_>>>()?;
    Ok(report.faults(faults.into_iter().flatten()))
}

impl Haystack {
    /// Makes up the message of a number, and remembers it where the searcher may find it.
    fn say(&mut self, groups: &[Uuid], (number, first): (usize, i64), begun: Time, dice: &mut StdRng) -> MadeUp {
        let (words, has_link) = self.vocabulary.say(dice);
        let said = Said {
            conversation: groups[number % groups.len()],
            seq: first + (number / groups.len()) as i64,
            sender: self.speakers[dice.random_range(0..self.speakers.len())],
            at: begun + TimeDelta::seconds(number as i64),
            words,
            has_link,
        };
        let made_up = MadeUp {
            conversation_id: ConversationId(said.conversation),
            sender_id: UserId(said.sender),
            body: self.vocabulary.body(&said.words, has_link),
            created_at: said.at,
        };
        if self.conversations.contains(&said.conversation) {
            self.said.push(said);
        }
        made_up
    }

    /// Asks until it is over; says what was wrong first.
    async fn ask(&self, mut http: Http, meter: &Meter, kinds: &[Kind], mut dice: StdRng) -> io::Result<Option<String>> {
        let mut fault = None;
        while !meter.is_over() {
            let question = self.question(kinds[dice.random_range(0..kinds.len())], &mut dice);
            let (mut path, mut before) = (question.path.clone(), 0);
            for _ in 0..dice.random_range(1..4) {
                let begun = Instant::now();
                let page: Page<Item> = serde_json::from_slice(http.get(&path, &self.searcher.token).await?)?;
                meter.done(begun);
                if dice.random_ratio(1, CHECKED) {
                    fault = fault.or_else(|| self.check(&question, &page, before));
                }
                before += page.items.len();
                let Some(cursor) = page.next_cursor else { break };
                path = format!("{}&cursor={cursor}", question.path);
            }
        }
        Ok(fault)
    }

    fn question(&self, kind: Kind, dice: &mut StdRng) -> Question {
        let mut rank = |ranks: std::ops::Range<u16>| dice.random_range(ranks);
        let (common, other, rare) = (rank(0..20), rank(20..2_000), rank(2_000..30_000));
        let (two, place, sort) = (rank(0..2) == 0, rank(0..1_000), rank(0..2) == 0);
        let word = |rank| self.vocabulary.word(rank);
        let (line, fits): (String, Fits) = match kind {
            Kind::Common => (word(common).to_owned(), Box::new(move |_, said| said.words.contains(&common))),
            Kind::Rare => (word(rare).to_owned(), Box::new(move |_, said| said.words.contains(&rare))),
            Kind::Both if two => (
                format!("{} {}", word(common), word(other)),
                Box::new(move |_, said| said.words.contains(&common) && said.words.contains(&other)),
            ),
            Kind::Both => (
                format!("{} -{}", word(other), word(common)),
                Box::new(move |_, said| said.words.contains(&other) && !said.words.contains(&common)),
            ),
            Kind::Phrase => {
                let second = if two { other } else { common + 1 };
                let follows = move |said: &Said| said.words.windows(2).any(|pair| pair == [common, second]);
                (format!("\"{} {}\"", word(common), word(second)), Box::new(move |_, said| follows(said)))
            }
            Kind::Beginning => {
                let beginning: String = word(other).chars().take(if two { 2 } else { 3 }).collect();
                let line = format!("{beginning}*");
                let begins = move |vocabulary: &Vocabulary, said: &Said| {
                    said.words.iter().any(|rank| vocabulary.word(*rank).starts_with(&beginning))
                };
                (line, Box::new(begins))
            }
            Kind::Narrowed if two => {
                let sender = self.speakers[usize::from(place) % self.speakers.len()];
                let fits = move |said: &Said| said.sender == sender && said.words.contains(&common);
                (format!("{} from:{sender}", word(common)), Box::new(move |_, said| fits(said)))
            }
            Kind::Narrowed => {
                let place = self.conversations[usize::from(place) % self.conversations.len()];
                let fits = move |said: &Said| said.conversation == place && said.words.contains(&common);
                (format!("{} in:{place}", word(common)), Box::new(move |_, said| fits(said)))
            }
            Kind::Link => ("has:link".to_owned(), Box::new(|_, said| said.has_link)),
        };
        // What is searched without words comes newest first.
        let is_newest = sort || kind == Kind::Link;
        let line = line.replace(' ', "+").replace('"', "%22");
        let sort = if is_newest { "newest" } else { "relevance" };
        Question { path: format!("/search/messages?q={line}&sort={sort}&limit={PAGE}"), is_newest, fits }
    }

    /// What is wrong with a page before which so many hits came: each must fit, as many must come as there are, and the
    /// newest in their order.
    fn check(&self, question: &Question, page: &Page<Item>, before: usize) -> Option<String> {
        let fitting: Vec<_> = self
            .said
            .iter()
            .filter(|said| (question.fits)(&self.vocabulary, said))
            .map(|said| (said.conversation, said.seq))
            .collect();
        let found: Vec<_> = page.items.iter().map(|item| (item.message.conversation_id, item.message.seq)).collect();
        let rest = fitting.get(before..).unwrap_or_default();
        let is_right = if question.is_newest {
            found == rest[..rest.len().min(PAGE)]
        } else {
            // A page ends where four hundred have been ranked, too.
            let is_whole = found.len() == PAGE || found.len() == rest.len() || page.next_cursor.is_some();
            is_whole && found.iter().all(|hit| fitting.contains(hit))
        };
        let path = &question.path;
        (!is_right).then(|| format!("{path}: {} hits after {before} of {}", found.len(), fitting.len()))
    }
}
