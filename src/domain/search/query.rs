//! Understands a typed line. Nothing typed is an error: what makes no sense as an operator is words, or nothing.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime};

use super::{
    Trait,
    tokens::{Token, TokenKind, stem, tokenise},
};
use crate::domain::{
    clock::{Time, within_reach},
    error::Error,
};

/// Clauses of a line that count; what is typed beyond is left aside.
const CLAUSES: usize = 32;

/// A typed line, understood. A message must fulfil all of it; of several senders or conversations it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What must be in the text.
    pub wanted: Vec<Clause>,
    /// What must not be.
    pub unwanted: Vec<Clause>,
    /// `from:`, usernames or ids, or `me`.
    pub senders: Vec<String>,
    /// `in:`, names or ids of conversations.
    pub places: Vec<String>,
    /// `has:`.
    pub has: Vec<Trait>,
    /// `before:`, the earliest of them.
    pub before: Option<Time>,
    /// `after:`, the latest of them.
    pub after: Option<Time>,
}

/// A word, or several that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause(pub Vec<Atom>);

/// One word of a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atom {
    /// How many tokens after the first of the clause.
    pub offset: usize,
    /// What to look for, folded.
    pub term: String,
    /// What fits.
    pub fit: Fit,
}

/// What fits a word that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The same word.
    Same,
    /// A word with this stem.
    Stem,
    /// A word that begins so.
    Beginning,
}

/// A day or a moment, as it is written in an operator or beside the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A day, in UTC.
    Day(NaiveDate),
    /// A moment.
    Moment(Time),
}

/// A part of a line: an operator before what is typed, `-` before both, quotes around.
struct Part<'a> {
    is_unwanted: bool,
    operator: Option<(&'a str, &'a str)>,
    words: &'a str,
    is_quoted: bool,
}

impl Query {
    /// Understands a line.
    pub fn parse(line: &str) -> Self {
        let mut query = Self::default();
        let mut rest = line;
        while let Some((part, after)) = next_part(rest) {
            rest = after;
            if !query.obey(&part) {
                query.look_for(&part);
            }
        }
        query
    }

    /// Whether it asks for anything at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes a part as an operator; false where it makes no sense as one.
    fn obey(&mut self, part: &Part<'_>) -> bool {
        let Some((operator, value)) = part.operator.filter(|_| !part.is_unwanted) else { return false };
        match operator.to_ascii_lowercase().as_str() {
            // Somebody is about to type what.
            "from" | "in" | "has" | "before" | "after" if value.is_empty() => {}
            "from" => self.senders.push(value.trim_start_matches('@').to_owned()),
            "in" => self.places.push(value.trim_start_matches('#').to_owned()),
            "has" => {
                let Ok(what) = value.to_ascii_lowercase().parse() else { return false };
                self.has.push(what);
            }
            "before" => {
                let Ok(when) = value.parse::<When>() else { return false };
                self.before = Some(self.before.map_or(when.start(), |other| other.min(when.start())));
            }
            "after" => {
                let Ok(when) = value.parse::<When>() else { return false };
                self.after = self.after.max(Some(when.just_before()));
            }
            _ => return false,
        }
        true
    }

    fn look_for(&mut self, part: &Part<'_>) {
        if self.wanted.len() + self.unwanted.len() == CLAUSES {
            return;
        }
        let Some(clause) = Clause::of(part) else { return };
        if part.is_unwanted {
            self.unwanted.push(clause);
        } else {
            self.wanted.push(clause);
        }
    }
}

impl Clause {
    fn of(part: &Part<'_>) -> Option<Self> {
        let tokens = tokenise(part.words);
        let is_begun = !part.is_quoted && part.words.ends_with('*');
        let lone = tokens.len() == 1 && !part.is_quoted && !is_begun;
        let mut atoms: Vec<_> = (0..).zip(&tokens).filter_map(|(at, token)| Atom::of(at, token, &tokens)).collect();
        let last = atoms.last_mut()?;
        if is_begun {
            last.fit = Fit::Beginning;
        } else if lone && let Some(stem) = stem(&last.term).filter(|_| last.fit == Fit::Same) {
            (last.term, last.fit) = (stem.into_owned(), Fit::Stem);
        }
        Some(Self(atoms))
    }
}

impl Atom {
    fn of(at: usize, token: &Token, tokens: &[Token]) -> Option<Self> {
        let fit = match token.kind {
            TokenKind::Word | TokenKind::Pair(..) => Fit::Same,
            // The pair before it has it in it.
            TokenKind::Last if at > 0 && matches!(tokens[at - 1].kind, TokenKind::Pair(..)) => return None,
            // In a text it may have a neighbour.
            TokenKind::Last => Fit::Beginning,
        };
        Some(Self { offset: at, term: token.term.clone(), fit })
    }

    /// Whether a token of a text is what is looked for.
    pub fn fits(&self, token: &Token) -> bool {
        match self.fit {
            Fit::Same => token.term == self.term,
            Fit::Beginning => token.term.starts_with(&self.term),
            Fit::Stem => token.term == self.term || stem(&token.term).is_some_and(|stem| stem == self.term),
        }
    }
}

impl When {
    /// The first moment of it.
    pub fn start(self) -> Time {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN).and_utc(),
            Self::Moment(moment) => moment,
        }
    }

    /// The moment after which things are after it: a day's own messages are after that day has begun.
    pub fn just_before(self) -> Time {
        match self {
            Self::Day(_) => self.start() - Duration::microseconds(1),
            Self::Moment(moment) => moment,
        }
    }
}

impl std::str::FromStr for When {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let when = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(day) => Self::Day(day),
            Err(_) => Self::Moment(DateTime::parse_from_rfc3339(text).map_err(|_| UNREADABLE)?.to_utc()),
        };
        within_reach(when.start()).map(|_| when).ok_or(UNREADABLE)
    }
}

const UNREADABLE: Error = Error::Malformed("A time is written as 2024-05-31, or as in RFC 3339.");

/// Cuts the next part off a line.
fn next_part(line: &str) -> Option<(Part<'_>, &str)> {
    let line = line.trim_start();
    if line.is_empty() {
        return None;
    }
    let bare = line.trim_start_matches('-');
    let is_unwanted = bare.len() < line.len();
    if let Some((words, rest)) = quoted(bare) {
        return Some((Part { is_unwanted, operator: None, words, is_quoted: true }, rest));
    }
    let end = bare.find(|sign: char| sign.is_whitespace() || is_quote(sign)).unwrap_or(bare.len());
    let (word, rest) = bare.split_at(end);
    match word.split_once(':') {
        // What is quoted may have blanks in it: in:"The Team".
        Some((operator, "")) if let Some((value, rest)) = quoted(rest) => {
            let words = &bare[..bare.len() - rest.len()];
            Some((Part { is_unwanted, operator: Some((operator, value)), words, is_quoted: false }, rest))
        }
        operator => Some((Part { is_unwanted, operator, words: word, is_quoted: false }, rest)),
    }
}

/// What stands in quotes at the beginning of a line, and what follows; a quote that is not closed ends with the line.
fn quoted(line: &str) -> Option<(&str, &str)> {
    let inside = line.strip_prefix(is_quote)?;
    Some(inside.split_once(is_quote).unwrap_or((inside, "")))
}

fn is_quote(sign: char) -> bool {
    matches!(sign, '"' | '“' | '”' | '„' | '«' | '»')
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// A line, spelt out: `run~` for a stem, `wor*` for a beginning, dots for what may lie between.
    fn spelt(clauses: &[Clause]) -> Vec<String> {
        let spell = |atom: &Atom| match atom.fit {
            Fit::Same => atom.term.clone(),
            Fit::Stem => format!("{}~", atom.term),
            Fit::Beginning => format!("{}*", atom.term),
        };
        let spell_clause = |Clause(atoms): &Clause| {
            let mut text = String::new();
            let mut next = 0;
            for atom in atoms {
                let gap = if next == 0 { String::new() } else { format!(" {}", ".".repeat(atom.offset - next)) };
                text =
                    text + gap.trim_end_matches(' ') + if next == 0 || gap.len() > 1 { "" } else { " " } + &spell(atom);
                next = atom.offset + 1;
            }
            text
        };
        clauses.iter().map(spell_clause).collect()
    }

    fn wanted(line: &str) -> Vec<String> {
        spelt(&Query::parse(line).wanted)
    }

    fn unwanted(line: &str) -> Vec<String> {
        spelt(&Query::parse(line).unwanted)
    }

    #[test]
    fn words_beginnings_and_phrases_are_told_apart() {
        for (line, expected) in [
            ("running Café", vec!["run~", "cafe~"]),
            ("wor*", vec!["wor*"]),
            ("\"running fast\"", vec!["running fast"]),
            ("“running fast”", vec!["running fast"]),
            ("\"running\"", vec!["running"]),
            ("don't", vec!["don t"]),
            ("ada@example.com", vec!["ada example com"]),
            ("wi-fi rout*", vec!["wi fi", "rout*"]),
            ("бегать", vec!["бегать"]),
            ("東京", vec!["東京"]),
            ("東京大学", vec!["東京 京大 大学"]),
            ("東", vec!["東*"]),
            ("2024年", vec!["2024 年*"]),
            ("東京2024", vec!["東京 .2024"]),
            ("say \"open end", vec!["say~", "open end"]),
            ("👍", vec!["👍"]),
        ] {
            assert_eq!(wanted(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_marked_so() {
        for (line, expected) in [
            ("-foo", vec!["foo~"]),
            ("--foo", vec!["foo~"]),
            ("a -\"b c\" -d*", vec!["b c", "d*"]),
            ("a-b", vec![]),
            ("- foo", vec![]),
            ("-", vec![]),
        ] {
            assert_eq!(unwanted(line), expected, "{line}");
        }
    }

    #[test]
    fn operators_are_obeyed() {
        let line = "FROM:@ada in:\"The Team\" in:#dev has:link before:2024-05-01 after:2024-04-01T10:00:00+02:00 lunch";
        let query = Query::parse(line);

        assert_eq!(query.senders, ["ada"]);
        assert_eq!(query.places, ["The Team", "dev"]);
        assert_eq!(query.has, [Trait::Link]);
        assert_eq!(query.before, "2024-05-01T00:00:00Z".parse().ok());
        assert_eq!(query.after, "2024-04-01T08:00:00Z".parse().ok());
        assert_eq!(spelt(&query.wanted), ["lunch~"]);
    }

    #[test]
    fn a_day_begins_before_its_first_message() {
        let day = Query::parse("after:2024-04-01").after;
        let narrowest = Query::parse("before:2024-05-01 before:2024-04-30 after:2024-01-01 after:2024-01-02");

        assert_eq!(day, "2024-03-31T23:59:59.999999Z".parse().ok());
        assert_eq!(narrowest.before, "2024-04-30T00:00:00Z".parse().ok());
        assert_eq!(narrowest.after, "2024-01-01T23:59:59.999999Z".parse().ok());
    }

    #[test]
    fn odd_operators_are_words_or_nothing() {
        for (line, expected) in [
            ("has:banana", vec!["has banana"]),
            ("before:yesterday", vec!["before yesterday"]),
            ("before:2024-02-31", vec!["before 2024 02 31"]),
            ("after:99999-01-01", vec!["after 99999 01 01"]),
            ("from:", vec![]),
            ("has: in:\"\" a", vec!["a"]),
            ("in:\"\"", vec![]),
            ("time: 10:30", vec!["time~", "10 30"]),
            ("-from:ada", vec![]),
            ("a OR b AND NOT c", vec!["a", "or", "b", "and~", "not~", "c"]),
            ("***", vec![]),
            ("\"\"", vec![]),
            ("& | ! <-> ( ) :* ' \\ %", vec![]),
        ] {
            assert_eq!(wanted(line), expected, "{line}");
        }
    }

    #[test]
    fn only_so_many_clauses_count() {
        assert_eq!(Query::parse(&"a -b ".repeat(100)).wanted.len(), CLAUSES / 2);
    }

    #[test]
    fn whatever_is_typed_is_understood() {
        let mut chance = StdRng::seed_from_u64(11);
        let pieces = [
            "from:",
            "in:",
            "has:",
            "before:",
            "after:",
            "\"",
            "“",
            "-",
            "*",
            ":",
            " ",
            "a",
            "東",
            "ก",
            "é",
            "2024-01-01",
            "\0",
            "\u{301}",
        ];
        for _ in 0..5_000 {
            let line: String =
                (0..chance.random_range(0..20)).map(|_| pieces[chance.random_range(0..pieces.len())]).collect();

            let query = Query::parse(&line);

            for Clause(atoms) in query.wanted.iter().chain(&query.unwanted) {
                assert!(atoms.first().is_some_and(|atom| atom.offset == 0), "{line:?}");
                assert!(atoms.windows(2).all(|pair| pair[0].offset < pair[1].offset), "{line:?}");
            }
        }
    }
}
