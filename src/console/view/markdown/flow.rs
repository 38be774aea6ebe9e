//! Styled text that is broken into rows as one.

use std::ops::Range;

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::console::text::{self, width};

/// Text, and the style of each stretch of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    text: String,
    /// Where each stretch ends.
    runs: Vec<(usize, Style)>,
    /// Whether a line of the source has ended here: a blank, or nothing between Chinese characters.
    soft_break: bool,
}

impl Flow {
    /// Adds text from the source; it is made safe to draw here.
    pub(super) fn push(&mut self, piece: &str, style: Style) {
        let piece = text::display_safe(piece);
        let Some(first) = piece.chars().next() else {
            return;
        };
        if std::mem::take(&mut self.soft_break) {
            let is_wide = |c: char| width(c.encode_utf8(&mut [0; 4])) == 2;
            let between_wide = self.text.chars().next_back().is_some_and(is_wide) && is_wide(first);
            if !between_wide {
                let before = self.runs.last().map_or(style, |(_, style)| *style);
                let is_marked = style.add_modifier.contains(Modifier::UNDERLINED);
                self.append(" ", if is_marked { before } else { style });
            }
        }
        self.append(&piece, style);
    }

    /// Adds another flow, its styles on top of one.
    pub(super) fn append_flow(&mut self, other: &Self, under: Style) {
        let mut start = 0;
        for (end, style) in &other.runs {
            let piece = other.text.get(start..*end).unwrap_or_default();
            self.append(piece, under.patch(*style));
            start = *end;
        }
    }

    /// Ends a line of the source, not a row.
    pub(super) fn soft_break(&mut self) {
        self.soft_break = !self.text.is_empty();
    }

    /// Ends a row.
    pub(super) fn hard_break(&mut self, style: Style) {
        self.soft_break = false;
        self.append("\n", style);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the widest row when nothing is broken.
    pub(super) fn natural_width(&self) -> usize {
        self.text.split('\n').map(width).max().unwrap_or(0)
    }

    /// Breaks it into rows of at most `columns`.
    pub(super) fn rows(&self, columns: usize) -> Vec<Line<'static>> {
        text::wrap(&self.text, columns)
            .into_iter()
            .map(|range| self.line(range))
            .collect()
    }

    fn line(&self, range: Range<usize>) -> Line<'static> {
        let mut line = Line::default();
        let first = self.runs.partition_point(|(end, _)| *end <= range.start);
        let mut at = range.start;
        for (end, style) in self.runs.iter().skip(first) {
            if at >= range.end {
                break;
            }
            let stop = (*end).min(range.end);
            let piece = self.text.get(at..stop).unwrap_or_default();
            line.push_span(Span::styled(piece.to_owned(), *style));
            at = stop;
        }
        line
    }

    fn append(&mut self, piece: &str, style: Style) {
        self.text.push_str(piece);
        let end = self.text.len();
        match self.runs.last_mut() {
            Some((last, same)) if *same == style => *last = end,
            _ => self.runs.push((end, style)),
        }
    }
}
