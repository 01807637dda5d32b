//! What the index keeps of a message: its words and stems with their places, and what is in it.

use std::collections::BTreeMap;

use super::{
    Trait,
    tokens::{stem, tokenise},
};
use crate::domain::message::MessageKind;

/// How often a word of one text is worth a place; PostgreSQL keeps no more.
const PLACES: usize = 255;

/// Where each lexeme of a text stands: 1 for the first token.
pub type Lexemes = BTreeMap<String, Vec<usize>>;

/// What is known of a message besides its words.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What it is.
    pub kind: MessageKind,
    /// The words.
    pub body: Option<&'a str>,
    /// Whether somebody is mentioned.
    pub is_mentioning: bool,
    /// Whether it answers another one.
    pub is_reply: bool,
    /// Whether it was copied from elsewhere.
    pub is_forward: bool,
}

/// The lexemes of a body: each word as it is, and beside it its stem where it is English.
pub fn lexemes(body: &str) -> Lexemes {
    let mut lexemes = Lexemes::new();
    for (place, token) in (1..).zip(tokenise(body)) {
        if let Some(stem) = stem(&token.term).filter(|stem| *stem != token.term) {
            add(&mut lexemes, of_stem(&stem), place);
        }
        add(&mut lexemes, token.term, place);
    }
    lexemes
}

/// The lexeme of a stem that is not itself the word, so that exact words can be told from it.
pub fn of_stem(stem: &str) -> String {
    format!("~{stem}")
}

/// What a message has in it.
pub fn traits(facts: Facts<'_>) -> Vec<Trait> {
    let has = [
        (Trait::Link, facts.body.is_some_and(has_link)),
        (Trait::Location, facts.kind == MessageKind::Location),
        (Trait::Mention, facts.is_mentioning),
        (Trait::Reply, facts.is_reply),
        (Trait::Forward, facts.is_forward),
    ];
    has.into_iter().filter_map(|(what, is_there)| is_there.then_some(what)).collect()
}

fn add(lexemes: &mut Lexemes, lexeme: String, place: usize) {
    let places = lexemes.entry(lexeme).or_default();
    if places.len() < PLACES {
        places.push(place);
    }
}

fn has_link(body: &str) -> bool {
    body.split(|sign: char| sign.is_whitespace() || "(<[\"'".contains(sign)).any(|word| {
        let address = ["https://", "http://", "www."].into_iter().find_map(|scheme| {
            let (start, rest) = word.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        });
        address.is_some_and(|rest| rest.starts_with(char::is_alphanumeric))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_where_it_is_and_so_does_its_stem() {
        let lexemes = lexemes("Dogs run, running dogs");

        let expected =
            [("dogs", vec![1, 4]), ("run", vec![2]), ("running", vec![3]), ("~dog", vec![1, 4]), ("~run", vec![3])];
        assert_eq!(lexemes, expected.map(|(lexeme, places)| (lexeme.to_owned(), places)).into());
    }

    #[test]
    fn a_word_said_over_and_over_has_as_many_places_as_are_kept() {
        assert_eq!(lexemes(&"so ".repeat(1_000))["so"].len(), PLACES);
    }

    #[test]
    fn addresses_of_pages_are_links_and_others_are_not() {
        for (body, expected) in [
            ("see https://example.com/x", true),
            ("(http://a.b)", true),
            ("HTTPS://EXAMPLE.COM", true),
            ("www.example.com", true),
            ("https://", false),
            ("http is old", false),
            ("awww.no", false),
            ("ada@example.com", false),
        ] {
            assert_eq!(has_link(body), expected, "{body}");
        }
    }
}
