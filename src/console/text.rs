//! Text as a terminal shows it: how wide it is, where it breaks, and short words for figures.
//!
//! Widths are in columns and agree with ratatui, grapheme by grapheme: what is measured here is what is drawn.

mod figures;
#[cfg(test)]
pub(crate) mod tests;
mod wrap;

use std::borrow::Cow;

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;

pub use self::figures::{count, duration, percent, rate};
pub use self::wrap::wrap;
pub(crate) use self::wrap::wrap_by;

/// The selector that asks for a colourful emoji. Terminals disagree on the width it makes, so it is not drawn.
const VS16: char = '\u{fe0f}';

/// How many blanks a tab is drawn as where columns are not counted.
const TAB: &str = "    ";

/// Returns how many columns a text takes when it is drawn: CJK two, combining marks none, control characters none.
pub fn width(text: &str) -> usize {
    if is_plain(text) {
        return text.len();
    }
    text.graphemes(true).map(grapheme_width).sum()
}

/// Returns how many columns one grapheme takes; a tab four, as [`display_safe`] draws it.
pub(crate) fn grapheme_width(grapheme: &str) -> usize {
    let mut chars = grapheme.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else {
        return 0;
    };
    if first == '\t' {
        return TAB.len();
    }
    if first.is_control() {
        return 0;
    }
    if second.is_none() && first.is_ascii() {
        return 1;
    }
    let columns = if grapheme.contains(VS16) {
        without_vs16(grapheme).cell_width()
    } else {
        grapheme.cell_width()
    };
    usize::from(columns)
}

/// Makes text from outside safe to draw: cleaned, no emoji selectors, tabs as four blanks. Newlines stay.
pub fn display_safe(text: &str) -> String {
    let cleaned = crate::base::clean(text);
    if !cleaned.contains(['\t', VS16]) {
        return cleaned;
    }
    without_vs16(&cleaned).replace('\t', TAB)
}

fn without_vs16(text: &str) -> String {
    text.chars().filter(|c| *c != VS16).collect()
}

/// Cuts to at most `columns`, the last one an ellipsis when something was cut. Never splits a grapheme.
pub fn truncate(text: &str, columns: usize) -> Cow<'_, str> {
    if fits(text, columns) {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let mut out = String::from(prefix(text, room).0);
    out.push('…');
    Cow::Owned(out)
}

/// Makes a text exactly `columns` wide: cut with an ellipsis, or filled with blanks at the right.
pub fn pad(text: &str, columns: usize) -> String {
    let text = truncate(text, columns);
    let blanks = columns - width(&text).min(columns);
    format!("{text}{:blanks$}", "")
}

/// Makes a text exactly `columns` wide: cut with an ellipsis, or filled with blanks at the left.
pub fn align_right(text: &str, columns: usize) -> String {
    let text = truncate(text, columns);
    let blanks = columns - width(&text).min(columns);
    format!("{:blanks$}{text}", "")
}

/// Returns the longest beginning that fits into `columns`, and its width. Never splits a grapheme.
pub(crate) fn prefix(text: &str, columns: usize) -> (&str, usize) {
    let mut taken = 0;
    for (start, grapheme) in text.grapheme_indices(true) {
        let next = taken + grapheme_width(grapheme);
        if next > columns {
            return (&text[..start], taken);
        }
        taken = next;
    }
    (text, taken)
}

/// Tells whether a text fits, without measuring more of it than needed.
fn fits(text: &str, columns: usize) -> bool {
    if is_plain(text) {
        return text.len() <= columns;
    }
    prefix(text, columns).0.len() == text.len()
}

/// Tells whether every byte is one column.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}
