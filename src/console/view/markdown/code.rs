//! Lines of code: indented by two, tabs as columns, long ones broken with a mark.

use std::ops::Range;

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::console::text::{self, grapheme_width};

/// How far code stands in, where there is room for that.
const INDENT: usize = 2;

/// Fewer columns than that are needed for the code itself.
const NARROWEST: usize = 8;

const TAB: usize = 4;

/// Returns how far code stands in when there are so many columns.
pub(super) fn indent(columns: usize) -> usize {
    if columns < NARROWEST { 0 } else { INDENT }
}

/// Takes up to `columns` blanks from the start of a line, as its fence was indented.
pub(super) fn without_indent(line: &str, columns: usize) -> &str {
    let is_blank = |byte: &u8| *byte == b' ';
    let blanks = line.bytes().take(columns).take_while(is_blank).count();
    line.get(blanks..).unwrap_or(line)
}

/// Replaces tabs by blanks up to the next column that is a multiple of four, and makes a line safe to draw.
pub(super) fn with_tabs_as_columns(line: &str) -> String {
    let line = line.trim_end_matches(['\n', '\r']);
    let mut pieces = line.split('\t');
    let mut out = text::display_safe(pieces.next().unwrap_or_default());
    for piece in pieces {
        let blanks = TAB - text::width(&out) % TAB;
        out.extend(std::iter::repeat_n(' ', blanks));
        out.push_str(&text::display_safe(piece));
    }
    out
}

/// Breaks a line of code, given in styled pieces, into rows of at most `columns`. Rows after the first one have a mark
/// in the indent, so that nobody takes them for lines.
pub(super) fn rows(
    spans: &[(Style, String)],
    columns: usize,
    mark: &Span<'static>,
) -> Vec<Line<'static>> {
    let indent = indent(columns);
    let whole: String = spans.iter().map(|(_, piece)| piece.as_str()).collect();
    breaks(&whole, columns.saturating_sub(indent).max(1))
        .into_iter()
        .enumerate()
        .map(|(index, range)| {
            let lead = match (index, indent) {
                (_, 0) => Span::default(),
                (0, _) => Span::raw(" ".repeat(indent)),
                (_, _) => mark.clone(),
            };
            let mut row = Line::from(lead);
            push_slice(&mut row, spans, &range);
            row
        })
        .collect()
}

/// Breaks between graphemes, near the end of a row preferably behind a blank or a mark.
fn breaks(line: &str, room: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    let mut good: Option<(usize, usize)> = None;
    for (at, grapheme) in line.grapheme_indices(true) {
        let width = grapheme_width(grapheme);
        if used + width > room && at > start {
            let (end, width_to_end) = good.take().unwrap_or((at, used));
            rows.push(start..end);
            start = end;
            used -= width_to_end;
        }
        used += width;
        if used > room * 2 / 3 && " ,;:.(){}[]|&=+-/<>".contains(grapheme) {
            good = Some((at + grapheme.len(), used));
        }
    }
    rows.push(start..line.len());
    rows
}

fn push_slice(row: &mut Line<'static>, spans: &[(Style, String)], range: &Range<usize>) {
    let mut at = 0;
    for (style, piece) in spans {
        let from = range.start.clamp(at, at + piece.len()) - at;
        let to = range.end.clamp(at, at + piece.len()) - at;
        at += piece.len();
        if let Some(piece) = piece.get(from..to).filter(|piece| !piece.is_empty()) {
            row.push_span(Span::styled(piece.to_owned(), *style));
        }
    }
}
