//! Takes phone numbers and e-mail addresses out of what people write, and leaves dates, sums, addresses of pages and codes alone.
//!
//! What looks like a number to call is taken for one: better a number too many than one that should not be seen. Whoever wants
//! to evade this spells it out; it keeps honest people within the rules, and slips from showing.

use std::{borrow::Cow, ops::Range};

use linkify::{LinkFinder, LinkKind};
use serde_json::Value;

/// What stands in the place of what was taken out; shorter than anything that is, so that no bound is passed by it.
pub const REDACTED: &str = "•••";
/// Digits of a number that can be called from abroad (E.164 has at most 15), or of one without its country.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Digits in one run, without anything that says that it is a number to call.
const BARE_DIGITS: std::ops::RangeInclusive<usize> = 9..=15;
/// Signs between two groups of digits at most, as in `(555) - 1234`.
const SEPARATORS: usize = 3;
/// Nought in the scripts that people write numbers in.
const NOUGHTS: [char; 14] = ['0', '٠', '۰', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '๐', '０'];

/// What is taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Numbers to call.
    pub phone_numbers: bool,
    /// Addresses to write to.
    pub email_addresses: bool,
}

/// Digits in one run.
struct Group {
    digits: Vec<u8>,
    span: Range<usize>,
    /// What stands before it, up to the group before.
    separator: String,
}

impl Redaction {
    /// The text without what is taken out.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        if self.email_addresses && text.contains('@') {
            text = without(text, addresses);
        }
        if self.phone_numbers && text.chars().filter(|sign| digit(*sign).is_some()).nth(*DIGITS.start() - 1).is_some() {
            text = without(text, numbers);
        }
        text
    }

    /// The text, if there is one, without what is taken out.
    pub fn option(&self, text: Option<String>) -> Option<String> {
        text.map(|text| self.text(&text).into_owned())
    }

    /// The same for all texts in a JSON value, but not for the names of its fields.
    pub fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text).into_owned()),
            Value::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, self.json(value))).collect(),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }

    /// Whether something would be taken out.
    pub fn touches(&self, text: &str) -> bool {
        self.text(text) != text
    }
}

fn without(text: Cow<'_, str>, find: fn(&str) -> Vec<Range<usize>>) -> Cow<'_, str> {
    let found = find(&text);
    if found.is_empty() {
        return text;
    }
    let mut rest = 0;
    let mut kept = String::with_capacity(text.len());
    for span in found {
        kept.push_str(&text[rest..span.start]);
        kept.push_str(REDACTED);
        rest = span.end;
    }
    kept.push_str(&text[rest..]);
    Cow::Owned(kept)
}

fn addresses(text: &str) -> Vec<Range<usize>> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Email]);
    finder.links(text).map(|link| link.start()..link.end()).collect()
}

fn numbers(text: &str) -> Vec<Range<usize>> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    // The address of a page may hold any number, but for those that are there to be called.
    let is_call = |link: &str| link.contains("//wa.me/") || link.contains("whatsapp.com/");
    let pages: Vec<_> =
        finder.links(text).filter(|link| !is_call(link.as_str())).map(|link| link.start()..link.end()).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|sign| digit(sign).is_some()).map(|offset| at + offset) {
        if let Some(page) = pages.iter().find(|page| page.contains(&start)) {
            at = page.end;
            continue;
        }
        let groups = read(text, start);
        at = groups.last().map_or(start, |group| group.span.end);
        let before = text[..start].trim_end_matches(['(', '.']);
        let has_plus = before.ends_with(['+', '＋']) && !before[..before.len() - 1].ends_with(char::is_alphanumeric);
        if is_glued(&text[..start]) {
            continue;
        }
        let mut groups = groups.as_slice();
        if text[at..].starts_with(|sign: char| sign.is_alphanumeric() || sign == '_') {
            groups = groups.split_last().map_or(groups, |(_, others)| others);
        }
        groups = &groups[noted(groups)..];
        if let (Some(first), Some(last)) = (groups.first(), groups.last())
            && is_number(groups, has_plus && first.span.start == start)
        {
            let sign = if has_plus && first.span.start == start { before.rfind(['+', '＋']) } else { None };
            found.push(sign.unwrap_or(first.span.start)..last.span.end);
        }
    }
    found
}

/// Reads groups of digits as long as only what separates those of one number stands between them.
fn read(text: &str, start: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut separator = String::new();
    for (at, sign) in text[start..].char_indices().map(|(offset, sign)| (start + offset, sign)) {
        let end = at + sign.len_utf8();
        match (digit(sign), groups.last_mut()) {
            (Some(value), Some(group)) if separator.is_empty() => {
                group.digits.push(value);
                group.span.end = end;
            }
            (Some(value), _) => {
                let separator = std::mem::take(&mut separator);
                groups.push(Group { digits: vec![value], span: at..end, separator });
            }
            (None, _) if is_separator(sign) && separator.chars().count() < SEPARATORS => separator.push(sign),
            (None, _) => break,
        }
    }
    groups
}

/// Whether what follows belongs to a word, a code or a sum.
fn is_glued(before: &str) -> bool {
    before.ends_with(|sign: char| sign.is_alphanumeric() || "_#$€£¥₹".contains(sign))
}

/// How many groups at the beginning are a date or a span of years.
fn noted(groups: &[Group]) -> usize {
    let value =
        |group: &Group| group.digits.iter().fold(0_u64, |value, digit| value.saturating_mul(10) + u64::from(*digit));
    let is_year = |group: &Group| group.digits.len() == 4 && (1900..2100).contains(&value(group));
    let is_short_year = |group: &Group| group.digits.len() == 2;
    let is_part = |group: &Group, most: u64| group.digits.len() <= 2 && (1..=most).contains(&value(group));
    if let [first, second, third, rest @ ..] = groups
        && second.separator == third.separator
        && matches!(second.separator.as_str(), "-" | "." | "/")
        && rest.first().is_none_or(|next| next.separator != second.separator)
    {
        let year_first = is_year(first) && is_part(second, 12) && is_part(third, 31);
        let is_day = (is_part(first, 31) && is_part(second, 12)) || (is_part(first, 12) && is_part(second, 31));
        if year_first || is_day && (is_year(third) || is_short_year(third)) {
            return 3 + noted(rest);
        }
    }
    match groups {
        [first, second, rest @ ..] if is_year(first) && is_year(second) => 2 + noted(rest),
        _ => 0,
    }
}

fn is_number(groups: &[Group], has_plus: bool) -> bool {
    let digits: usize = groups.iter().map(|group| group.digits.len()).sum();
    let is_bare = groups.len() == 1;
    if has_plus {
        return DIGITS.contains(&digits);
    }
    if is_bare {
        return BARE_DIGITS.contains(&digits);
    }
    let is_list = groups[1..].iter().any(|group| group.digits.len() < 2)
        || groups.iter().all(|group| group.digits.ends_with(&[0, 0]));
    let is_decimal = groups.len() == 2 && groups[1].separator == ".";
    DIGITS.contains(&digits) && !is_list && !is_decimal && !is_sum(groups) && !is_host(groups)
}

/// A sum with its thousands apart, such as `12 345 678`.
fn is_sum(groups: &[Group]) -> bool {
    let separator = &groups[1].separator;
    let is_apart = matches!(separator.as_str(), " " | "." | "\u{a0}" | "\u{202f}");
    let in_threes = groups[1..].iter().all(|group| group.digits.len() == 3 && group.separator == *separator);
    let is_round = groups[1..].iter().all(|group| group.digits == [0, 0, 0]);
    is_apart && in_threes && (groups[0].digits.len() <= 2 || is_round)
}

/// The address of a machine, such as `192.168.100.100`.
fn is_host(groups: &[Group]) -> bool {
    let is_byte = |group: &Group| group.digits.len() <= 3;
    groups.len() == 4 && groups.iter().all(is_byte) && groups[1..].iter().all(|group| group.separator == ".")
}

fn is_separator(sign: char) -> bool {
    matches!(sign, ' ' | '\u{a0}' | '\u{202f}' | '-' | '\u{2010}'..='\u{2015}' | '.' | '/' | '(' | ')')
}

fn digit(sign: char) -> Option<u8> {
    let value = |nought: char| (sign as u32).checked_sub(nought as u32).filter(|value| *value < 10);
    NOUGHTS.iter().find_map(|nought| value(*nought)).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: Redaction = Redaction { phone_numbers: true, email_addresses: true };

    #[test]
    fn numbers_to_call_are_taken_out() {
        for (text, left) in [
            ("Call +1 (555) 123-4567 now", "Call ••• now"),
            ("+919876543210", "•••"),
            ("9876543210", "•••"),
            ("my number: 98765 43210.", "my number: •••."),
            ("06 12 34 56 78", "•••"),
            ("06.12.34.56.78", "•••"),
            ("(0)30/1234567", "(•••"),
            ("555-1234 or 555-9876", "••• or •••"),
            ("600 123 456", "•••"),
            ("0049 89 1234567", "•••"),
            ("tel:+49-89-1234567", "tel:•••"),
            ("९८७६५४३२१०", "•••"),
            ("on 21.11.2026 - 98765 43210", "on 21.11.2026 - •••"),
            ("https://wa.me/919876543210", "https://wa.me/•••"),
            ("8 (800) 555-35-35", "•••"),
        ] {
            assert_eq!(ALL.text(text), left, "{text}");
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "",
            "112, 911 and 0800",
            "2026-11-21",
            "21.11.2026 10:30",
            "2026-11-21T10:30:45.123456Z",
            "11/21/2026",
            "21.11.26 - 25.11.26",
            "from 2019-2024",
            "1,234,567.89",
            "12 345 678 people",
            "1.234.567",
            "$1234567890",
            "3.14159265358",
            "192.168.100.100",
            "v1.20.300-45",
            "1 2 3 4 5 6 7 8 9 10",
            "100 200 300",
            "4111 1111 1111 1111",
            "0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
            "ticket #1234567890",
            "IMG_20240115123456",
            "https://zoom.us/j/98765432101?pwd=1234567890",
            "12:30 - 13:45",
            "5551234",
            "12.9716, 77.5946",
        ] {
            assert_eq!(ALL.text(text), text);
        }
    }

    #[test]
    fn addresses_to_write_to_are_taken_out_and_what_only_has_their_sign_is_not() {
        for (text, left) in [
            ("Write to ada@example.com!", "Write to •••!"),
            ("<ada.l+chat@mail.example.org>, bob@example.com", "<•••>, •••"),
            ("@ada look @ this", "@ada look @ this"),
            ("3 apples @ 2", "3 apples @ 2"),
            ("ada@home", "ada@home"),
        ] {
            assert_eq!(ALL.text(text), left, "{text}");
        }
    }

    #[test]
    fn only_what_the_rules_say_is_taken_out() {
        let text = "ada@example.com, +49 89 1234567";

        assert_eq!(Redaction::default().text(text), text);
        assert_eq!(Redaction { phone_numbers: true, ..Redaction::default() }.text(text), "ada@example.com, •••");
        assert_eq!(Redaction { email_addresses: true, ..Redaction::default() }.text(text), "•••, +49 89 1234567");
    }

    #[test]
    fn texts_are_found_anywhere_in_json() {
        let value = json!({"contact": ["ada@example.com", {"phone": "+49 89 1234567"}], "age": 36, "at": 1_700_000_000_000_i64});

        let left = json!({"contact": ["•••", {"phone": "•••"}], "age": 36, "at": 1_700_000_000_000_i64});
        assert_eq!(ALL.json(value), left);
    }

    #[test]
    fn nothing_gets_longer_and_nothing_is_taken_out_twice() {
        for text in ["a@b.co", "555-1234", "9876543210 9876543210", "x+1 2345678"] {
            let once = ALL.text(text).into_owned();

            assert!(once.len() <= text.len() * 2 && once.chars().count() <= text.chars().count(), "{text}");
            assert_eq!(ALL.text(&once), once);
        }
    }
}
