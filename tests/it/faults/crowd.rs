//! People who talk without pause, over REST and sockets, in many conversations, and do not give up; and who listen.

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    ledger::Ledger,
    line::Line,
    listener::{Heard, listen},
};
use crate::harness::{PATIENCE, client::Client, id, person::Person, until};

/// How many they are.
const PEOPLE: usize = 4;
/// How many groups they share, besides a direct conversation of each two.
const GROUPS: usize = 3;
/// Messages that a socket sends without waiting.
const AT_ONCE: usize = 4;
/// How often somebody says something, at most.
const PACE: Duration = Duration::from_millis(15);

/// Everybody, with what they say and hear.
pub struct Crowd {
    /// What was acknowledged.
    pub ledger: Arc<Ledger>,
    /// Those who talk and listen; the first is at the first node, the second at the next, and so on.
    pub people: Vec<Person>,
    /// What each has heard.
    pub heard: Vec<watch::Receiver<Heard>>,
    /// What each is in.
    conversations: Vec<Vec<String>>,
    hush: CancellationToken,
    talking: JoinSet<()>,
    listening: JoinSet<()>,
}

impl Crowd {
    /// Gathers them at these nodes in turn, and lets them begin.
    pub async fn gather(nodes: &[&Client]) -> Self {
        let people = Person::all_register(nodes[0], "talker", PEOPLE).await;
        let mut conversations = vec![Vec::new(); PEOPLE];
        let mut join =
            |members: &[usize], id: String| members.iter().for_each(|one| conversations[*one].push(id.clone()));
        for _ in 0..GROUPS {
            let others: Vec<_> = people[1..].iter().map(|person| &person.id).collect();
            let group = json!({"kind": "group", "participant_ids": others});
            let made = people[0].post("/conversations", group).await.expect(201);
            join(&(0..PEOPLE).collect::<Vec<_>>(), id(&made).to_owned());
        }
        for one in 0..PEOPLE {
            for other in 0..one {
                join(&[one, other], people[one].opens_direct_with(&people[other]).await);
            }
        }
        let people = (0..).zip(people).map(|(place, person)| person.at(nodes[place % nodes.len()])).collect();
        let (talking, listening) = (JoinSet::new(), JoinSet::new());
        let (ledger, hush) = (Arc::default(), CancellationToken::new());
        let mut crowd = Self { ledger, people, heard: Vec::new(), conversations, hush, talking, listening };
        crowd.begin().await;
        crowd
    }

    /// Ends the talk: everybody has their last words acknowledged, and hears all that was said. Then compares.
    pub async fn end(mut self) {
        self.hush.cancel();
        while let Some(ended) = self.talking.join_next().await {
            ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        let mut heads = HashMap::new();
        for (person, conversations) in self.people.iter().zip(&self.conversations) {
            for conversation in conversations {
                if !heads.contains_key(conversation) {
                    heads.insert(conversation.clone(), self.ledger.audit(person, conversation).await);
                }
            }
        }
        let deadline = Instant::now() + PATIENCE;
        let mut glances = interval(Duration::from_millis(20));
        while let Some(behind) = self.behind(&heads) {
            glances.tick().await;
            if let Some(Err(error)) = self.listening.try_join_next() {
                std::panic::resume_unwind(error.into_panic());
            }
            assert!(Instant::now() < deadline, "not everything was heard: {behind}");
        }
    }

    async fn begin(&mut self) {
        for (person, conversations) in self.people.iter().zip(&self.conversations) {
            let (sender, heard) = watch::channel(Heard::default());
            self.listening.spawn(listen(person.clone(), conversations.clone(), sender));
            self.heard.push(heard);
            let talker = || Talker {
                person: person.clone(),
                conversations: conversations.clone(),
                ledger: Arc::clone(&self.ledger),
                hush: self.hush.clone(),
            };
            self.talking.spawn(talker().talk_over_rest());
            self.talking.spawn(talker().talk_over_a_socket());
        }
        for heard in &self.heard {
            until("all listen", async || (heard.borrow().opened > 0).then_some(())).await;
        }
        self.ledger.grows_by(100).await;
    }

    fn behind(&self, heads: &HashMap<String, i64>) -> Option<String> {
        let all = self.people.iter().zip(&self.heard);
        all.map(|(person, heard)| (person, heard.borrow().clone())).find_map(|(person, heard)| {
            let (id, cursor) = heard.cursors.iter().find(|(id, cursor)| heads[*id] != **cursor)?;
            Some(format!("{} is at {cursor} of {} in {id}; {heard:?}", person.username, heads[id]))
        })
    }
}

struct Talker {
    person: Person,
    conversations: Vec<String>,
    ledger: Arc<Ledger>,
    hush: CancellationToken,
}

impl Talker {
    async fn talk_over_rest(self) {
        let mut pace = interval(PACE);
        for conversation in self.conversations.iter().cycle() {
            let message = self.ledger.compose(conversation);
            let path = format!("/conversations/{conversation}/messages");
            let mut deadline = None;
            loop {
                pace.tick().await;
                let asked = self.person.ask(Method::POST, &path).json(&message).send().await;
                match self.read(asked).await {
                    Some(acknowledged) => break self.ledger.acknowledge(&acknowledged),
                    None => self.check(&mut deadline),
                }
            }
            if self.hush.is_cancelled() {
                return;
            }
        }
    }

    async fn talk_over_a_socket(self) {
        let (mut pace, mut line) = (interval(PACE * AT_ONCE as u32), None);
        for conversation in self.conversations.iter().cycle() {
            let mut left: Vec<_> = (0..AT_ONCE).map(|_| self.ledger.compose(conversation)).collect();
            let mut deadline = None;
            while !left.is_empty() {
                pace.tick().await;
                if line.is_none() {
                    line = Line::open(&self.person).await;
                }
                if let Some(open) = &mut line
                    && self.send_all(open, &mut left).await.is_none()
                {
                    line = None;
                }
                self.check(&mut deadline);
            }
            if self.hush.is_cancelled() {
                return;
            }
        }
    }

    /// Sends all at once, and strikes off what is acknowledged; nothing where the socket breaks.
    async fn send_all(&self, line: &mut Line, left: &mut Vec<Value>) -> Option<()> {
        for message in left.iter() {
            line.send(&json!({"type": "message:send", "ref": message["id"], "data": message})).await?;
        }
        let mut unanswered = left.len();
        while unanswered > 0 {
            let frame = line.next().await.ok()?;
            match frame["type"].as_str() {
                Some("ack") => {
                    self.ledger.acknowledge(&frame["data"]);
                    left.retain(|message| message["id"] != frame["ref"]);
                }
                Some("error") => self.ledger.refuse(&frame["error"]),
                _ => continue,
            }
            unanswered -= 1;
        }
        Some(())
    }

    /// What was acknowledged; nothing where it was refused, or nobody answered.
    async fn read(&self, asked: reqwest::Result<reqwest::Response>) -> Option<Value> {
        let response = asked.ok()?;
        let (status, body) = (response.status().as_u16(), response.json().await.ok()?);
        if matches!(status, 200 | 201) {
            return Some(body);
        }
        self.ledger.refuse(&body);
        None
    }

    /// Once all is to be calm, the last words must be acknowledged in time.
    fn check(&self, deadline: &mut Option<Instant>) {
        if self.hush.is_cancelled() {
            let deadline = deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            assert!(Instant::now() < *deadline, "{} is not heard any more", self.person.username);
        }
    }
}
