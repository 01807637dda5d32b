//! Objects of a PDF as they are written (ISO 32000-2, 7.3), as far as they lead to the number of pages.

use std::collections::HashMap;

/// How deep objects may lie in each other.
const DEPTH: usize = 16;

/// Values by their names.
pub type Dictionary = HashMap<Vec<u8>, Value>;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A name.
    Name(Vec<u8>),
    /// Another object, by its number.
    Reference(u32),
    /// Several values.
    Array(Vec<Value>),
    /// Values by their names.
    Dictionary(Dictionary),
    /// Whatever says nothing of pages.
    Other,
}

impl Value {
    /// The number that it is.
    pub fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// The numbers that are in it.
    pub fn integers(&self) -> Option<Vec<i64>> {
        if let Self::Array(values) = self { values.iter().map(Self::integer).collect() } else { None }
    }

    /// The dictionary that it is.
    pub fn into_dictionary(self) -> Option<Dictionary> {
        if let Self::Dictionary(dictionary) = self { Some(dictionary) } else { None }
    }
}

/// Reads values one after the other.
pub struct Syntax<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Syntax<'a> {
    /// Reads these bytes.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How far it has come.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next value.
    pub fn value(&mut self) -> Option<Value> {
        self.nested(DEPTH)
    }

    /// The value of an object with its number before it: `4 0 obj …`.
    pub fn object(&mut self) -> Option<Value> {
        self.value()?.integer()?;
        self.value()?.integer()?;
        if self.skips(b"obj") { self.value() } else { None }
    }

    /// Where the bytes of a stream begin, whose dictionary is read.
    pub fn stream(&mut self) -> Option<usize> {
        if !self.skips(b"stream") {
            return None;
        }
        self.at += usize::from(self.rest().starts_with(b"\r"));
        self.at += usize::from(self.rest().starts_with(b"\n"));
        Some(self.at)
    }

    /// Whether this word comes next; then it is behind us.
    pub fn skips(&mut self, word: &[u8]) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    /// Goes on to what is neither space nor comment.
    pub fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b'%' {
                self.skip_while(|byte| !matches!(byte, b'\r' | b'\n'));
            } else if is_space(byte) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn nested(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.skip_space();
        match self.peek()? {
            b'/' => Some(Value::Name(self.name()?)),
            b'[' => self.array(depth),
            b'(' => self.string(),
            b'<' if self.rest().starts_with(b"<<") => self.dictionary(depth),
            b'<' => {
                self.skip_while(|byte| byte != b'>');
                self.skips(b">").then_some(Value::Other)
            }
            b'0'..=b'9' | b'+' | b'-' | b'.' => Some(self.number()),
            byte if byte.is_ascii_alphabetic() => {
                self.skip_while(|byte| byte.is_ascii_alphabetic());
                Some(Value::Other)
            }
            _ => None,
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut values = Vec::new();
        while !self.skips(b"]") {
            values.push(self.nested(depth)?);
        }
        Some(Value::Array(values))
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        self.at += 2;
        let mut values = Dictionary::new();
        while !self.skips(b">>") {
            let name = self.name()?;
            values.insert(name, self.nested(depth)?);
        }
        Some(Value::Dictionary(values))
    }

    fn name(&mut self) -> Option<Vec<u8>> {
        if self.peek()? != b'/' {
            return None;
        }
        self.at += 1;
        let start = self.at;
        self.skip_while(|byte| !is_space(byte) && !b"()<>[]{}/%".contains(&byte));
        Some(self.bytes[start..self.at].to_vec())
    }

    fn string(&mut self) -> Option<Value> {
        let mut open = 0;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'(' => open += 1,
                b')' if open == 1 => return Some(Value::Other),
                b')' => open -= 1,
                _ => {}
            }
        }
        None
    }

    /// A number, or the two numbers and the letter of a reference.
    fn number(&mut self) -> Value {
        let number = self.token();
        let Some(number) = number else { return Value::Other };
        let here = self.at;
        self.skip_space();
        let is_reference = self.peek().is_some_and(|byte| byte.is_ascii_digit()) && self.token().is_some() && {
            self.skip_space();
            self.rest().starts_with(b"R")
        };
        match u32::try_from(number) {
            Ok(number) if is_reference => {
                self.at += 1;
                Value::Reference(number)
            }
            _ => {
                self.at = here;
                Value::Integer(number)
            }
        }
    }

    fn token(&mut self) -> Option<i64> {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'));
        str::from_utf8(&self.bytes[start..self.at]).ok()?.parse().ok()
    }

    fn skip_while(&mut self, is_it: impl Fn(u8) -> bool) {
        self.at += self.rest().iter().take_while(|byte| is_it(**byte)).count();
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\0' | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_as_they_are_written() {
        let text = b"7 0 obj % comment\n<</Kids[1 0 R 2 0 R]/Count 12/Title(a \\) (b) c)/ID<00ff>/Box[0 -1 .5]/On true/Up/Name>>";

        let read = Syntax::of(text).object().and_then(Value::into_dictionary).unwrap();

        assert_eq!(read[&b"Count"[..]], Value::Integer(12));
        assert_eq!(read[&b"Kids"[..]], Value::Array(vec![Value::Reference(1), Value::Reference(2)]));
        assert_eq!(read[&b"Box"[..]], Value::Array(vec![Value::Integer(0), Value::Integer(-1), Value::Other]));
        assert_eq!(read[&b"Up"[..]], Value::Name(b"Name".to_vec()));
        assert_eq!(
            (&read[&b"Title"[..]], &read[&b"ID"[..]], &read[&b"On"[..]]),
            (&Value::Other, &Value::Other, &Value::Other)
        );
    }

    #[test]
    fn what_is_broken_or_too_deep_is_nothing() {
        let deep = [b"[".repeat(100), b"]".repeat(100)].concat();
        for text in [&b""[..], b"(", b"(\\", b"<<", b"<</A", b"<</A 1", b"[1", b"<0", b"}", b"1 0 obj", &deep] {
            let read = Syntax::of(text).value().filter(|value| value.integer().is_none());

            assert_eq!(read, None, "{}", String::from_utf8_lossy(text));
        }
    }
}
