//! A random script: several people do everything that can be done, over REST, one after the other.

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use colloquy::domain::clock::Clock;
use serde_json::{Value, json};

use super::chance::Chance;
use crate::harness::{each, files::gives_any_avatar, id, new_id, person::Person, reply::Reply, seq, until};

/// Seconds after which what was sent for a while has expired, and what was planned is due.
const A_WHILE: i64 = 3_600;

/// What the people do, as often as it stands here.
const REPERTOIRE: [Act; 41] = [
    Act::Send,
    Act::Send,
    Act::Send,
    Act::Send,
    Act::Send,
    Act::Send,
    Act::Send,
    Act::Edit,
    Act::Edit,
    Act::Edit,
    Act::DeleteForEveryone,
    Act::DeleteForEveryone,
    Act::DeleteForMe,
    Act::DeleteForMe,
    Act::React,
    Act::React,
    Act::React,
    Act::React,
    Act::Pin,
    Act::Pin,
    Act::Forward,
    Act::Forward,
    Act::Read,
    Act::Read,
    Act::Read,
    Act::Deliver,
    Act::Deliver,
    Act::Add,
    Act::Add,
    Act::Remove,
    Act::Leave,
    Act::ChangeRole,
    Act::ChangeSettings,
    Act::Prefer,
    Act::Prefer,
    Act::Block,
    Act::Open,
    Act::Close,
    Act::Plan,
    Act::Plan,
    Act::Wait,
];

#[derive(Clone, Copy, Debug)]
enum Act {
    Send,
    Edit,
    DeleteForEveryone,
    DeleteForMe,
    React,
    Pin,
    Forward,
    Read,
    Deliver,
    Add,
    Remove,
    Leave,
    ChangeRole,
    ChangeSettings,
    Prefer,
    Block,
    Open,
    Close,
    Plan,
    Wait,
}

impl Act {
    /// Whether every member may.
    fn is_for_everybody(self) -> bool {
        !matches!(self, Self::Add | Self::Remove | Self::ChangeRole | Self::ChangeSettings | Self::Close)
    }
}

/// The people, and what they have made so far. Conversations are remembered after they are gone, and people try things
/// that they may not do: a refusal must change nothing and tell nobody.
pub struct Script {
    /// Everybody.
    pub people: Vec<Person>,
    /// What was done, for whom it fails.
    pub done: Vec<String>,
    chance: Chance,
    clocks: Vec<Clock>,
    conversations: Vec<String>,
    messages: Vec<Value>,
    plans: Vec<(Person, Value)>,
}

impl Script {
    /// The beginning of the script of a seed.
    pub fn new(seed: u64, people: Vec<Person>, clocks: Vec<Clock>) -> Self {
        let (conversations, messages, plans) = (Vec::new(), Vec::new(), Vec::new());
        Self { people, done: Vec::new(), chance: Chance::new(seed), clocks, conversations, messages, plans }
    }

    /// Does one thing.
    pub async fn goes_on(&mut self) {
        let act = if self.conversations.is_empty() { Act::Open } else { *self.chance.pick(&REPERTOIRE) };
        let reply = match act {
            Act::Open => self.open().await,
            Act::Block => self.block().await,
            Act::Wait => self.wait().await,
            Act::Plan if !self.plans.is_empty() && self.chance.once_in(3) => self.change_plan().await,
            Act::Edit | Act::DeleteForEveryone | Act::DeleteForMe if !self.messages.is_empty() => {
                self.change_message(act).await
            }
            Act::React | Act::Pin if !self.messages.is_empty() => self.touch_message(act).await,
            Act::Forward if !self.messages.is_empty() => self.forward().await,
            _ => self.act_in_conversation(act).await,
        };
        assert!(reply.status < 500, "{} must not fail so:\n{reply}", reply.asked);
        self.done.push(format!("{} {} {:.300}", reply.asked, reply.status, reply.body.to_string()));
    }

    async fn act_in_conversation(&mut self, act: Act) -> Reply {
        let conversation = self.conversation();
        let actor = self.member_of(&conversation, act).await;
        match act {
            Act::Read | Act::Deliver => self.mark(&actor, &conversation, act).await,
            Act::Add | Act::Remove | Act::Leave | Act::ChangeRole => {
                self.change_members(&actor, &conversation, act).await
            }
            Act::ChangeSettings | Act::Prefer | Act::Close => {
                self.change_conversation(&actor, &conversation, act).await
            }
            Act::Plan => self.plan(&actor, &conversation).await,
            _ => self.send(&actor, &conversation).await,
        }
    }

    fn somebody(&mut self) -> Person {
        self.chance.pick(&self.people).clone()
    }

    /// Mostly a recent one.
    fn conversation(&mut self) -> String {
        let from = if self.chance.once_in(4) { 0 } else { self.conversations.len().saturating_sub(3) };
        self.chance.pick(&self.conversations[from..]).clone()
    }

    /// Mostly somebody who may; nobody may any more where the conversation is gone, and somebody tries.
    async fn member_of(&mut self, conversation: &str, act: Act) -> Person {
        let everybody = self.people.clone();
        let mut able = Vec::new();
        for person in everybody {
            let seen = person.get(&format!("/conversations/{conversation}")).await;
            if seen.status == 200 && (act.is_for_everybody() || seen.body["my_role"] != "member") {
                able.push(person);
            }
        }
        if able.is_empty() && act.is_for_everybody() {
            self.conversations.retain(|id| id != conversation);
        }
        if able.is_empty() || self.chance.once_in(8) { self.somebody() } else { self.chance.pick(&able).clone() }
    }

    async fn open(&mut self) -> Reply {
        let (actor, other) = (self.somebody(), self.somebody());
        let body = if self.chance.once_in(4) {
            json!({"kind": "direct", "participant_ids": [other.id]})
        } else {
            let others: Vec<_> = self.people.iter().map(|person| person.id.clone()).collect();
            let some = &others[self.chance.below(others.len())..];
            let history = self.history();
            json!({"kind": "group", "participant_ids": some, "name": "Group", "history_for_new_members": history})
        };
        let reply = actor.post("/conversations", body).await;
        if reply.status == 201 {
            self.conversations.push(id(&reply.body).to_owned());
        }
        reply
    }

    async fn send(&mut self, actor: &Person, conversation: &str) -> Reply {
        let mut message = json!({"id": new_id(), "body": format!("words {}", self.done.len())});
        if self.chance.once_in(4) {
            message["mentions"] = json!([self.somebody().id]);
        }
        if self.chance.once_in(6) {
            message["mentions_all"] = json!(true);
        }
        if self.chance.once_in(4) && !self.messages.is_empty() {
            message["reply_to"] = self.chance.pick(&self.messages)["id"].clone();
        }
        if self.chance.once_in(4) {
            message["expires_in"] = json!(A_WHILE / 2);
        }
        let mut reply = actor.sends(conversation, message.clone()).await;
        if matches!(reply.status, 403 | 422) {
            // Mentions and replies meet strangers more often than not; what was meant is said without them.
            message = json!({"id": new_id(), "body": message["body"]});
            reply = actor.sends(conversation, message).await;
        }
        if reply.status == 201 {
            self.messages.push(reply.body.clone());
        }
        reply
    }

    async fn plan(&mut self, actor: &Person, conversation: &str) -> Reply {
        let message = json!({"body": format!("planned {}", self.done.len()), "scheduled_for": self.soon()});
        let reply = actor.sends(conversation, message).await;
        if reply.status == 202 {
            self.plans.push((actor.clone(), reply.body.clone()));
        }
        reply
    }

    async fn change_plan(&mut self) -> Reply {
        let (maker, plan) = self.chance.pick(&self.plans).clone();
        let path = format!("/scheduled-messages/{}", id(&plan));
        match self.chance.below(3) {
            0 => maker.delete(&path).await,
            1 => maker.patch(&path, json!({"body": format!("planned anew {}", self.done.len())})).await,
            _ => maker.patch(&path, json!({"scheduled_for": self.soon()})).await,
        }
    }

    /// A time that will have come after the next while.
    fn soon(&mut self) -> String {
        let seconds = A_WHILE / 4 + self.chance.below(A_WHILE as usize / 2) as i64;
        (self.clocks[0].now() + Duration::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Lets a while go by, and waits until what it brought is in the logs.
    async fn wait(&mut self) -> Reply {
        let then = self.clocks[0].now() + Duration::seconds(A_WHILE);
        let mut expiring = Vec::new();
        for person in &self.people {
            for message in self.messages.iter().filter(|message| time(&message["expires_at"]).is_some()) {
                let seen = person.looks_at(message).await;
                if seen.status == 200 && seen.body["deleted_at"].is_null() {
                    expiring.push((person.clone(), seen.body));
                }
            }
        }
        self.clocks.iter().for_each(|clock| clock.advance(Duration::seconds(A_WHILE)));
        for (person, before) in expiring {
            until("what has expired is a tombstone in the log", async || {
                let now = person.looks_at(&before).await;
                (now.body["changed_seq"] != before["changed_seq"]).then_some(())
            })
            .await;
        }
        for person in &self.people {
            until("nothing is due any more", async || {
                let pending = person.get("/scheduled-messages?state=pending").await.expect(200);
                each(&pending, "scheduled_for").into_iter().all(|due| time(due) > Some(then)).then_some(())
            })
            .await;
        }
        self.people[0].get("/limits").await
    }

    /// Mostly a recent one.
    fn message(&mut self) -> Value {
        let from = if self.chance.once_in(4) { 0 } else { self.messages.len().saturating_sub(8) };
        self.chance.pick(&self.messages[from..]).clone()
    }

    async fn touch_message(&mut self, act: Act) -> Reply {
        let message = self.message();
        let actor = self.member_of(text(&message["conversation_id"]), act).await;
        let (is_over, emoji) = (self.chance.once_in(3), *self.chance.pick(&["👍", "🎉", "❤"]));
        match act {
            Act::Pin if is_over => actor.unpins(&message).await,
            Act::Pin => actor.pins(&message).await,
            _ if is_over => actor.takes_back(&message, emoji).await,
            _ => actor.reacts(&message, emoji).await,
        }
    }

    async fn forward(&mut self) -> Reply {
        let (message, one, other) = (self.message(), self.conversation(), self.conversation());
        let actor = self.member_of(text(&message["conversation_id"]), Act::Forward).await;
        let reply = actor.forwards(&message, [&one, &other]).await;
        let items = reply.body["items"].as_array().into_iter().flatten();
        self.messages.extend(items.map(|item| item["message"].clone()).filter(Value::is_object));
        reply
    }

    async fn change_message(&mut self, act: Act) -> Reply {
        let message = self.message();
        let author = self.people.iter().find(|person| message["sender_id"] == person.id).expect("everybody is known");
        // Mostly by those who may.
        let author = author.clone();
        let actor = if self.chance.once_in(5) { self.somebody() } else { author };
        match act {
            Act::DeleteForEveryone => actor.deletes(&message, "everyone").await,
            Act::DeleteForMe => actor.deletes(&message, "me").await,
            _ if self.chance.once_in(3) => {
                let path = format!("/conversations/{}/messages/{}", text(&message["conversation_id"]), id(&message));
                let mentions = if self.chance.once_in(2) { json!([]) } else { json!([self.somebody().id]) };
                actor.patch(&path, json!({"body": "edited with mentions", "mentions": mentions})).await
            }
            _ => actor.edits(&message, &format!("edited {}", self.done.len())).await,
        }
    }

    async fn mark(&mut self, actor: &Person, conversation: &str, act: Act) -> Reply {
        let last = self.messages.iter().rev().find(|message| message["conversation_id"] == conversation);
        let seq = last.map(seq);
        let seq = (seq.unwrap_or(1) - self.chance.below(3) as i64).max(0);
        let (verb, body) = match act {
            Act::Deliver => ("delivered", json!({"seq": seq})),
            _ if self.chance.once_in(2) => ("read", json!({})),
            _ => ("read", json!({"seq": seq})),
        };
        actor.post(&format!("/conversations/{conversation}/{verb}"), body).await
    }

    async fn change_members(&mut self, actor: &Person, conversation: &str, act: Act) -> Reply {
        let other = self.somebody();
        match act {
            Act::Add if self.chance.once_in(3) => {
                let another = self.somebody();
                actor.adds(conversation, [&other, &another]).await
            }
            Act::Add => actor.adds(conversation, [&other]).await,
            Act::Remove => actor.removes(conversation, &other).await,
            Act::Leave => actor.removes(conversation, actor).await,
            _ => {
                let role = *self.chance.pick(&["owner", "admin", "member"]);
                actor.makes(conversation, &other, role).await
            }
        }
    }

    async fn change_conversation(&mut self, actor: &Person, conversation: &str, act: Act) -> Reply {
        let path = format!("/conversations/{conversation}");
        match act {
            Act::Prefer => {
                let pinned = self.chance.once_in(2);
                let wanted = [
                    json!({"pinned": pinned}),
                    json!({"archived": pinned}),
                    json!({"notify": if pinned { "mentions" } else { "all" }}),
                    json!({"draft": if pinned { json!("Dear") } else { Value::Null }}),
                    json!({"muted_until": "2030-01-01T00:00:00.000Z"}),
                ];
                actor.patch(&format!("{path}/preferences"), self.chance.pick(&wanted).clone()).await
            }
            Act::Close if self.chance.once_in(3) => actor.delete(&path).await,
            _ if self.chance.once_in(8) => gives_any_avatar(actor, &path).await,
            _ => {
                let history = self.history();
                let number = self.chance.below(5);
                let wanted = [
                    json!({"name": format!("Name {number}")}),
                    json!({"description": format!("About {number}")}),
                    json!({"history_for_new_members": history}),
                    json!({"members_may_pin": number > 2, "category": "club"}),
                    json!({"expires_in": if number > 2 { json!(A_WHILE / 3) } else { Value::Null }}),
                ];
                actor.patch(&path, self.chance.pick(&wanted).clone()).await
            }
        }
    }

    async fn block(&mut self) -> Reply {
        let (actor, path) = (self.somebody(), format!("/blocks/{}", self.somebody().id));
        if self.chance.once_in(3) { actor.put(&path, json!({})).await } else { actor.delete(&path).await }
    }

    fn history(&mut self) -> &'static str {
        if self.chance.once_in(2) { "from_joining" } else { "all" }
    }
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}
