//! Cuts text into what can be looked for, each with where it stands in the raw text.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_script::{Script, UnicodeScript};
use unicode_segmentation::UnicodeSegmentation;

use super::fold::fold_into;

/// Characters of a word that count; what differs only later is the same.
const TERM_CHARACTERS: usize = 64;
/// Characters of one sign that count: some heap up marks, or glue emoji together.
const SIGN_CHARACTERS: usize = 16;

/// Scripts that are written without blanks between words, or whose words carry what would part them.
const DENSE: [Script; 11] = [
    Script::Han,
    Script::Hiragana,
    Script::Katakana,
    Script::Bopomofo,
    Script::Hangul,
    Script::Thai,
    Script::Lao,
    Script::Khmer,
    Script::Myanmar,
    Script::Tibetan,
    Script::Yi,
];

/// One thing that can be looked for. Tokens are numbered as they come, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// As it is compared.
    pub term: String,
    /// Where it begins in the raw text, in Unicode scalars.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What it is.
    pub kind: TokenKind,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A word, or a sign like an emoji.
    Word,
    /// Two neighbours in a text without blanks: where the first ends in the raw text, and in the term in bytes.
    Pair(usize, usize),
    /// The last sign of a text without blanks, which has no neighbour.
    Last,
}

/// A sign of a text without blanks.
struct Sign {
    folded: String,
    start: usize,
    end: usize,
}

enum Class {
    Word,
    Dense,
    /// A word of its own.
    Symbol,
    /// Parts nothing, such as a soft hyphen.
    Nothing,
    Break,
}

/// What is still being gathered.
#[derive(Default)]
struct Gathering {
    tokens: Vec<Token>,
    word: Option<Sign>,
    run: Vec<Sign>,
}

/// Cuts a text into tokens.
pub fn tokenise(text: &str) -> Vec<Token> {
    let mut gathering = Gathering::default();
    let mut start = 0;
    for piece in text.graphemes(true) {
        let end = start + piece.chars().count();
        match class(piece) {
            Class::Word => gathering.add_to_word(piece, start, end),
            Class::Dense => gathering.add_to_run(piece, start, end),
            Class::Symbol => gathering.add_symbol(piece, start, end),
            Class::Nothing => {}
            Class::Break => gathering.close(),
        }
        start = end;
    }
    gathering.close();
    gathering.tokens
}

/// The English stem of a word; nothing where the word may not be English.
pub fn stem(term: &str) -> Option<Cow<'_, str>> {
    thread_local! {
        static ENGLISH: Stemmer = Stemmer::create(Algorithm::English);
    }
    let is_word = term.len() > 2 && term.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word.then(|| ENGLISH.with(|stemmer| stemmer.stem(term)))
}

fn class(piece: &str) -> Class {
    let Some(first) = piece.chars().next() else { return Class::Break };
    match first {
        '\u{ad}' | '\u{2060}' => Class::Nothing,
        _ if first.is_ascii_alphanumeric() => Class::Word,
        _ if first.is_ascii() => Class::Break,
        _ if first.is_alphanumeric() => {
            let scripts = first.script_extension();
            let is_dense = DENSE.iter().any(|script| !scripts.is_common() && scripts.contains_script(*script));
            if is_dense { Class::Dense } else { Class::Word }
        }
        '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' => Class::Symbol,
        _ => Class::Break,
    }
}

fn shorten(term: &mut String, most: usize) {
    if let Some((cut, _)) = term.char_indices().nth(most) {
        term.truncate(cut);
    }
}

impl Gathering {
    fn add_to_word(&mut self, piece: &str, start: usize, end: usize) {
        self.close_run();
        let word = self.word.get_or_insert_with(|| Sign { folded: String::new(), start, end });
        fold_into(&mut word.folded, piece);
        word.end = end;
    }

    fn add_to_run(&mut self, piece: &str, start: usize, end: usize) {
        self.close_word();
        let mut folded = String::new();
        fold_into(&mut folded, piece);
        shorten(&mut folded, SIGN_CHARACTERS);
        if !folded.is_empty() {
            self.run.push(Sign { folded, start, end });
        }
    }

    fn add_symbol(&mut self, piece: &str, start: usize, end: usize) {
        self.close();
        // With or without the sign that asks for colour, it is the same one.
        let mut term = piece.replace('\u{fe0f}', "");
        shorten(&mut term, SIGN_CHARACTERS);
        self.tokens.push(Token { term, start, end, kind: TokenKind::Word });
    }

    fn close(&mut self) {
        self.close_word();
        self.close_run();
    }

    fn close_word(&mut self) {
        let Some(Sign { mut folded, start, end }) = self.word.take() else { return };
        if folded.is_empty() {
            return;
        }
        shorten(&mut folded, TERM_CHARACTERS);
        self.tokens.push(Token { term: folded, start, end, kind: TokenKind::Word });
    }

    fn close_run(&mut self) {
        for pair in self.run.windows(2) {
            let [one, next] = pair else { unreachable!("windows are as wide as they were asked to be") };
            let (term, kind) = (format!("{}{}", one.folded, next.folded), TokenKind::Pair(one.end, one.folded.len()));
            self.tokens.push(Token { term, start: one.start, end: next.end, kind });
        }
        if let Some(Sign { folded, start, end }) = self.run.pop() {
            self.tokens.push(Token { term: folded, start, end, kind: TokenKind::Last });
        }
        self.run.clear();
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn terms(text: &str) -> Vec<String> {
        tokenise(text).into_iter().map(|token| token.term).collect()
    }

    #[test]
    fn words_are_what_lies_between_other_signs() {
        for (text, expected) in [
            ("", vec![]),
            ("Hello, World!", vec!["hello", "world"]),
            ("l'été à Łódź", vec!["l", "ete", "a", "lodz"]),
            ("ada@example.com", vec!["ada", "example", "com"]),
            ("foo_bar-baz 3.14", vec!["foo", "bar", "baz", "3", "14"]),
            ("soft\u{ad}ware", vec!["software"]),
            ("नमस्ते दुनिया", vec!["नमस्ते", "दुनिया"]),
            ("مرحبا بالعالم", vec!["مرحبا", "بالعالم"]),
            ("👍🏽 ❤️ ok", vec!["👍🏽", "❤", "ok"]),
            ("'\"\\%~:*&|!<>()", vec![]),
        ] {
            assert_eq!(terms(text), expected, "{text}");
        }
    }

    #[test]
    fn text_without_blanks_is_cut_into_neighbours() {
        assert_eq!(terms("東京大学"), ["東京", "京大", "大学", "学"]);
        assert_eq!(terms("2024年度、新"), ["2024", "年度", "度", "新"]);
        assert_eq!(terms("학교에서"), ["학교", "교에", "에서", "서"]);
        assert_eq!(terms("กินข้าว"), ["กิน", "นข้", "ข้า", "าว", "ว"]);
        assert_eq!(terms("スーパー"), ["スー", "ーパ", "パー", "ー"]);
    }

    #[test]
    fn places_are_counted_in_the_raw_text() {
        let tokens = tokenise("e\u{301}té 東京 ok");

        let places: Vec<_> = tokens.iter().map(|token| (token.term.as_str(), token.start, token.end)).collect();
        assert_eq!(places, [("ete", 0, 4), ("東京", 5, 7), ("京", 6, 7), ("ok", 8, 10)]);
    }

    #[test]
    fn only_english_words_have_stems() {
        assert_eq!(stem("running").as_deref(), Some("run"));
        assert_eq!(stem("run").as_deref(), Some("run"));
        assert_eq!(stem("бегать"), None);
        assert_eq!(stem("r2"), None);
        assert_eq!(stem("is"), None);
    }

    #[test]
    fn a_term_is_never_too_long_for_the_database() {
        let longest = terms(&"𝔵".repeat(16_000));
        let marked = terms(&format!("ก{}", "\u{e48}".repeat(10_000)));

        assert_eq!(longest, ["x".repeat(64)]);
        assert!(marked.iter().all(|term| term.len() <= 64 * 4), "{}", marked[0].len());
    }

    #[test]
    fn whatever_the_text_tokens_stand_in_order_within_it() {
        let mut chance = StdRng::seed_from_u64(4);
        for _ in 0..2_000 {
            let text: String = (0..chance.random_range(0..40)).map(|_| any_sign(&mut chance)).collect();
            let length = text.chars().count();

            let tokens = tokenise(&text);

            assert!(
                tokens.iter().all(|token| !token.term.is_empty() && token.start < token.end && token.end <= length)
            );
            assert!(tokens.windows(2).all(|pair| pair[0].start < pair[1].start), "{text:?}: {tokens:?}");
            assert_eq!(tokens, tokenise(&text));
        }
    }

    fn any_sign(chance: &mut StdRng) -> char {
        let interesting =
            ['a', 'É', 'ß', ' ', '"', '-', '*', ':', '東', 'カ', '\u{3099}', '한', 'ก', '\u{e34}', '👍', '\u{200d}'];
        match chance.random_range(0..4) {
            0 => char::from_u32(chance.random_range(0..0x0011_0000)).unwrap_or(' '),
            _ => interesting[chance.random_range(0..interesting.len())],
        }
    }
}
