//! Cutting Markdown: into pieces as a model sends them, and into blocks that can stand alone.

use std::ops::Range;

/// Cuts a text into pieces as a model would send them: one or two words, or one or two Chinese characters. Each
/// counts as one token. Together they are the text.
pub(in crate::sim) fn pieces(text: &str) -> Vec<&str> {
    /// Two words go together when they are this short.
    const SHORT: usize = 9;
    let mut pieces = Vec::with_capacity(text.len() / 6 + 1);
    let mut words = words_of(text).peekable();
    while let Some(word) = words.next() {
        let second = words.next_if(|second| second.end - word.start <= SHORT);
        let end = second.map_or(word.end, |second| second.end);
        pieces.push(&text[word.start..end]);
    }
    pieces
}

/// Words with the blanks behind them; a wide character is a word. Without gaps.
fn words_of(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = &text[start..];
        let first = rest.chars().next()?;
        let body = if is_wide(first) {
            first.len_utf8()
        } else {
            rest.find(|c: char| c.is_whitespace() || is_wide(c))
                .unwrap_or(rest.len())
        };
        let behind = &rest[body..];
        let blanks = behind
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(behind.len());
        let word = start..start + body + blanks;
        start = word.end;
        Some(word)
    })
}

/// Blocks of Markdown: what stands between blank lines, code kept whole.
pub(super) fn blocks(text: &str) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut end = 0;
    let mut at = 0;
    let mut is_code = false;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        if content.is_empty() && !is_code {
            if end > start {
                blocks.push(start..end);
            }
            start = at + line.len();
            end = start;
        } else {
            is_code ^= content.starts_with("```");
            end = at + content.len();
        }
        at += line.len();
    }
    if end > start {
        blocks.push(start..end);
    }
    blocks
}

/// Tells whether a character stands alone as a word: Chinese and its punctuation.
pub(super) fn is_wide(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_or_two_words_and_together_the_text() {
        assert_eq!(
            pieces("It is a small example of something."),
            ["It is ", "a small ", "example ", "of ", "something."]
        );
        assert_eq!(pieces("你好，世界 abc"), ["你好", "，世", "界 abc"]);
        assert_eq!(pieces(""), [""; 0]);
        for text in [include_str!("keys.md"), include_str!("zh_welcome.md")] {
            assert_eq!(pieces(text).concat(), text);
            assert!(pieces(text).iter().all(|piece| !piece.is_empty()));
        }
    }

    #[test]
    fn blocks_are_what_stands_between_blank_lines_and_code_is_whole() {
        let text = "one\ntwo\n\n```sh\na\n\nb\n```\n\n\nthree\n";
        let blocks: Vec<&str> = blocks(text).into_iter().map(|b| &text[b]).collect();
        assert_eq!(blocks, ["one\ntwo", "```sh\na\n\nb\n```", "three"]);
    }
}
