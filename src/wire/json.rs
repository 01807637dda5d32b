//! Reading and writing JSON: what every shape has in common.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned, IgnoredAny},
};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::{
    clock::within_reach,
    error::{Error, Result},
    page::Page,
};

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A list that is whole.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

impl<D, T: From<D>> From<Page<D>> for List<T> {
    fn from(page: Page<D>) -> Self {
        Self { items: page.items.into_iter().map(T::from).collect(), next_cursor: page.next_cursor }
    }
}

/// Why a body can't be read.
#[derive(Debug)]
pub enum Unreadable {
    /// Not JSON at all.
    Malformed(String),
    /// JSON, but of other types, or with text that can't be kept.
    Unacceptable(Error),
}

/// Reads a JSON body, refusing text that PostgreSQL could not keep.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    if has_escaped_nul(bytes) {
        return Err(Unreadable::Unacceptable(Error::field("", "nul_character", "U+0000 is not allowed in text.")));
    }
    // Serde would take a list for an object, field by field.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Unreadable::Unacceptable(Error::field("", "invalid_type", "Must be a JSON object.")),
            Err(error) => Unreadable::Malformed(error.to_string()),
        });
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let says = error.to_string();
        // Half a surrogate pair is well-formed JSON (RFC 8259, 8.2), but not Unicode text.
        if says.contains("surrogate") || says.contains("unexpected end of hex escape") {
            return Unreadable::Unacceptable(Error::field("", "lone_surrogate", "A lone surrogate is not text."));
        }
        // What is JSON, but no word where one is due, serde calls a syntax error too.
        let is_json = || str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        if error.is_data() || is_json() {
            return Unreadable::Unacceptable(unacceptable::<T>(bytes, &says));
        }
        Unreadable::Malformed(says)
    })
}

/// What is wrong with JSON that can't be read as this, and where. Read once more for that, for to keep track takes time.
fn unacceptable<T: DeserializeOwned>(bytes: &[u8], says: &str) -> Error {
    let tracked = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(bytes));
    let path = tracked.err().map(|error| error.path().to_string()).filter(|path| path != ".").unwrap_or_default();
    let missing = says.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match missing {
        Some(name) if path.is_empty() => Error::field(name, "required", "Must be given."),
        Some(name) => Error::field(format!("{path}.{name}"), "required", "Must be given."),
        None => Error::field(path, "invalid_type", plain(says)),
    }
}

/// What serde says, without what is of this program alone: the names of its types, and places in what may be but a part.
fn plain(says: &str) -> String {
    let says = says.rsplit_once(" at line ").map_or(says, |(says, _)| says);
    let Some((wrong, expected)) = says.rsplit_once(", expected ") else { return says.to_owned() };
    let expected = match expected {
        "f32" | "f64" => "a number",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.trim_start_matches(['i', 'u']).parse::<u8>().is_ok() || expected == "usize" => "a whole number",
        _ => expected,
    };
    format!("{wrong}, expected {expected}")
}

/// Distinguishes, in a PATCH, a field that is absent (`None`) from one that is null (`Some(None)`).
pub fn patch<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads null as the default, since in requests absent and null mean the same.
pub fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads null in a PATCH as the default, which is what clearing goes back to where there is no nothing.
pub fn patch_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    or_default(deserializer).map(Some)
}

/// Reads an object within another, and no list in its place.
pub fn object<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let fields = Option::<Map<String, Value>>::deserialize(deserializer)?;
    fields.map(|fields| T::deserialize(Value::Object(fields)).map_err(de::Error::custom)).transpose()
}

/// The same for a field that a PATCH may clear.
pub fn patch_object<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    object(deserializer).map(Some)
}

/// A list without repetitions, in its order; how long it may be is said of what was given.
pub fn distinct<T: PartialEq>(field: &str, at_most: usize, list: Vec<T>) -> Result<Vec<T>> {
    if list.len() > at_most {
        return Err(Error::field(field, "too_many", format!("At most {at_most}.")));
    }
    let mut distinct = Vec::with_capacity(list.len());
    for item in list {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    Ok(distinct)
}

/// Reads a moment that can be kept.
pub fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let moment = Option::<DateTime<Utc>>::deserialize(deserializer)?;
    let far = || de::Error::custom("a time must be of a year from 1 to 9999");
    moment.map(|moment| within_reach(moment).ok_or_else(far)).transpose()
}

/// The same for a field that a PATCH may clear.
pub fn patch_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    moment(deserializer).map(Some)
}

/// Writes a time to the microsecond, even where that is zero.
pub fn time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// The same for one that may be absent.
pub fn time_or_null<S: Serializer>(moment: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => time(moment, serializer),
        None => serializer.serialize_none(),
    }
}

/// Whether a string in the JSON says `\u0000`; a raw NUL is not JSON in the first place.
fn has_escaped_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        if rest[at + 1..].starts_with(b"u0000") {
            return true;
        }
        // What follows the backslash is escaped, even if it is a backslash itself.
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::DeleteFor;

    #[test]
    fn an_escaped_nul_is_found_and_an_escaped_backslash_is_not_taken_for_one() {
        assert!(has_escaped_nul(br#"{"a":"x\u0000y"}"#));
        assert!(has_escaped_nul(br#"{"a":"\\\u0000"}"#));
        assert!(!has_escaped_nul(br#"{"a":"\\u0000"}"#));
        assert!(!has_escaped_nul(br#"{"a":"\u00001"#.split_at(5).0));
        assert!(!has_escaped_nul(br#""ends with \"#));
    }

    #[test]
    fn what_is_of_another_type_is_told_in_words_that_are_not_of_this_program() {
        for (says, plainly) in [
            ("invalid type: integer `5`, expected struct SendMessage at line 1 column 4", "an object"),
            ("invalid value: integer `-1`, expected usize at line 1 column 4", "a whole number"),
            ("invalid type: string \"x\", expected i64", "a whole number"),
            ("invalid type: null, expected f64 at line 1 column 65", "a number"),
            ("invalid type: null, expected a string at line 1 column 65", "a string"),
        ] {
            let (wrong, _) = says.rsplit_once(", expected ").unwrap();
            assert_eq!(plain(says), format!("{wrong}, expected {plainly}"));
        }
        assert_eq!(plain("unknown variant `x` at line 1 column 9"), "unknown variant `x`");
    }

    #[test]
    fn lone_surrogates_are_unacceptable_and_broken_json_is_malformed() {
        for lone in [r#""\ud800""#, r#""\udc00 x""#, r#""\ud800\ud800""#, r#""\ud83dx""#, r#""\ud83d\n""#] {
            let read = read::<Value>(lone.as_bytes());
            assert!(matches!(read, Err(Unreadable::Unacceptable(_))), "{lone}: {read:?}");
        }
        assert!(matches!(read::<Value>(b"{"), Err(Unreadable::Malformed(_))));
        assert!(matches!(read::<u32>(b"\"x\""), Err(Unreadable::Unacceptable(_))));
        assert!(matches!(read::<DeleteFor>(b"5"), Err(Unreadable::Unacceptable(_))));
        assert!(matches!(read::<DeleteFor>(b"\"\xff\""), Err(Unreadable::Malformed(_))));
        assert_eq!(read::<String>(r#""\ud83d\ude00""#.as_bytes()).unwrap(), "😀");
    }
}
