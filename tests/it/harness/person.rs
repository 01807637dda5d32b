//! Somebody who chats: the contract's calls in the words of those who make them.

use std::ops::Deref;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    client::{Client, encoded},
    id, new_id,
    reply::Reply,
    server::PASSWORD,
    socket::Socket,
};

/// People who register at once: a password takes a core, so that more would only wait longer, and be turned away in the end.
const AT_ONCE: usize = 4;

/// A registered person on one device. Calls that are not named here are made as on any [`Client`].
#[derive(Clone, Debug)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// The name that they sign in with.
    pub username: String,
    /// The session of this device.
    pub session_id: String,
    /// What buys the next access token.
    pub refresh_token: String,
    client: Client,
}

impl Deref for Person {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Person {
    /// The one who was answered so on registering or signing in.
    pub fn new(client: &Client, username: &str, signed_in: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("not signed in: {signed_in:#}")).to_owned();
        Self {
            id: text(&signed_in["user"]["id"]),
            username: username.to_owned(),
            session_id: text(&signed_in["session_id"]),
            refresh_token: text(&signed_in["refresh_token"]),
            client: client.with_token(&text(&signed_in["access_token"])),
        }
    }

    /// Somebody new, registered and signed in.
    pub async fn registers(client: &Client, username: &str) -> Self {
        let body = json!({"username": username, "password": PASSWORD});
        Self::new(client, username, &client.post("/auth/register", body).await.expect(201))
    }

    /// So many new people, called by a word and their numbers.
    pub async fn all_register(client: &Client, word: &str, count: usize) -> Vec<Self> {
        let registering = (0..count).map(async |number| Self::registers(client, &format!("{word}{number}")).await);
        stream::iter(registering).buffered(AT_ONCE).collect().await
    }

    /// The same person and device, calling another node.
    pub fn at(&self, node: &impl AsRef<Client>) -> Self {
        Self { client: self.client.on(node.as_ref().origin()), ..self.clone() }
    }

    /// The same person on another device.
    pub async fn signs_in_again(&self) -> Self {
        let body = json!({"username": self.username, "password": PASSWORD});
        let signed_in = self.post("/auth/login", body).await.expect(200);
        Self::new(&self.client, &self.username, &signed_in)
    }

    /// A socket of this device, ready.
    pub async fn socket(&self) -> Socket {
        Socket::open(self).await
    }

    /// Opens a direct conversation, or finds it, and answers with its id.
    pub async fn opens_direct_with(&self, other: &Self) -> String {
        let reply = self.post("/conversations", json!({"kind": "direct", "participant_ids": [other.id]})).await;
        assert!(matches!(reply.status, 200 | 201), "a direct conversation should be found or made, but:\n{reply}");
        id(&reply.body).to_owned()
    }

    /// Opens a group, and answers with its id.
    pub async fn opens_group_with<const N: usize>(&self, others: [&Self; N]) -> String {
        self.opens_group(others, json!({})).await
    }

    /// Opens a group with settings, and answers with its id.
    pub async fn opens_group<const N: usize>(&self, others: [&Self; N], settings: Value) -> String {
        let mut body = json!({"kind": "group", "participant_ids": ids(&others)});
        merge(&mut body, settings);
        id(&self.post("/conversations", body).await.expect(201)).to_owned()
    }

    /// Sends words, and answers with the message.
    pub async fn says(&self, conversation: &str, body: &str) -> Value {
        self.sends(conversation, json!({"id": new_id(), "body": body})).await.expect(201)
    }

    /// Sends any message.
    pub async fn sends(&self, conversation: &str, message: Value) -> Reply {
        self.post(&format!("/conversations/{conversation}/messages"), message).await
    }

    /// Edits a message.
    pub async fn edits(&self, message: &Value, body: &str) -> Reply {
        let (conversation, message) = place(message);
        self.patch(&format!("/conversations/{conversation}/messages/{message}"), json!({"body": body})).await
    }

    /// Deletes a message, for `me` or `everyone`.
    pub async fn deletes(&self, message: &Value, whom: &str) -> Reply {
        let (conversation, message) = place(message);
        self.delete(&format!("/conversations/{conversation}/messages/{message}?for={whom}")).await
    }

    /// Reacts to a message.
    pub async fn reacts(&self, message: &Value, emoji: &str) -> Reply {
        let ((conversation, message), emoji) = (place(message), encoded(emoji));
        self.put(&format!("/conversations/{conversation}/messages/{message}/reactions/{emoji}"), json!({})).await
    }

    /// Takes a reaction back.
    pub async fn takes_back(&self, message: &Value, emoji: &str) -> Reply {
        let ((conversation, message), emoji) = (place(message), encoded(emoji));
        self.delete(&format!("/conversations/{conversation}/messages/{message}/reactions/{emoji}")).await
    }

    /// Forwards a message to conversations.
    pub async fn forwards<const N: usize>(&self, message: &Value, targets: [&str; N]) -> Reply {
        let (conversation, message) = place(message);
        let body = json!({"conversation_ids": targets.as_slice()});
        self.post(&format!("/conversations/{conversation}/messages/{message}/forward"), body).await
    }

    /// Pins a message.
    pub async fn pins(&self, message: &Value) -> Reply {
        let (conversation, message) = place(message);
        self.put(&format!("/conversations/{conversation}/messages/{message}/pin"), json!({})).await
    }

    /// Unpins a message.
    pub async fn unpins(&self, message: &Value) -> Reply {
        let (conversation, message) = place(message);
        self.delete(&format!("/conversations/{conversation}/messages/{message}/pin")).await
    }

    /// One message as this person sees it.
    pub async fn looks_at(&self, message: &Value) -> Reply {
        let (conversation, message) = place(message);
        self.get(&format!("/conversations/{conversation}/messages/{message}")).await
    }

    /// The newest messages of a conversation.
    pub async fn history(&self, conversation: &str) -> Vec<Value> {
        let page = self.get(&format!("/conversations/{conversation}/messages?limit=100")).await.expect(200);
        page["items"].as_array().expect("a page has items").clone()
    }

    /// What was said lately in a conversation, without what the server noted.
    pub async fn words(&self, conversation: &str) -> Vec<String> {
        let said = self.history(conversation).await.into_iter().filter(|message| message["kind"] != "system");
        said.map(|message| message["body"].as_str().unwrap_or("(deleted)").to_owned()).collect()
    }

    /// A conversation as this person sees it.
    pub async fn sees(&self, conversation: &str) -> Value {
        self.get(&format!("/conversations/{conversation}")).await.expect(200)
    }

    /// Reads a conversation to its end.
    pub async fn reads(&self, conversation: &str) -> Value {
        self.post(&format!("/conversations/{conversation}/read"), json!({})).await.expect(200)
    }

    /// Adds people to a group.
    pub async fn adds<const N: usize>(&self, conversation: &str, others: [&Self; N]) -> Reply {
        let body = json!({"user_ids": ids(&others)});
        self.post(&format!("/conversations/{conversation}/participants"), body).await
    }

    /// Removes somebody from a group; oneself by leaving.
    pub async fn removes(&self, conversation: &str, other: &Self) -> Reply {
        self.delete(&format!("/conversations/{conversation}/participants/{}", other.id)).await
    }

    /// Gives somebody a role in a group.
    pub async fn makes(&self, conversation: &str, other: &Self, role: &str) -> Reply {
        let role = json!({"role": role});
        self.patch(&format!("/conversations/{conversation}/participants/{}", other.id), role).await
    }

    /// Blocks somebody.
    pub async fn blocks(&self, other: &Self) -> Reply {
        self.put(&format!("/blocks/{}", other.id), json!({})).await
    }

    /// What this person missed.
    pub async fn syncs(&self, request: Value) -> Value {
        self.post("/sync", request).await.expect(200)
    }
}

/// The ids of people.
pub fn ids(people: &[&Person]) -> Vec<String> {
    people.iter().map(|person| person.id.clone()).collect()
}

/// Puts the fields of one object into another.
pub fn merge(into: &mut Value, fields: Value) {
    let (Value::Object(into), Value::Object(fields)) = (into, fields) else { panic!("only objects are merged") };
    into.extend(fields);
}

/// The conversation and the id of a message.
#[track_caller]
fn place(message: &Value) -> (&str, &str) {
    let conversation = message["conversation_id"].as_str();
    (conversation.unwrap_or_else(|| panic!("this should be a message: {message:#}")), id(message))
}
