//! Text from outside is data: what could steer a terminal or break a line is taken out here.

/// Replaces control characters (but newline and tab), escape sequences' starters, bidirectional overrides and
/// other invisible formatting that could lie to a reader. Everything else stays, CR and CRLF become newline.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\n' | '\t' => out.push(c),
            c if is_hostile(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Like [`clean`], for one line: newlines and tabs become a blank, runs of blanks one, ends are trimmed.
pub fn clean_line(text: &str) -> String {
    let cleaned = clean(text);
    let mut out = String::with_capacity(cleaned.len());
    for word in cleaned.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Cuts to at most `most` characters, the last one an ellipsis when something was cut.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_starter() {
        assert_eq!(
            clean("a\u{1b}[31mred\u{7}\u{9b}2J"),
            "a\u{fffd}[31mred\u{fffd}\u{fffd}2J"
        );
    }

    #[test]
    fn line_ends_become_newlines_and_wide_text_stays() {
        assert_eq!(clean("一\r\n二\r三\tx"), "一\n二\n三\tx");
    }

    #[test]
    fn a_line_has_single_blanks() {
        assert_eq!(clean_line("  a\n\n b\tc  "), "a b c");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("四个汉字", 4), "四个汉字");
        assert_eq!(shorten("四个汉字长", 4), "四个汉…");
    }
}
