//! The WebSocket's contract as AsyncAPI 3.0, generated from the same types that are sent and parsed.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::{
    command::{Authenticate, ConversationTarget, DeleteMessage, MessageTarget},
    conversations::{ConversationView, OwnConversationView, ParticipantView},
    event::{
        ConversationRefView, DoubtView, HeadsView, PreferencesChangeView, ReadyView, UnreadChangeView, UserRefView,
        WhereaboutsView,
    },
    messages::{EditMessage, MessageView, SendMessage},
    presence::{PresenceView, SetPresence},
    problem::ProblemView,
    reactions::{React, ReactionChangeView, ReactionsView},
    receipts::{AdvanceView, MarkDelivered, MarkRead, OwnReceiptView, ReceiptCountsView},
    scheduled::PlanView,
    sync::{HiddenMessageView, Sync, SyncView},
};

/// One kind of frame: its type, what it is for, and the shape of its `data`.
struct FrameKind {
    name: &'static str,
    says: &'static str,
    data: Vec<Value>,
}

/// Collects the shapes that frames refer to.
#[derive(Default)]
struct Shapes(Map<String, Value>);

impl Shapes {
    /// A reference to a shape, which is defined on first use.
    fn of<T: ToSchema + PartialSchema>(&mut self) -> Value {
        let name = T::name().into_owned();
        if !self.0.contains_key(&name) {
            self.define(&name, &json!(T::schema()));
            let mut nested = Vec::new();
            T::schemas(&mut nested);
            for (name, schema) in nested {
                self.define(&name, &json!(schema));
            }
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn define(&mut self, name: &str, schema: &Value) {
        self.0.insert(name.to_owned(), schema.clone());
    }
}

/// `asyncapi.yaml`.
pub fn yaml() -> String {
    let mut shapes = Shapes::default();
    let commands = commands(&mut shapes);
    let events = events(&mut shapes);
    let problem = shapes.of::<ProblemView>();
    let mut messages = Map::new();
    let mut sent = Vec::new();
    let mut received = Vec::new();
    for kind in commands {
        received.push(message_ref("command", kind.name));
        messages.insert(key("command", kind.name), message(&kind, &command_payload(&kind)));
    }
    for kind in events {
        sent.push(message_ref("event", kind.name));
        messages.insert(key("event", kind.name), message(&kind, &event_payload(&kind)));
    }
    sent.push(message_ref("event", "error"));
    let error =
        FrameKind { name: "error", says: "A command that was refused, or could not be understood.", data: vec![] };
    messages.insert(key("event", "error"), message(&error, &error_payload(&problem)));
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Colloquy",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The WebSocket at `/api/v1/ws`: text frames of at most 64 KiB, one JSON object each. \
                            After `ready` it gets every durable event of every conversation of its user.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {"socket": {"address": "/api/v1/ws", "messages": channel_messages(&messages)}},
        "operations": {
            "command": {"action": "receive", "channel": {"$ref": "#/channels/socket"}, "messages": received},
            "event": {"action": "send", "channel": {"$ref": "#/channels/socket"}, "messages": sent},
        },
        "components": {"messages": messages, "schemas": shapes.0},
    });
    yaml_serde::to_string(&document).expect("the document is made of strings, numbers and lists")
}

/// What clients send.
fn commands(shapes: &mut Shapes) -> Vec<FrameKind> {
    let conversation = shapes.of::<ConversationTarget>();
    let message = shapes.of::<MessageTarget>();
    let mut kinds = Vec::new();
    let mut add = |name, says, data| kinds.push(FrameKind { name, says, data });
    let (send, edit) = (shapes.of::<SendMessage>(), shapes.of::<EditMessage>());
    let sending = "Send a message. The ack carries the message, committed; with `scheduled_for`, the plan.";
    add("message:send", sending, vec![conversation.clone(), send]);
    add("message:edit", "Edit a message. The ack carries the message.", vec![message.clone(), edit]);
    let delete = shapes.of::<DeleteMessage>();
    add("message:delete", "Delete a message. The ack carries the message.", vec![message.clone(), delete]);
    let react = shapes.of::<React>();
    let (reacts, takes_back) = (
        "React to a message. The ack carries all reactions to it.",
        "Take a reaction back. The ack carries all reactions to the message.",
    );
    add("reaction:add", reacts, vec![message.clone(), react.clone()]);
    add("reaction:remove", takes_back, vec![message, react]);
    let (delivered, read) = (shapes.of::<MarkDelivered>(), shapes.of::<MarkRead>());
    let receipt = "The ack carries your receipt.";
    add("message:delivered", receipt, vec![conversation.clone(), delivered]);
    add("message:read", receipt, vec![conversation.clone(), read]);
    add("typing:start", "You are typing; ends by itself after 6 s.", vec![conversation.clone()]);
    add("typing:stop", "You are typing no more.", vec![conversation.clone()]);
    let join = "You have it open, and get its typing and presence. The ack carries the members who are there.";
    add("conversation:join", join, vec![conversation.clone()]);
    add("conversation:leave", "You have it open no more.", vec![conversation]);
    let presence = shapes.of::<SetPresence>();
    add("presence:set", "Seem to be there in this way. The ack carries your presence.", vec![presence]);
    let sync = shapes.of::<Sync>();
    add("sync", "Ask what you missed; as `POST /sync`.", vec![sync]);
    let ping =
        "Ask whether you missed something. The ack carries `heads` of what changed since the last, and `own_seq`.";
    add("ping", ping, Vec::new());
    let auth = shapes.of::<Authenticate>();
    add("auth", "Prove who you are, at the beginning or before your token expires.", vec![auth]);
    kinds
}

/// What is promised of cursors.
const DELIVERED: &str = "A delivered cursor moved: everything up to `seq` reached a device. Told as `message:read` is.";
const READ: &str = "A read cursor moved: everything up to `seq` was read, and so delivered. Cursors only go forward. Who says \
                    something has read so far, which is not told besides. Where one may not have been told, because a node died \
                    or nodes did not hear of one another, it is told within seconds of when that is over, as it stands by \
                    then, perhaps a second time: keep the greatest. Above 100 members this is told of your own, and \
                    `receipts:changed` of the others'.";

/// What sockets are told.
fn events(shapes: &mut Shapes) -> Vec<FrameKind> {
    let mut kinds = log_events(shapes);
    let mut add = |name, says, data| kinds.push(FrameKind { name, says, data: vec![data] });
    add("ready", "The first frame: from now on, every event is told.", shapes.of::<ReadyView>());
    add("conversation:new", "You are in a conversation that is new to you.", shapes.of::<OwnConversationView>());
    add(
        "conversation:removed",
        "You are no longer in a conversation, or it is gone.",
        shapes.of::<ConversationRefView>(),
    );
    add("message:delivered", DELIVERED, shapes.of::<AdvanceView>());
    add("message:read", READ, shapes.of::<AdvanceView>());
    let counts = "Cursors moved in a conversation of more than 100 members: how many of the others got and read its \
                  newest messages. Absolute, and told at most once a second.";
    add("receipts:changed", counts, shapes.of::<ReceiptCountsView>());
    add("preferences:updated", "Your own settings changed.", shapes.of::<PreferencesChangeView>());
    add("message:hidden", "You deleted a message for yourself.", shapes.of::<HiddenMessageView>());
    add("unread:changed", "Your unread counts, absolute.", shapes.of::<UnreadChangeView>());
    for (name, says) in [
        ("scheduled:updated", "You scheduled a message, changed it or cancelled it."),
        ("scheduled:sent", "A message that you scheduled was sent."),
        ("scheduled:failed", "A message that you scheduled was refused when its time had come."),
    ] {
        add(name, says, shapes.of::<PlanView>());
    }
    add(
        "block:added",
        "You blocked somebody. Mark what they say in groups by this list: a message does not depend on who looks.",
        shapes.of::<UserRefView>(),
    );
    add("block:removed", "You block somebody no more.", shapes.of::<UserRefView>());
    for (name, says) in [
        ("typing:start", "Somebody is typing."),
        ("typing:stop", "Somebody is typing no more."),
        ("conversation:joined", "Somebody opened the conversation."),
        ("conversation:left", "Somebody closed the conversation."),
    ] {
        add(name, says, shapes.of::<WhereaboutsView>());
    }
    for (name, says) in [
        ("user:online", "Somebody came."),
        ("user:offline", "Somebody went."),
        ("presence:changed", "Somebody is there in another way."),
    ] {
        add(name, says, shapes.of::<PresenceView>());
    }
    let sync = "The server can't vouch that nothing was missed; call `sync`.";
    add("sync:required", sync, shapes.of::<DoubtView>());
    let acks = [
        shapes.of::<MessageView>(),
        shapes.of::<PlanView>(),
        shapes.of::<ReactionsView>(),
        shapes.of::<OwnReceiptView>(),
        shapes.of::<SyncView>(),
        shapes.of::<HeadsView>(),
    ];
    add("ack", "A command was carried out; `data` depends on the command.", json!({"anyOf": acks}));
    kinds
}

/// What sockets are told of a conversation's log.
fn log_events(shapes: &mut Shapes) -> Vec<FrameKind> {
    let mut kinds = Vec::new();
    let mut add = |name, says, data| kinds.push(FrameKind { name, says, data: vec![data] });
    for (name, says) in [
        ("message:new", "A message was sent."),
        (
            "message:updated",
            "A message was edited, which `edited_at` tells; or got a preview of its link, or lost its files.",
        ),
        ("message:deleted", "A message was deleted for everyone."),
        ("message:pinned", "A message was pinned."),
        ("message:unpinned", "A message was unpinned."),
    ] {
        add(name, says, shapes.of::<MessageView>());
    }
    for (name, says) in
        [("reaction:added", "Somebody reacted to a message."), ("reaction:removed", "Somebody took a reaction back.")]
    {
        add(name, says, shapes.of::<ReactionChangeView>());
    }
    for (name, says) in [
        ("participant:added", "Somebody joined."),
        ("participant:updated", "Somebody's role changed."),
        ("participant:removed", "Somebody left or was removed."),
    ] {
        add(name, says, shapes.of::<ParticipantView>());
    }
    add("conversation:updated", "The settings changed.", shapes.of::<ConversationView>());
    kinds
}

fn command_payload(kind: &FrameKind) -> Value {
    let mut required = vec!["type"];
    let mut properties = json!({
        "type": {"const": kind.name},
        "ref": {"type": "string", "maxLength": 64, "description": "Chosen by you; the answer carries it."},
    });
    if !kind.data.is_empty() {
        required.push("data");
        properties["data"] = json!({"allOf": kind.data});
    }
    json!({"type": "object", "required": required, "properties": properties})
}

fn event_payload(kind: &FrameKind) -> Value {
    json!({"type": "object", "required": ["type", "data"], "properties": {
        "type": {"const": kind.name},
        "ref": {"type": "string", "description": "On an ack: that of the command."},
        "conversation_id": {"type": "string", "format": "uuid"},
        "seq": {"type": "integer", "format": "int64", "description": "On events of a conversation's log, and only there."},
        "own_seq": {
            "type": "integer",
            "format": "int64",
            "description": "On events of your own log, and only there: preferences, hidden messages, blocks, scheduled \
                            messages. It goes up, and skips what a later entry makes void.",
        },
        "data": kind.data.first(),
    }})
}

fn error_payload(problem: &Value) -> Value {
    json!({"type": "object", "required": ["type", "error"], "properties": {
        "type": {"const": "error"},
        "ref": {"type": "string", "description": "That of the command, where it had one."},
        "error": problem,
    }})
}

fn message(kind: &FrameKind, payload: &Value) -> Value {
    json!({"name": kind.name, "title": kind.name, "summary": kind.says, "payload": payload})
}

/// Some names, such as `typing:start`, are both a command and an event.
fn key(direction: &str, name: &str) -> String {
    format!("{direction}_{}", name.replace(':', "_"))
}

fn message_ref(direction: &str, name: &str) -> Value {
    json!({"$ref": format!("#/channels/socket/messages/{}", key(direction, name))})
}

fn channel_messages(messages: &Map<String, Value>) -> Map<String, Value> {
    messages.keys().map(|key| (key.clone(), json!({"$ref": format!("#/components/messages/{key}")}))).collect()
}
