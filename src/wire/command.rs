//! What clients send over a socket: `{"type", "ref"?, "data"}`, parsed into one command each.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    json::{self, Unreadable},
    messages::{EditMessage, SendMessage},
    presence::SetPresence,
    reactions::React,
    receipts::{MarkDelivered, MarkRead},
    sync::Sync,
};
use crate::domain::{
    error::Error,
    ids::{ConversationId, MessageId},
    message::DeleteFor,
};

/// Bytes of a `ref` at most.
const REFERENCE_BYTES: usize = 64;

/// One thing that a client wants done.
#[derive(Debug)]
pub enum Command {
    /// `message:send`
    Send(ConversationId, Box<SendMessage>),
    /// `message:edit`
    Edit(ConversationId, MessageId, EditMessage),
    /// `message:delete`
    Delete(ConversationId, MessageId, DeleteFor),
    /// `reaction:add`
    AddReaction(ConversationId, MessageId, React),
    /// `reaction:remove`
    RemoveReaction(ConversationId, MessageId, React),
    /// `message:delivered`
    Delivered(ConversationId, MarkDelivered),
    /// `message:read`
    Read(ConversationId, MarkRead),
    /// `typing:start`
    StartTyping(ConversationId),
    /// `typing:stop`
    StopTyping(ConversationId),
    /// `conversation:join`
    Join(ConversationId),
    /// `conversation:leave`
    Leave(ConversationId),
    /// `presence:set`
    SetPresence(SetPresence),
    /// `sync`
    Sync(Sync),
    /// `ping`
    Ping,
    /// `auth`
    Authenticate(Authenticate),
}

/// A command with the `ref` by which its answer is known.
#[derive(Debug)]
pub struct Request {
    /// Chosen by the client.
    pub reference: Option<String>,
    /// What to do, or why that can't be understood.
    pub command: Result<Command, Error>,
}

/// The frame was not a JSON object at all, which ends the socket.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnObject;

/// A token, at the beginning or to renew.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct Authenticate {
    /// An access token.
    pub token: String,
}

/// A conversation by its id.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(as = ConversationTarget)]
pub struct ConversationTarget {
    /// Which.
    pub conversation_id: ConversationId,
}

/// A message by its id.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(as = MessageTarget)]
pub struct MessageTarget {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which.
    pub message_id: MessageId,
}

/// A message to delete.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct DeleteMessage {
    /// For me alone where absent.
    #[serde(default, rename = "for", deserialize_with = "json::or_default")]
    pub delete_for: DeleteFor,
}

/// Parts are kept raw, so that any JSON object gets through here.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    name: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Request {
    /// Parses a text frame.
    pub fn parse(text: &str) -> Result<Self, NotAnObject> {
        let frame = match serde_json::from_str::<Frame>(text) {
            Ok(frame) => frame,
            Err(error) if error.is_data() && text.trim_start().starts_with('{') => {
                let command = Err(Error::field("", "invalid_frame", error.to_string()));
                return Ok(Self { reference: None, command });
            }
            Err(_) => return Err(NotAnObject),
        };
        let reference = match frame.reference.map_or(Ok(None), |raw| read::<Option<String>>("ref", raw)) {
            Ok(Some(reference)) if reference.len() > REFERENCE_BYTES => {
                let command = Err(Error::field("ref", "too_long", format!("At most {REFERENCE_BYTES} bytes.")));
                return Ok(Self { reference: None, command });
            }
            Ok(reference) => reference,
            Err(error) => return Ok(Self { reference: None, command: Err(error) }),
        };
        Ok(Self { reference, command: command(&frame) })
    }
}

fn command(frame: &Frame) -> Result<Command, Error> {
    let name: String = frame.name.map_or_else(|| Err(required("type")), |raw| read("type", raw))?;
    let data = frame.data.filter(|raw| raw.get() != "null");
    let raw = || data.ok_or_else(|| required("data"));
    let conversation = || Ok::<_, Error>(read::<ConversationTarget>("data", raw()?)?.conversation_id);
    let message = || read::<MessageTarget>("data", raw()?).map(|target| (target.conversation_id, target.message_id));
    Ok(match name.as_str() {
        "message:send" => Command::Send(conversation()?, Box::new(read("data", raw()?)?)),
        "message:edit" => {
            let (conversation_id, message_id) = message()?;
            Command::Edit(conversation_id, message_id, read("data", raw()?)?)
        }
        "message:delete" => {
            let (conversation_id, message_id) = message()?;
            let how: DeleteMessage = read("data", raw()?)?;
            Command::Delete(conversation_id, message_id, how.delete_for)
        }
        "reaction:add" => {
            let (conversation_id, message_id) = message()?;
            Command::AddReaction(conversation_id, message_id, read("data", raw()?)?)
        }
        "reaction:remove" => {
            let (conversation_id, message_id) = message()?;
            Command::RemoveReaction(conversation_id, message_id, read("data", raw()?)?)
        }
        "message:delivered" => Command::Delivered(conversation()?, read("data", raw()?)?),
        "message:read" => Command::Read(conversation()?, read("data", raw()?)?),
        "typing:start" => Command::StartTyping(conversation()?),
        "typing:stop" => Command::StopTyping(conversation()?),
        "conversation:join" => Command::Join(conversation()?),
        "conversation:leave" => Command::Leave(conversation()?),
        "presence:set" => Command::SetPresence(read("data", raw()?)?),
        "sync" => Command::Sync(data.map_or_else(|| Ok(Sync::default()), |raw| read("data", raw))?),
        "ping" => Command::Ping,
        "auth" => Command::Authenticate(read("data", raw()?)?),
        _ => return Err(Error::field("type", "unknown_type", "There is no such command.")),
    })
}

fn read<T: DeserializeOwned>(field: &str, raw: &RawValue) -> Result<T, Error> {
    json::read(raw.get().as_bytes()).map_err(|unreadable| match unreadable {
        Unreadable::Malformed(says) => Error::field(field, "malformed", says),
        Unreadable::Unacceptable(error) => error,
    })
}

fn required(field: &str) -> Error {
    Error::field(field, "required", "Must be given.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (Option<String>, Vec<&'static str>) {
        let request = Request::parse(text).expect("an object");
        match request.command {
            Err(Error::Invalid(fields)) => (request.reference, fields.iter().map(|field| field.code).collect()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_json_object_ends_the_socket_and_what_cannot_be_understood_is_an_error() {
        for text in ["", "x", "[]", "1", "{", "\"{}\"", "null"] {
            assert_eq!(Request::parse(text).err(), Some(NotAnObject), "{text}");
        }
        assert_eq!(refusal("{}"), (None, vec!["required"]));
        assert_eq!(refusal(r#"{"type":"dance","ref":"1"}"#), (Some("1".into()), vec!["unknown_type"]));
        assert_eq!(refusal(r#"{"type":1,"ref":"1"}"#), (Some("1".into()), vec!["invalid_type"]));
        assert_eq!(refusal(r#"{"type":"ping","ref":7}"#), (None, vec!["invalid_type"]));
        assert_eq!(refusal(r#"{"type":"message:send","ref":"1"}"#), (Some("1".into()), vec!["required"]));
        assert_eq!(refusal(&format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(65))), (None, vec!["too_long"]));
        assert_eq!(refusal(r#"{"type":"ping","type":"ping"}"#), (None, vec!["invalid_frame"]));
    }

    #[test]
    fn a_command_is_read_with_its_reference() {
        let id = ConversationId::random();
        let text = format!(r#"{{"type":"message:send","ref":"a","data":{{"conversation_id":"{id}","body":"hi"}}}}"#);

        let request = Request::parse(&text).expect("an object");

        assert_eq!(request.reference.as_deref(), Some("a"));
        assert!(
            matches!(request.command, Ok(Command::Send(to, send)) if to == id && send.body.as_deref() == Some("hi"))
        );
    }
}
