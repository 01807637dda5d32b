//! A client as the contract lets one be written: it keeps what syncs and events told it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::harness::person::Person;

/// A value that nobody has told yet.
pub(super) const UNKNOWN: &str = "?";

/// Everything that one person's client knows.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub(super) me: String,
    pub(super) conversations: BTreeMap<String, Known>,
    pub(super) hidden: BTreeSet<(String, String)>,
    pub(super) blocks: BTreeSet<String>,
    /// Messages that are yet to be sent.
    pub(super) plans: BTreeMap<String, Value>,
    cursors: BTreeMap<String, i64>,
    own_cursor: Option<String>,
}

/// What a client knows of one conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The shared and the own part, as last told.
    pub(super) conversation: Map<String, Value>,
    pub(super) messages: BTreeMap<String, Value>,
    pub(super) participants: BTreeMap<String, Value>,
    pub(super) receipts: BTreeMap<String, Map<String, Value>>,
    /// Messages born here or later are all known; older ones are in the history.
    pub(super) whole_from: i64,
    /// Of those who left before this place in the log nothing is known.
    pub(super) leavers_from: i64,
}

impl Client {
    /// One that starts from nothing, and then reads every log from its start.
    pub async fn fresh(person: &Person) -> Self {
        let mut client = Self { me: person.id.clone(), ..Self::default() };
        client.catches_up(person, 500).await;
        for (id, known) in &mut client.conversations {
            client.cursors.insert(id.clone(), 0);
            (known.whole_from, known.leavers_from) = (0, 0);
        }
        client.catches_up(person, 500).await;
        client
    }

    /// Asks what it missed, in pages of so many messages.
    pub async fn catches_up(&mut self, person: &Person, limit: usize) {
        for _ in 0..1_000 {
            let mut request = json!({"cursors": self.cursors, "limit": limit});
            if let Some(own_cursor) = &self.own_cursor {
                request["own_cursor"] = json!(own_cursor);
            }
            let answer = person.syncs(request).await;
            self.merge(&answer);
            if answer["has_more"] == false {
                return;
            }
        }
        panic!("the sync comes to no end");
    }

    fn merge(&mut self, answer: &Value) {
        for id in list(&answer["removed"]) {
            self.forget(text(id));
        }
        for synced in list(&answer["conversations"]) {
            self.merge_conversation(synced);
        }
        let own = &answer["own"];
        if self.own_cursor.is_none() {
            self.hidden.clear();
            self.plans.clear();
        }
        list(&own["scheduled"]).iter().for_each(|plan| self.plans_for(plan));
        for preferences in list(&own["preferences"]) {
            let mut preferences = preferences.as_object().expect("preferences are an object").clone();
            let id = preferences.remove("conversation_id").expect("they are of a conversation");
            self.prefer(text(&id), Value::Object(preferences));
        }
        self.hidden.extend(list(&own["hidden"]).iter().map(hidden));
        self.blocks = list(&own["blocks"]).iter().map(|id| text(id).to_owned()).collect();
        for (id, cursor) in answer["cursors"].as_object().expect("cursors are an object") {
            self.cursors.insert(id.clone(), number(cursor));
        }
        self.own_cursor = Some(text(&answer["own_cursor"]).to_owned());
    }

    fn merge_conversation(&mut self, synced: &Value) {
        let id = text(&synced["conversation"]["id"]).to_owned();
        let is_new = !self.cursors.contains_key(&id);
        let known = self.conversations.entry(id).or_default();
        known.conversation = synced["conversation"].as_object().expect("a conversation is an object").clone();
        list(&synced["messages"]).iter().for_each(|message| known.put_message(message));
        list(&synced["participants"]).iter().for_each(|participant| known.put_participant(participant));
        known.receipts = list(&synced["receipts"]).iter().map(receipt).collect();
        if is_new {
            // Only the newest come with a conversation that was not named.
            let born = list(&synced["messages"]).iter().map(|message| number(&message["seq"]));
            let head = number(&known.conversation["head_seq"]);
            known.whole_from = born.min().unwrap_or(head + 1);
            known.leavers_from = head + 1;
        }
    }

    /// Hears an event.
    pub fn hears(&mut self, event: &Value) {
        let (name, data) = (text(&event["type"]), &event["data"]);
        match name {
            "block:added" => _ = self.blocks.insert(text(&data["user_id"]).to_owned()),
            "block:removed" => _ = self.blocks.remove(text(&data["user_id"])),
            "message:hidden" => _ = self.hidden.insert(hidden(data)),
            "preferences:updated" => self.prefer(text(&data["conversation_id"]), data["preferences"].clone()),
            "scheduled:updated" | "scheduled:sent" | "scheduled:failed" => self.plans_for(data),
            "conversation:new" => self.begins(data),
            "conversation:removed" => self.forget(text(&data["conversation_id"])),
            _ => self.hears_in_conversation(name, event),
        }
    }

    fn hears_in_conversation(&mut self, name: &str, event: &Value) {
        let (id, data) = (text(&event["conversation_id"]), &event["data"]);
        let known = self.conversations.get_mut(id);
        let known = known.unwrap_or_else(|| panic!("nobody hears of a conversation that they are not in: {event:#}"));
        if let Some(seq) = event["seq"].as_i64() {
            self.cursors.insert(id.to_owned(), seq);
            let head = &mut known.conversation["head_seq"];
            *head = json!(seq.max(number(head)));
        }
        match name {
            "message:new" | "message:updated" | "message:deleted" | "message:pinned" | "message:unpinned" => {
                known.hears_message(data);
            }
            "reaction:added" | "reaction:removed" => known.hears_reaction(event),
            "message:delivered" => known.reaches("delivered", data),
            "message:read" => {
                known.reaches("read", data);
                // Reading implies delivered; where nobody told how far that was, it may have been further.
                if known.is_told(data, "delivered_seq") {
                    known.reaches("delivered", data);
                }
            }
            "participant:added" | "participant:updated" | "participant:removed" => {
                known.hears_participant(data);
                if data["user_id"] == self.me.as_str() {
                    known.conversation["my_role"] = data["role"].clone();
                }
            }
            "conversation:updated" => known.conversation.extend(data.as_object().expect("it is an object").clone()),
            "unread:changed" => {
                known.conversation["unread"] = data["unread"].clone();
                known.conversation["mentions"] = data["mentions"].clone();
            }
            other => panic!("nobody in this script causes `{other}`: {event:#}"),
        }
    }

    fn begins(&mut self, conversation: &Value) {
        let (id, head) = (text(&conversation["id"]).to_owned(), number(&conversation["head_seq"]));
        let mut known = Known { whole_from: head + 1, leavers_from: head + 1, ..Known::default() };
        known.conversation = conversation.as_object().expect("a conversation is an object").clone();
        for participant in list(&conversation["participants"]) {
            known.put_participant(participant);
            let user = text(&participant["user_id"]).to_owned();
            let nothing_yet = || json!({"delivered_seq": 0, "delivered_at": null, "read_seq": 0, "read_at": null});
            let receipt = if head == 0 { object(nothing_yet()) } else { nobody_told() };
            known.receipts.insert(user, receipt);
        }
        if head == 0 {
            (known.whole_from, known.leavers_from) = (0, 0);
        }
        self.cursors.insert(id.clone(), head);
        self.conversations.insert(id, known);
    }

    fn prefer(&mut self, id: &str, preferences: Value) {
        // Preferences of a conversation that was left in between are of no interest any more.
        let Some(known) = self.conversations.get_mut(id) else { return };
        let cleared = number(&preferences["cleared_seq"]);
        known.messages.retain(|_, message| number(&message["seq"]) > cleared);
        known.conversation["preferences"] = preferences;
    }

    fn plans_for(&mut self, plan: &Value) {
        let id = text(&plan["id"]).to_owned();
        _ = if plan["state"] == "pending" { self.plans.insert(id, plan.clone()) } else { self.plans.remove(&id) };
    }

    fn forget(&mut self, id: &str) {
        self.conversations.remove(id);
        self.cursors.remove(id);
    }
}

impl Known {
    fn hears_message(&mut self, message: &Value) {
        self.put_message(message);
        if message["changed_seq"] == message["seq"] && message["kind"] != "system" {
            // Sending moves one's own cursor.
            let advance = json!({"user_id": message["sender_id"], "seq": message["seq"], "at": message["created_at"]});
            self.reaches("delivered", &advance);
            self.reaches("read", &advance);
        }
    }

    fn hears_reaction(&mut self, event: &Value) {
        // What is older than all that one knows is read with the history.
        if let Some(message) = self.messages.get_mut(text(&event["data"]["message_id"])) {
            message["reactions"] = event["data"]["reactions"].clone();
            message["changed_seq"] = event["seq"].clone();
        }
    }

    fn hears_participant(&mut self, participant: &Value) {
        self.put_participant(participant);
        let user = text(&participant["user_id"]).to_owned();
        if participant["left_at"].is_string() {
            self.receipts.remove(&user);
        } else {
            self.receipts.entry(user).or_insert_with(nobody_told);
        }
        let present = self.present().count();
        self.conversation["participant_count"] = json!(present);
    }

    fn put_message(&mut self, message: &Value) {
        self.messages.insert(text(&message["id"]).to_owned(), message.clone());
    }

    fn put_participant(&mut self, participant: &Value) {
        self.participants.insert(text(&participant["user_id"]).to_owned(), participant.clone());
    }

    pub(super) fn present(&self) -> impl Iterator<Item = &Value> {
        self.participants.values().filter(|participant| participant["left_at"].is_null())
    }

    /// A cursor of somebody moves, if it is not further already.
    fn reaches(&mut self, cursor: &str, advance: &Value) {
        let receipt = self.receipts.entry(text(&advance["user_id"]).to_owned()).or_insert_with(nobody_told);
        let place = format!("{cursor}_seq");
        if receipt[&place].as_i64().is_none_or(|before| before < number(&advance["seq"])) {
            receipt.insert(place, advance["seq"].clone());
            receipt.insert(format!("{cursor}_at"), advance["at"].clone());
        }
    }

    fn is_told(&self, advance: &Value, field: &str) -> bool {
        self.receipts.get(text(&advance["user_id"])).is_some_and(|receipt| receipt[field] != UNKNOWN)
    }
}

fn nobody_told() -> Map<String, Value> {
    object(json!({"delivered_seq": UNKNOWN, "delivered_at": UNKNOWN, "read_seq": UNKNOWN, "read_at": UNKNOWN}))
}

fn receipt(receipt: &Value) -> (String, Map<String, Value>) {
    let mut receipt = object(receipt.clone());
    let user = receipt.remove("user_id").expect("a receipt is somebody's");
    (text(&user).to_owned(), receipt)
}

fn hidden(data: &Value) -> (String, String) {
    (text(&data["conversation_id"]).to_owned(), text(&data["message_id"]).to_owned())
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("this should be an object: {value:#}") };
    fields
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("this should be a list: {value:#}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("this should be text: {value:#}"))
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("this should be a number: {value:#}"))
}
