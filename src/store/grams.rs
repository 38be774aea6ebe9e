//! What makes words of one and two characters findable, which the index of three characters cannot.
//!
//! A run of letters and digits with a Chinese, Japanese or Korean character in it gives every two neighbours and its
//! last character: `我爱你` gives `我爱 爱你 你`. Any other run gives its first two characters: that is what somebody
//! means who has typed two letters. A single character is looked for as the beginning of these.

use std::collections::BTreeSet;
use std::fmt::Write;

/// Returns a character as searches see it: lower case, one for one.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        c.to_ascii_lowercase()
    } else {
        c.to_lowercase().next().unwrap_or(c)
    }
}

/// Tells whether words are not written apart with such characters.
fn is_dense(c: char) -> bool {
    matches!(u32::from(c), 0x2e80..=0x9fff | 0xa960..=0xa97f | 0xac00..=0xd7ff | 0xf900..=0xfaff | 0xff66..=0xffdc | 0x2_0000..=0x3_ffff)
}

/// Returns the words for the index of short ones, each once, with blanks between.
pub(super) fn grams(text: &str) -> String {
    let mut found: BTreeSet<(char, Option<char>)> = BTreeSet::new();
    for run in text.split(|c: char| !c.is_alphanumeric()) {
        if run.chars().any(is_dense) {
            let mut chars = run.chars().map(fold).peekable();
            while let Some(c) = chars.next() {
                found.insert((c, chars.peek().copied()));
            }
        } else {
            let mut chars = run.chars().map(fold);
            if let Some(first) = chars.next() {
                found.insert((first, chars.next()));
            }
        }
    }
    found
        .into_iter()
        .fold(String::new(), |mut out, (first, second)| {
            let blank = if out.is_empty() { "" } else { " " };
            let _ = match second {
                Some(second) => write!(out, "{blank}{first}{second}"),
                None => write!(out, "{blank}{first}"),
            };
            out
        })
}

/// Tells whether a character begins one of a text's words in the index of short ones.
pub(super) fn begins_one(text: &str, wanted: char) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|run| {
        run.chars().next().map(fold) == Some(wanted)
            || run.chars().any(|c| fold(c) == wanted) && run.chars().any(is_dense)
    })
}

/// Returns what finds a term of one or two characters in the index of short ones; `None` when it is not in there.
pub(super) fn short_query(term: &[char]) -> Option<String> {
    match term {
        [one] if one.is_alphanumeric() => Some(format!("\"{one}\" *")),
        [first, second] if first.is_alphanumeric() && second.is_alphanumeric() => {
            Some(format!("\"{first}{second}\""))
        }
        _ => None,
    }
}

/// Returns what finds a term of three characters and more in the index of three: some of its triples, all of which
/// must be there.
pub(super) fn triples(term: &[char]) -> Vec<String> {
    /// More than these make nothing rarer.
    const MOST: usize = 12;
    let all = term.len().saturating_sub(2);
    let step = all.div_ceil(MOST).max(1);
    let quoted = |at: usize| {
        let triple: String = term[at..at + 3].iter().collect();
        format!("\"{}\"", triple.replace('"', "\"\""))
    };
    (0..all).step_by(step).map(quoted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_dense_text_and_beginnings_of_words() {
        assert_eq!(grams("我爱你"), "你 我爱 爱你");
        assert_eq!(grams("Go, gopher! 3D"), "3d go");
        assert_eq!(
            grams("第3章。東京タワー"),
            "3章 ワー 京タ 東京 章 第3 タワ ー"
                .split(' ')
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
                .join(" ")
        );
        assert_eq!(grams(" -- "), "");
    }

    #[test]
    fn what_begins_a_word_is_what_the_index_finds_by_it() {
        for text in [
            "我爱你",
            "Go, gopher! 3D",
            "第3章。東京タワー",
            "a1我",
            " -- ",
            "Éclair",
        ] {
            let words = grams(text);
            for wanted in "我爱你goph3d第章東タワー国1aé".chars() {
                let found = words.split(' ').any(|word| word.starts_with(wanted));
                assert_eq!(begins_one(text, wanted), found, "{wanted} in {text}");
            }
        }
    }

    #[test]
    fn a_long_term_gives_a_bounded_number_of_triples() {
        let term: Vec<char> = "abcdef".chars().collect();
        assert_eq!(triples(&term), ["\"abc\"", "\"bcd\"", "\"cde\"", "\"def\""]);
        let long: Vec<char> = "x".repeat(500).chars().collect();
        assert!(triples(&long).len() <= 12);
        assert_eq!(triples(&['a', '"', 'b']), ["\"a\"\"b\""]);
    }
}
