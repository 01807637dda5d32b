//! Makes alike what people take for the same: case, accents, widths and ligatures.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Appends a piece of text as it is compared; what is neither a letter, a number nor a mark of one is dropped.
pub fn fold_into(folded: &mut String, piece: &str) {
    if piece.is_ascii() {
        let kept = piece.chars().filter(char::is_ascii_alphanumeric);
        return folded.extend(kept.map(|sign| sign.to_ascii_lowercase()));
    }
    // Taken apart to lose the accents, and put together again, because syllables of Korean come apart too.
    let bare = piece.nfkd().filter(|sign| !is_accent(*sign)).flat_map(char::to_lowercase);
    let mut plain = String::with_capacity(piece.len());
    bare.for_each(|sign| push_plain(&mut plain, sign));
    folded.extend(plain.nfc().filter(|sign| sign.is_alphanumeric() || is_combining_mark(*sign)));
}

/// The same for a whole text.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(&mut folded, text);
    folded
}

/// Marks without which a word stays the same word: those of Latin, Greek, Cyrillic, Hebrew and Arabic. The vowels of
/// Indic scripts and of Thai are marks too, but without them a word is another one.
fn is_accent(sign: char) -> bool {
    matches!(sign,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{591}'..='\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}'
        | '\u{fe00}'..='\u{fe0f}')
}

/// Letters that are written otherwise where a keyboard lacks them, and that Unicode does not take apart.
fn push_plain(plain: &mut String, sign: char) {
    match sign {
        'ß' => plain.push_str("ss"),
        'æ' => plain.push_str("ae"),
        'œ' => plain.push_str("oe"),
        'þ' => plain.push_str("th"),
        'ø' => plain.push('o'),
        'đ' | 'ð' => plain.push('d'),
        'ħ' => plain.push('h'),
        'ı' => plain.push('i'),
        'ł' => plain.push('l'),
        'ς' => plain.push('σ'),
        _ => plain.push(sign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_take_for_the_same_is_the_same() {
        for (one, other) in [
            ("Café", "CAFE"),
            ("cafe\u{301}", "café"),
            ("Straße", "STRASSE"),
            ("Smørrebrød", "smorrebrod"),
            ("Łódź", "lodz"),
            ("İstanbul", "ISTANBUL"),
            ("ırmak", "irmak"),
            ("ΌΔΥΣΣΕΎΣ", "οδυσσευς"),
            ("Ёлка", "елка"),
            ("Việt", "viet"),
            ("ﬁn", "fin"),
            ("ｆｕｌｌ", "full"),
            ("ｶﾞｲﾄﾞ", "ガイド"),
            ("مُحَمَّد", "محمد"),
            ("أحمد", "احمد"),
            ("שָׁלוֹם", "שלום"),
            ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
        }
    }

    #[test]
    fn what_makes_another_word_stays() {
        for (one, other) in [("か", "が"), ("ไม่", "ไม"), ("कि", "की"), ("はは", "ぱぱ"), ("2", "3")]
        {
            assert_ne!(fold(one), fold(other), "{one} and {other}");
        }
    }

    #[test]
    fn nothing_is_left_that_a_database_could_take_for_more_than_a_letter() {
        let everything: String = (char::MIN..=char::MAX).collect();

        let folded = fold(&everything);

        let odd = folded.chars().find(|sign| sign.is_ascii() && !sign.is_ascii_alphanumeric() || sign.is_whitespace());
        assert_eq!(odd, None);
    }
}
