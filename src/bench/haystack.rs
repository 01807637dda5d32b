//! What people said who never were: words as often as people use theirs, and what a search of them must find.

use rand::{RngExt, rngs::StdRng};
use uuid::Uuid;

use crate::domain::clock::Time;

/// Words that anybody knows.
const VOCABULARY: usize = 30_000;
/// Words of a message.
const LENGTHS: std::ops::Range<usize> = 3..19;
/// One message in so many has the address of a page in it.
const LINKS: u32 = 50;
const CONSONANTS: &[u8] = b"bdgkmpvz";
const VOWELS: &[u8] = b"aou";

/// Words, the commonest first. The second comes half as often as the first, the third a third as often (Zipf's law).
#[derive(Debug)]
pub struct Vocabulary {
    words: Vec<String>,
    /// How many of all words that are said are one of these or of those before.
    shares: Vec<f64>,
}

/// What was said once.
#[derive(Debug)]
pub struct Said {
    /// Where.
    pub conversation: Uuid,
    /// Its place in the log.
    pub seq: i64,
    /// By whom.
    pub sender: Uuid,
    /// When.
    pub at: Time,
    /// Its words, by their ranks.
    pub words: Vec<u16>,
    /// Whether there is an address in it.
    pub has_link: bool,
}

impl Vocabulary {
    /// Makes it up.
    pub fn new() -> Self {
        let weights = (1..=VOCABULARY).scan(0.0, |sum, rank| {
            *sum += 1.0 / rank as f64;
            Some(*sum)
        });
        let sums: Vec<f64> = weights.collect();
        let all = sums.last().copied().unwrap_or(1.0);
        Self { words: (0..VOCABULARY).map(word).collect(), shares: sums.into_iter().map(|sum| sum / all).collect() }
    }

    /// The word of a rank.
    pub fn word(&self, rank: u16) -> &str {
        &self.words[usize::from(rank)]
    }

    /// What somebody might say, and whether there is an address in it.
    pub fn say(&self, dice: &mut StdRng) -> (Vec<u16>, bool) {
        let length = dice.random_range(LENGTHS);
        let words = (0..length).map(|_| {
            let at: f64 = dice.random();
            self.shares.partition_point(|share| *share <= at).min(VOCABULARY - 1) as u16
        });
        (words.collect(), dice.random_ratio(1, LINKS))
    }

    /// The same as a body.
    pub fn body(&self, words: &[u16], has_link: bool) -> String {
        let mut body = words.iter().map(|rank| self.word(*rank)).collect::<Vec<_>>().join(" ");
        if has_link {
            body.push_str(" https://example.com/");
        }
        body
    }
}

/// A word of syllables, none of which makes an English ending: it is its own stem.
fn word(rank: usize) -> String {
    let (mut rest, mut word) = (rank, Vec::new());
    let syllables = CONSONANTS.len() * VOWELS.len();
    loop {
        word.push(VOWELS[rest % syllables % VOWELS.len()]);
        word.push(CONSONANTS[rest % syllables / VOWELS.len()]);
        rest /= syllables;
        if rest == 0 {
            break;
        }
        rest -= 1;
    }
    String::from_utf8(word).expect("letters are letters")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;
    use crate::domain::search::tokens::stem;

    #[test]
    fn no_word_is_another_or_has_another_stem() {
        let vocabulary = Vocabulary::new();

        let distinct: HashSet<_> = vocabulary.words.iter().collect();

        assert_eq!(distinct.len(), VOCABULARY);
        assert!(vocabulary.words.iter().all(|word| stem(word).is_none_or(|stem| stem == *word)));
    }

    #[test]
    fn common_words_are_common() {
        let (vocabulary, mut dice) = (Vocabulary::new(), StdRng::seed_from_u64(1));

        let said: Vec<_> = (0..2_000).map(|_| vocabulary.say(&mut dice).0).collect();

        let with = |rank| said.iter().filter(|words| words.contains(&rank)).count();
        assert!(with(0) > 900 && (20..200).contains(&with(30)) && with(20_000) < 5, "{} {}", with(0), with(30));
    }
}
