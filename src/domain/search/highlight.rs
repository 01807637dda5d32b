//! Marks in a message why it was found.

use std::collections::BTreeSet;

use super::{
    query::{Atom, Clause},
    tokens::{Token, TokenKind, tokenise},
};
use crate::domain::message::Message;

/// Ranges that are marked in one body at most.
const RANGES: usize = 100;
/// Characters of a snippet, more or less.
const SNIPPET: usize = 160;
/// Characters of it before what was found.
const BEFORE: usize = 40;

/// Why a message was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Highlight {
    /// A part of the body, on one line, around what was found first; or the name of a file.
    pub snippet: String,
    /// What was found: from and up to, in Unicode scalars of the body; ascending, and none within another.
    pub ranges: Vec<(usize, usize)>,
}

/// Marks in a message what fits the clauses that were wanted; where only the name of a file does, shows that.
pub fn in_message(message: &Message, wanted: &[Clause]) -> Highlight {
    let in_body = highlight(message.body.as_deref().unwrap_or_default(), wanted);
    let fits = |name: &&str| in_body.ranges.is_empty() && !highlight(name, wanted).ranges.is_empty();
    match message.attachments.iter().map(|file| file.filename.as_str()).find(fits) {
        Some(name) => Highlight { snippet: name.to_owned(), ..in_body },
        None => in_body,
    }
}

/// Marks in a body what fits the clauses that were wanted.
fn highlight(body: &str, wanted: &[Clause]) -> Highlight {
    let ranges = if wanted.is_empty() { Vec::new() } else { ranges(&tokenise(body), wanted) };
    let first = ranges.first().copied().unwrap_or_default();
    Highlight { snippet: snippet(body, first), ranges }
}

fn ranges(tokens: &[Token], wanted: &[Clause]) -> Vec<(usize, usize)> {
    let mut found = BTreeSet::new();
    for Clause(atoms) in wanted {
        for at in 0..tokens.len() {
            if let Some(range) = fitting(&tokens[at..], atoms) {
                found.insert(range);
            }
        }
    }
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (start, end) in found {
        match ranges.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => ranges.push((start, end)),
        }
    }
    ranges.truncate(RANGES);
    ranges
}

/// The range of a clause that begins with the first token.
fn fitting(tokens: &[Token], atoms: &[Atom]) -> Option<(usize, usize)> {
    let mut end = 0;
    for atom in atoms {
        let token = tokens.get(atom.offset).filter(|token| atom.fits(token))?;
        end = end.max(match token.kind {
            // Of a pair only the first sign may have been looked for.
            TokenKind::Pair(first_end, first_bytes) if atom.term.len() <= first_bytes => first_end,
            _ => token.end,
        });
    }
    Some((tokens.first()?.start, end))
}

fn snippet(body: &str, (start, end): (usize, usize)) -> String {
    let signs: Vec<char> = body.chars().collect();
    let mut from = start.saturating_sub(BEFORE);
    if signs.len() <= SNIPPET {
        from = 0;
    } else if from > 0 {
        // Rather between two words than within one.
        from = (from..start).find(|at| signs[at - 1].is_whitespace()).unwrap_or(from);
    }
    let to = (from + SNIPPET).max(end.min(from + 2 * SNIPPET)).min(signs.len());
    let part: String = signs[from..to].iter().collect();
    let line = part.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < signs.len() { "…" } else { "" });
    format!("{before}{line}{after}")
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::domain::search::query::Query;

    fn marked(body: &str, line: &str) -> String {
        let highlight = highlight(body, &Query::parse(line).wanted);
        let mut text = String::new();
        for (at, sign) in body.chars().enumerate() {
            text.extend(highlight.ranges.iter().filter(|(start, _)| *start == at).map(|_| '['));
            text.push(sign);
            text.extend(highlight.ranges.iter().filter(|(_, end)| *end == at + 1).map(|_| ']'));
        }
        text
    }

    #[test]
    fn what_was_found_is_marked_where_it_stands() {
        for (body, line, expected) in [
            ("Dogs run. I was running!", "run", "Dogs [run]. I was [running]!"),
            ("Dogs run. I was running!", "\"run\"", "Dogs [run]. I was running!"),
            ("Hello world, worldly words", "wor*", "Hello [world], [worldly] [words]"),
            ("the quick brown fox is quick", "\"quick brown\"", "the [quick brown] fox is quick"),
            ("un café, deux Cafe\u{301}s", "cafes", "un [café], deux [Cafe\u{301}s]"),
            ("Ich wohne in der Straße 5", "STRASSE", "Ich wohne in der [Straße] 5"),
            ("👩‍👩‍👧 grüße aus 東京大学です", "東京", "👩‍👩‍👧 grüße aus [東京]大学です"),
            ("東京大学", "東京大学", "[東京大学]"),
            ("東京、京都", "京", "東[京]、[京]都"),
            ("나는 학교에서 공부했다", "학교", "나는 [학교]에서 공부했다"),
            ("วันนี้ฉันไปตลาดกับแม่", "ตลาด", "วันนี้ฉันไป[ตลาด]กับแม่"),
            ("我喜欢北京烤鸭", "北京 喜欢", "我[喜欢][北京]烤鸭"),
            ("ada@example.com wrote", "example", "ada@[example].com wrote"),
            ("a b a b a", "\"a b a\"", "[a b a b a]"),
            ("nothing", "else", "nothing"),
        ] {
            assert_eq!(marked(body, line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_wanted_marks_nothing() {
        assert_eq!(marked("one two", "one -three -two"), "[one] two");
        assert_eq!(highlight("one two", &[]).ranges, []);
    }

    #[test]
    fn a_snippet_is_one_line_around_the_first_hit() {
        let body = format!("{} the needle\nlies\n\n here {}", "hay ".repeat(100), "straw ".repeat(100));

        let Highlight { snippet, ranges } = highlight(&body, &Query::parse("needle").wanted);

        assert_eq!(ranges, [(405, 411)]);
        assert!(snippet.starts_with("…hay ") && snippet.ends_with('…'), "{snippet}");
        assert!(snippet.contains("hay the needle lies here straw") && !snippet.contains('\n'), "{snippet}");
        assert!((120..=165).contains(&snippet.chars().count()), "{}", snippet.chars().count());
        assert_eq!(highlight("short", &Query::parse("short").wanted).snippet, "short");
        assert_eq!(highlight(&"x".repeat(1_000), &[]).snippet.chars().count(), SNIPPET + 1);
    }

    #[test]
    fn whatever_the_body_ranges_ascend_within_it() {
        let mut chance = StdRng::seed_from_u64(3);
        let pieces = ["run", "running", " ", "東京", "京", "é", "e\u{301}", "ก", "\u{e34}", "👍🏽", "-", "Ⅷ", "ﬁ", "한"];
        for _ in 0..3_000 {
            let mut any = |most| {
                (0..chance.random_range(0..most)).map(|_| pieces[chance.random_range(0..pieces.len())]).collect()
            };
            let (body, line): (String, String) = (any(30), any(4));

            let Highlight { ranges, .. } = highlight(&body, &Query::parse(&line).wanted);

            let length = body.chars().count();
            assert!(ranges.iter().all(|(start, end)| start < end && *end <= length), "{body:?} {line:?} {ranges:?}");
            assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{body:?} {line:?} {ranges:?}");
        }
    }
}
