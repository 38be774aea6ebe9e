//! Breaking text into rows.
//!
//! Breaks stand after blanks, after hyphens in words, and between CJK characters (but punctuation does not begin a
//! row that it should end, nor end one that it should begin). A word longer than a row is cut between graphemes.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use super::grapheme_width;

/// Breaks a text into rows of at most `columns`; blanks at a break belong to no row, newlines always break.
///
/// Rows are byte ranges in order. A grapheme is never split, so that one of two columns stands alone, and too wide,
/// in a row of one column. An empty text has one empty row.
pub fn wrap(text: &str, columns: usize) -> Vec<Range<usize>> {
    wrap_by(text, columns, grapheme_width)
}

/// As [`wrap`], with widths of graphemes by another measure.
pub(crate) fn wrap_by(
    text: &str,
    columns: usize,
    measure: impl Fn(&str) -> usize,
) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut offset = 0;
    for line in text.split('\n') {
        let mut wrapper = Wrapper::new(columns.max(1), offset, &mut rows);
        for (at, grapheme) in line.grapheme_indices(true) {
            wrapper.take(at, grapheme, measure(grapheme));
        }
        wrapper.end(line, &measure);
        offset += line.len() + 1;
    }
    rows
}

/// A place where a row may end.
struct Chance {
    /// The end of its text.
    end: usize,
    /// The start of the next row.
    next: usize,
    /// The width up to there.
    used: usize,
}

struct Wrapper<'a> {
    columns: usize,
    offset: usize,
    rows: &'a mut Vec<Range<usize>>,
    start: usize,
    /// The end of what is in the row; blanks after it hang until something follows.
    end: usize,
    used: usize,
    /// Whether the row has more than the blanks it began with.
    has_word: bool,
    chance: Option<Chance>,
    /// The last character, and whether it was a blank.
    last: Option<(char, bool)>,
    /// Whether the last character was a hyphen in a word.
    in_hyphen: bool,
}

impl<'a> Wrapper<'a> {
    fn new(columns: usize, offset: usize, rows: &'a mut Vec<Range<usize>>) -> Self {
        Self {
            columns,
            offset,
            rows,
            start: 0,
            end: 0,
            used: 0,
            has_word: false,
            chance: None,
            last: None,
            in_hyphen: false,
        }
    }

    fn take(&mut self, at: usize, grapheme: &str, columns: usize) {
        let blank = is_blank(grapheme);
        let last = self.last;
        // `--flag` and `-1` stay whole, `well-known` may break.
        let after_hyphen = self.in_hyphen;
        self.in_hyphen = grapheme == "-" && last.is_some_and(|(c, _)| c.is_alphanumeric());
        self.last = grapheme.chars().next_back().map(|c| (c, blank));
        if blank && self.has_word {
            self.used += columns;
            return;
        }
        if self.has_word {
            match (last, grapheme.chars().next()) {
                (Some((_, true)), _) => self.chance = Some(self.chance_at(self.end, at)),
                (Some((left, false)), Some(right))
                    if may_break(left, right) || after_hyphen && right.is_alphabetic() =>
                {
                    self.chance = Some(self.chance_at(at, at));
                }
                _ => {}
            }
        }
        if self.used + columns > self.columns && at > self.start {
            let chance = self.chance.take().unwrap_or(self.chance_at(at, at));
            self.break_at(&chance, at);
            // What is carried over may leave no room for a wide one.
            if self.used + columns > self.columns && at > self.start {
                self.break_at(&self.chance_at(at, at), at);
            }
        }
        self.used += columns;
        self.end = at + grapheme.len();
        self.has_word |= !blank;
    }

    fn chance_at(&self, end: usize, next: usize) -> Chance {
        Chance {
            end,
            next,
            used: self.used,
        }
    }

    fn break_at(&mut self, chance: &Chance, at: usize) {
        self.push(chance.end);
        self.start = chance.next;
        self.used -= chance.used;
        self.has_word = chance.next < at;
    }

    /// Ends the line; blanks after its last word stay as far as they fit, since an input shows them.
    fn end(mut self, line: &str, measure: &impl Fn(&str) -> usize) {
        let blanks = line.get(self.end..).unwrap_or_default();
        let width_of_blanks: usize = blanks.graphemes(true).map(measure).sum();
        let mut used = self.used - width_of_blanks;
        for blank in blanks.graphemes(true) {
            used += measure(blank);
            if used > self.columns {
                break;
            }
            self.end += blank.len();
        }
        let end = self.end;
        self.push(end);
    }

    fn push(&mut self, end: usize) {
        self.rows.push(self.start + self.offset..end + self.offset);
    }
}

fn is_blank(grapheme: &str) -> bool {
    // A no-break space is there in order not to break.
    let breaks = |c: char| c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}');
    grapheme.chars().all(breaks)
}

fn may_break(left: char, right: char) -> bool {
    if is_closing(right) || is_opening(left) {
        return false;
    }
    is_ideographic(left) || is_ideographic(right)
}

/// Tells whether rows may break before and after a character, as in Chinese, Japanese and Korean.
fn is_ideographic(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{303e}' | '\u{3041}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}' | '\u{1f900}'..='\u{1f9ff}' | '\u{20000}'..='\u{3fffd}')
}

/// Tells whether a character should not begin a row.
fn is_closing(c: char) -> bool {
    "、。，．：；！？）」』】〕〉》〗〙〛”’…‥ー々〜～・ゝゞァィゥェォッャュョヮぁぃぅぇぉっゃゅょゎ％,.:;!?)]}"
        .contains(c)
}

/// Tells whether a character should not end a row.
fn is_opening(c: char) -> bool {
    "（「『【〔〈《〖〘〚“‘([{".contains(c)
}
