//! What the index keeps of a message: its words and stems with their places, who sent it, and what is in it.

use std::collections::BTreeMap;

use super::{
    Trait,
    tokens::{stem, tokenise},
};
use crate::domain::{
    attachment::{Attachment, AttachmentKind},
    ids::UserId,
    message::MessageKind,
};

/// How often a word of one text is worth a place; PostgreSQL keeps no more.
const PLACES: usize = 255;

/// Where each lexeme of a text stands: 1 for the first token.
pub type Lexemes = BTreeMap<String, Vec<usize>>;

/// What is known of a message besides its words.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What it is.
    pub kind: MessageKind,
    /// Who wrote it.
    pub sender_id: UserId,
    /// The words.
    pub body: Option<&'a str>,
    /// The files that it carries.
    pub attachments: &'a [Attachment],
    /// Whether somebody is mentioned.
    pub is_mentioning: bool,
    /// Whether it answers another one.
    pub is_reply: bool,
    /// Whether it was copied from elsewhere.
    pub is_forward: bool,
}

/// What a message can be found by: each word of it and of its files' names as it is, beside it its stem where it is
/// English, and, without a place, what is known of it besides.
pub fn lexemes(facts: Facts<'_>) -> Lexemes {
    let mut lexemes = Lexemes::new();
    let mut place = 0;
    for text in facts.body.into_iter().chain(facts.attachments.iter().map(|file| file.filename.as_str())) {
        for token in tokenise(text) {
            place += 1;
            if let Some(stem) = stem(&token.term).filter(|stem| *stem != token.term) {
                add(&mut lexemes, of_stem(&stem), place);
            }
            add(&mut lexemes, token.term, place);
        }
        // No phrase goes from one text into the next.
        place += 1;
    }
    let besides = [of_sender(facts.sender_id), of_kind(facts.kind)].into_iter().chain(traits(facts).map(of_trait));
    lexemes.extend(besides.map(|lexeme| (lexeme, Vec::new())));
    lexemes
}

/// The lexeme of who sent a message. No word begins like this one, nor like the next two.
pub fn of_sender(sender: UserId) -> String {
    format!("@{}", sender.0.simple())
}

/// The lexeme of what a message is.
pub fn of_kind(kind: MessageKind) -> String {
    format!("#{}", <&str>::from(kind))
}

/// The lexeme of something that a message has in it.
pub fn of_trait(what: Trait) -> String {
    format!("+{}", <&str>::from(what))
}

/// The lexeme of a stem that is not itself the word, so that exact words can be told from it.
pub fn of_stem(stem: &str) -> String {
    format!("~{stem}")
}

/// What a message has in it.
fn traits(facts: Facts<'_>) -> impl Iterator<Item = Trait> {
    let carries = |kind| facts.attachments.iter().any(|file| file.kind == kind);
    let has = [
        (Trait::Link, facts.body.is_some_and(has_link)),
        (Trait::File, !facts.attachments.is_empty()),
        (Trait::Image, carries(AttachmentKind::Image)),
        (Trait::Video, carries(AttachmentKind::Video)),
        (Trait::Audio, carries(AttachmentKind::Audio)),
        (Trait::Location, facts.kind == MessageKind::Location),
        (Trait::Mention, facts.is_mentioning),
        (Trait::Reply, facts.is_reply),
        (Trait::Forward, facts.is_forward),
    ];
    has.into_iter().filter_map(|(what, is_there)| is_there.then_some(what))
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
    use crate::domain::{attachment::Details, ids::AttachmentId};

    /// The words of a message, and where they stand.
    fn words(body: &str, attachments: &[Attachment]) -> Lexemes {
        let mut lexemes = lexemes(Facts { body: Some(body), attachments, ..nothing() });
        lexemes.retain(|_, places| !places.is_empty());
        lexemes
    }

    fn nothing() -> Facts<'static> {
        Facts {
            kind: MessageKind::Text,
            sender_id: UserId(uuid::Uuid::nil()),
            body: None,
            attachments: &[],
            is_mentioning: false,
            is_reply: false,
            is_forward: false,
        }
    }

    fn file(kind: AttachmentKind, filename: &str) -> Attachment {
        let (id, filename, details) = (AttachmentId::new_v7(), filename.to_owned(), Details::default());
        Attachment { id, kind, filename, mime_type: String::new(), size: 1, details }
    }

    #[test]
    fn a_word_stands_where_it_is_and_so_does_its_stem() {
        let lexemes = words("Dogs run, running dogs", &[]);

        let expected =
            [("dogs", vec![1, 4]), ("run", vec![2]), ("running", vec![3]), ("~dog", vec![1, 4]), ("~run", vec![3])];
        assert_eq!(lexemes, expected.map(|(lexeme, places)| (lexeme.to_owned(), places)).into());
    }

    #[test]
    fn a_word_said_over_and_over_has_as_many_places_as_are_kept() {
        assert_eq!(words(&"so ".repeat(1_000), &[])["so"].len(), PLACES);
    }

    #[test]
    fn a_files_name_is_no_part_of_a_phrase_of_the_body() {
        let lexemes = words("the plan", &[file(AttachmentKind::File, "plan_b.pdf"), file(AttachmentKind::File, "c")]);

        let expected = [("b", vec![5]), ("c", vec![8]), ("pdf", vec![6]), ("plan", vec![2, 4]), ("the", vec![1])];
        assert_eq!(lexemes, expected.map(|(lexeme, places)| (lexeme.to_owned(), places)).into());
    }

    #[test]
    fn what_is_known_besides_the_words_stands_beside_them() {
        let attachments = [file(AttachmentKind::Image, "."), file(AttachmentKind::Audio, ".")];
        let facts = Facts { attachments: &attachments, is_reply: true, ..nothing() };

        let lexemes: Vec<_> = lexemes(facts).into_keys().collect();

        let sender = format!("@{}", "0".repeat(32));
        assert_eq!(lexemes, ["#text", "+audio", "+file", "+image", "+reply", &sender]);
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
