//! What text and metadata people may write, and for how long.

use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    limits,
};

/// Refuses text longer than `most` characters.
pub fn check_length(field: &str, text: &str, most: usize) -> Result<()> {
    // Bytes bound characters from above, which spares counting what is short anyway.
    if text.len() > most && text.chars().count() > most {
        return Err(Error::field(field, "too_long", format!("At most {most} characters.")));
    }
    Ok(())
}

/// Refuses text that is empty or blank, or longer than `most` characters.
pub fn check_name(field: &str, text: &str, most: usize) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::field(field, "empty", "Must not be empty."));
    }
    check_length(field, text, most)
}

/// Refuses metadata that is not an object or is over 4 KiB.
pub fn check_metadata(metadata: &Value) -> Result<()> {
    if !metadata.is_object() {
        return Err(Error::field("metadata", "not_an_object", "Must be a JSON object."));
    }
    if metadata.to_string().len() + digits_to_write_out(metadata) > limits::METADATA_BYTES {
        return Err(Error::field("metadata", "too_long", format!("At most {} bytes of JSON.", limits::METADATA_BYTES)));
    }
    Ok(())
}

/// How much longer numbers become when they are stored, since PostgreSQL writes 1e300 out with all its zeros.
fn digits_to_write_out(json: &Value) -> usize {
    match json {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().filter(|number| *number != 0.0).map_or(0, |number| number.abs().log10().abs() as usize)
        }
        Value::Array(items) => items.iter().map(digits_to_write_out).sum(),
        Value::Object(fields) => fields.values().map(digits_to_write_out).sum(),
        _ => 0,
    }
}

/// Refuses a number of seconds after which nothing may go by itself.
pub fn check_lifetime(expires_in: Option<i32>) -> Result<()> {
    let longest = limits::EXPIRES_IN_SECONDS;
    if expires_in.is_some_and(|seconds| !(1..=longest).contains(&seconds)) {
        return Err(Error::field("expires_in", "out_of_range", format!("Between 1 and {longest} seconds.")));
    }
    Ok(())
}

/// The beginning of a text, at most `most` characters.
pub fn preview(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

/// JSON with sorted keys, so that the order in which a client writes them makes no difference.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            let fields: Vec<_> =
                sorted.iter().map(|(key, value)| format!("{}:{}", json!(key), canonical(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        _ => value.to_string(),
    }
}
