//! Do two clients of one person know the same? One of them has just read everything from its start.
//!
//! Left out is only what the contract lets nobody derive: `status`, `reply_to.preview` and `reply_to.deleted_at`, which change
//! without an event;
//! `updated_at`; the head of a log of which one does not see the beginning; what a late joiner's cursors began with; and of
//! conversations that came later, what is in their history.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model::{Client, Known, UNKNOWN, number};

/// Where what a fresh client was told contradicts itself.
pub fn contradictions(fresh: &Client) -> Vec<String> {
    let mut found = Vec::new();
    for (id, known) in fresh.mutual() {
        let newest = fresh.visible(known).max_by_key(|message| number(&message["seq"]));
        let newest = newest.map_or(&Value::Null, |message| &message["id"]);
        compare(&format!("{id}/last_message"), &known.conversation["last_message"]["id"], newest, &mut found);
        compare(&format!("{id}/unread"), &known.conversation["unread"], &json!(fresh.unread(known)), &mut found);
        for message in fresh.visible(known) {
            let place = format!("{id}/messages/{}", message["seq"]);
            compare(&format!("{place}/status"), &message["status"], &json!(known.status_of(message)), &mut found);
            if message["deleted_at"].is_string() {
                compare(&format!("{place}/body"), &message["body"], &Value::Null, &mut found);
            }
        }
    }
    found
}

/// What a client has wrong, if anything.
pub fn differences(client: &Client, fresh: &Client) -> Vec<String> {
    let mut found = Vec::new();
    compare("blocks", &json!(client.blocks), &json!(fresh.blocks), &mut found);
    compare("plans", &json!(client.plans), &json!(fresh.plans), &mut found);
    let (theirs, wanted): (BTreeMap<_, _>, BTreeMap<_, _>) = (client.mutual().collect(), fresh.mutual().collect());
    compare(
        "conversations",
        &json!(theirs.keys().collect::<Vec<_>>()),
        &json!(wanted.keys().collect::<Vec<_>>()),
        &mut found,
    );
    for (id, known) in theirs {
        let Some(wanted) = wanted.get(id) else { continue };
        let hidden = |client: &Client| {
            let here = client.hidden.iter().filter(|(conversation, _)| conversation == id);
            json!(here.filter(|(_, message)| known.messages.contains_key(message)).collect::<Vec<_>>())
        };
        compare(&format!("{id}/hidden"), &hidden(client), &hidden(fresh), &mut found);
        let seen = |client: &Client, of: &Known| Value::Object(client.seen(of, known));
        compare(&format!("{id}/messages"), &seen(client, known), &seen(fresh, wanted), &mut found);
        compare(&format!("{id}/participants"), &known.people(known), &wanted.people(known), &mut found);
        compare(&format!("{id}/receipts"), &known.read_states(known), &wanted.read_states(known), &mut found);
        compare(
            &format!("{id}/conversation"),
            &known.shown(known, &client.me),
            &wanted.shown(known, &client.me),
            &mut found,
        );
    }
    found
}

impl Client {
    /// All conversations but the diaries of sockets, which nobody named.
    fn mutual(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.conversations
            .iter()
            .filter(|(_, known)| known.conversation["kind"] == "direct" || known.conversation["name"].is_string())
    }

    fn visible<'a>(&'a self, known: &'a Known) -> impl Iterator<Item = &'a Value> {
        let is_hidden = |message: &Value| self.hidden.iter().any(|(_, hidden)| message["id"] == hidden.as_str());
        known.messages.values().filter(move |message| !is_hidden(message))
    }

    /// The messages before the eyes of somebody who knows as much as `limits`.
    fn seen(&self, of: &Known, limits: &Known) -> Map<String, Value> {
        let is_known = |message: &&Value| {
            let id = message["id"].as_str().unwrap_or_default();
            number(&message["seq"]) >= limits.whole_from || limits.messages.contains_key(id)
        };
        let plain = |message: &Value| {
            let mut message = message.clone();
            message["status"].take();
            if message["reply_to"].is_object() {
                message["reply_to"]["preview"].take();
                message["reply_to"]["deleted_at"].take();
            }
            (message["id"].as_str().unwrap_or_default().to_owned(), message)
        };
        self.visible(of).filter(is_known).map(plain).collect()
    }

    /// Messages of others above one's cursor that count.
    fn unread(&self, known: &Known) -> i64 {
        let cursor = known.receipts.get(&self.me).map_or(0, |receipt| number(&receipt["read_seq"]));
        let counts = |message: &&Value| {
            message["sender_id"] != self.me.as_str()
                && message["kind"] != "system"
                && message["deleted_at"].is_null()
                && number(&message["seq"]) > cursor
        };
        self.visible(known).filter(counts).count() as i64
    }
}

impl Known {
    /// What all others have reached.
    fn status_of(&self, message: &Value) -> &'static str {
        let others = || self.receipts.iter().filter(|(user, _)| message["sender_id"] != user.as_str());
        let reached = |cursor: &str| {
            others().count() > 0 && others().all(|(_, receipt)| number(&receipt[cursor]) >= number(&message["seq"]))
        };
        match () {
            () if reached("read_seq") => "read",
            () if reached("delivered_seq") => "delivered",
            () => "sent",
        }
    }

    fn people(&self, limits: &Self) -> Value {
        let is_known = |(user, participant): &(&String, &Value)| {
            participant["left_at"].is_null()
                || number(&participant["changed_seq"]) >= limits.leavers_from
                || limits.participants.contains_key(user.as_str())
        };
        json!(self.participants.iter().filter(is_known).collect::<BTreeMap<_, _>>())
    }

    fn read_states(&self, limits: &Self) -> Value {
        let told =
            |user: &String, field: &str| limits.receipts.get(user).is_some_and(|receipt| receipt[field] != UNKNOWN);
        let states = self.receipts.iter().map(|(user, receipt)| {
            let fields = receipt.iter().filter(|(field, _)| told(user, field));
            (user, fields.collect::<BTreeMap<_, _>>())
        });
        json!(states.collect::<BTreeMap<_, _>>())
    }

    fn shown(&self, limits: &Self, me: &str) -> Value {
        let mut shown = self.conversation.clone();
        for elsewhere in ["participants", "last_message", "updated_at"] {
            shown.remove(elsewhere);
        }
        let has_come_late = limits.participants[me]["joined_at"] != self.conversation["created_at"];
        let is_seen_whole = !has_come_late && limits.conversation["preferences"]["cleared_seq"] == 0;
        if !is_seen_whole {
            shown.remove("head_seq");
        }
        Value::Object(shown)
    }
}

fn compare(place: &str, theirs: &Value, wanted: &Value, found: &mut Vec<String>) {
    match (theirs, wanted) {
        (Value::Object(theirs), Value::Object(wanted)) => {
            for name in theirs.keys().chain(wanted.keys().filter(|name| !theirs.contains_key(*name))) {
                let of = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or(json!("(nothing)"));
                compare(&format!("{place}/{name}"), &of(theirs), &of(wanted), found);
            }
        }
        (theirs, wanted) if theirs != wanted => found.push(format!("{place} is {theirs}, but should be {wanted}")),
        _ => {}
    }
}
