//! What is said and heard over sockets, read no further than needed.

use uuid::Uuid;

use super::ledger::Entry;

/// What everybody says: about as long as people do.
pub const BODY: &str = "Shall we meet at the station at half past seven, or is that too early for you on a Saturday?";

const READY: &[u8] = br#"{"type":"ready","#;
/// An event, up to the conversation's id.
const EVENT: &[u8] = br#"{"type":"message:new","conversation_id":""#;
/// What follows the id, up to the `seq`.
const SEQ: &[u8] = br#"","seq":"#;
const ERROR: &[u8] = br#"{"type":"error","#;
/// An ack, up to the message's id.
const ACK: &[u8] = br#"{"type":"ack","ref":"1","data":{"id":""#;
/// How long ids are.
const ID: usize = 36;
/// Within so many bytes from the beginning an ack says its `seq`.
const BEGINNING: usize = 256;

/// What a text from the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A socket is open; the first it says.
    Ready,
    /// In this conversation a message has got this place.
    Message(&'a [u8], i64),
    /// What we sent is committed.
    Ack(Entry),
    /// What we sent is refused.
    Error,
    /// Something that does not concern us here.
    Other,
}

/// The text that sends a message.
pub fn send(conversation: &str, id: Uuid) -> String {
    format!(
        r#"{{"type":"message:send","ref":"1","data":{{"conversation_id":"{conversation}","id":"{id}","body":"{BODY}"}}}}"#
    )
}

/// Tells what a text is.
pub fn read(text: &[u8]) -> Heard<'_> {
    // Of these there are a million a second, so nothing is looked for.
    if let Some(rest) = text.strip_prefix(EVENT) {
        let (id, seq) = rest.split_at(ID.min(rest.len()));
        let seq = seq.strip_prefix(SEQ).and_then(number);
        return seq.map_or(Heard::Error, |seq| Heard::Message(id, seq));
    }
    if text.starts_with(ACK) {
        let id = text.get(ACK.len()..ACK.len() + ID).and_then(|id| Uuid::try_parse_ascii(id).ok());
        return id.zip(seq(text)).map_or(Heard::Error, Heard::Ack);
    }
    match text {
        text if text.starts_with(ERROR) => Heard::Error,
        text if text.starts_with(READY) => Heard::Ready,
        _ => Heard::Other,
    }
}

/// The number after the first `"seq":`.
fn seq(text: &[u8]) -> Option<i64> {
    const NAME: &[u8] = b"\"seq\":";
    let text = &text[..text.len().min(BEGINNING)];
    number(&text[text.windows(NAME.len()).position(|window| window == NAME)? + NAME.len()..])
}

/// The number with which a text begins.
pub fn number(text: &[u8]) -> Option<i64> {
    let digits = text.iter().take_while(|sign| sign.is_ascii_digit());
    digits.map(|digit| i64::from(digit - b'0')).reduce(|number, digit| number * 10 + digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_by_how_they_begin() {
        let id = Uuid::from_u128(7);
        let ack =
            format!(r#"{{"type":"ack","ref":"1","data":{{"id":"{id}","conversation_id":"c","seq":42,"body":""}}}}"#);

        let event = format!(r#"{{"type":"message:new","conversation_id":"{id}","seq":12,"data":{{"seq":12}}}}"#);

        for (text, heard) in [
            (event.as_str(), Heard::Message(id.to_string().as_bytes(), 12)),
            (&ack, Heard::Ack((id, 42))),
            (r#"{"type":"error","ref":"1","error":{}}"#, Heard::Error),
            (r#"{"type":"ready","data":{}}"#, Heard::Ready),
            (r#"{"type":"unread:changed","conversation_id":"c","data":{"unread":3}}"#, Heard::Other),
        ] {
            assert_eq!(read(text.as_bytes()), heard, "{text}");
        }
    }
}
