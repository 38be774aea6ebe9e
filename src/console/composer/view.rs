//! Where the text stands on the screen, and drawing it.
//!
//! The last column is kept free for the cursor, so that it never has to stand on a row that is not there.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation as _;

use super::buffer::{Place, rows_of};
use super::{Composer, chips};
use crate::console::text::{self, grapheme_width};
use crate::console::theme::{Role, Theme};

/// A place on the screen, in rows and columns from the start of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Composer {
    fn measure(&self, grapheme: &str, columns: usize) -> usize {
        let label = grapheme.chars().next().and_then(|c| self.chips.label(c));
        label.map_or_else(
            || grapheme_width(grapheme),
            |label| text::width(label).min(columns),
        )
    }

    /// Calls `each` with the rows of a line, as byte ranges, and returns what it says first.
    fn in_rows<T>(
        &self,
        row: usize,
        columns: usize,
        each: impl FnOnce(&[usize], &str) -> T,
    ) -> Option<T> {
        let line = self.buffer.lines().get(row)?;
        let starts = line.breaks(columns, |line| {
            let rows = text::wrap_by(line, columns, |grapheme| self.measure(grapheme, columns));
            rows.into_iter().map(|row| row.start).collect()
        });
        Some(each(&starts, line.text()))
    }

    fn row_count(&self, row: usize, columns: usize) -> usize {
        self.in_rows(row, columns, |starts, _| starts.len())
            .unwrap_or(1)
    }

    /// Returns how many columns of an area are for text.
    pub(super) fn columns_of(width: u16) -> usize {
        usize::from(width).saturating_sub(1).max(1)
    }

    pub(super) fn rows(&self, columns: usize) -> usize {
        let lines = self.buffer.lines().len();
        (0..lines).map(|row| self.row_count(row, columns)).sum()
    }

    pub(super) fn spot(&self, place: Place, columns: usize) -> Spot {
        let above: usize = (0..place.row).map(|row| self.row_count(row, columns)).sum();
        let inside = self.in_rows(place.row, columns, |starts, line| {
            let row = starts
                .partition_point(|start| *start <= place.byte)
                .saturating_sub(1);
            let start = starts.get(row).copied().unwrap_or(0);
            let before = line.get(start..place.byte).unwrap_or_default();
            let column: usize = before
                .graphemes(true)
                .map(|grapheme| self.measure(grapheme, columns))
                .sum();
            (row, column)
        });
        let (row, column) = inside.unwrap_or_default();
        // Blanks at a break hang over the edge; the cursor among them stays in sight.
        Spot {
            row: above + row,
            column: column.min(columns),
        }
    }

    /// Returns the place nearest to a spot.
    pub(super) fn place(&self, spot: Spot, columns: usize) -> Place {
        let mut left = spot.row;
        for row in 0..self.buffer.lines().len() {
            let count = self.row_count(row, columns);
            if left >= count {
                left -= count;
                continue;
            }
            let byte = self.in_rows(row, columns, |starts, line| {
                let range = rows_of(starts, line.len()).nth(left).unwrap_or(0..0);
                let is_last = left + 1 == count;
                self.byte_at(line, range, spot.column, columns, is_last)
            });
            return Place {
                row,
                byte: byte.unwrap_or(0),
            };
        }
        self.buffer.end()
    }

    fn byte_at(
        &self,
        line: &str,
        range: std::ops::Range<usize>,
        column: usize,
        columns: usize,
        is_last: bool,
    ) -> usize {
        let mut used = 0;
        let mut last = range.start;
        for (at, grapheme) in line
            .get(range.clone())
            .unwrap_or_default()
            .grapheme_indices(true)
        {
            last = range.start + at;
            used += self.measure(grapheme, columns);
            if used > column {
                return last;
            }
        }
        // The end of a row that is broken is the start of the next one.
        if is_last { range.end } else { last }
    }

    /// Returns how many rows the text takes in this width, the cursor's included; at least one, at most `most`.
    pub fn desired_height(&self, width: u16, most: u16) -> u16 {
        let rows = self.rows(Self::columns_of(width));
        u16::try_from(rows).unwrap_or(u16::MAX).min(most).max(1)
    }

    /// Draws the text, scrolled so that the cursor is in sight, and puts the terminal's cursor there when it is
    /// focused (an input method opens its window there).
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, focused: bool) {
        let area = area.intersection(frame.area());
        if area.is_empty() {
            return;
        }
        let columns = Self::columns_of(area.width);
        self.columns.set(columns);
        let spot = self.spot(self.buffer.cursor(), columns);
        let top = self.scrolled_to(spot.row, usize::from(area.height), columns);
        let bottom = top + usize::from(area.height);
        if self.buffer.is_empty() {
            let placeholder = text::truncate(&self.placeholder, columns).into_owned();
            let line = Line::styled(placeholder, theme.style(Role::Placeholder));
            frame.render_widget(line, Rect { height: 1, ..area });
        }
        let mut row_on_screen = 0;
        for (row, line) in self.buffer.lines().iter().enumerate() {
            let count = self.row_count(row, columns);
            if row_on_screen >= bottom {
                break;
            }
            if row_on_screen + count > top {
                let drawn = self.in_rows(row, columns, |starts, _| {
                    rows_of(starts, line.text().len())
                        .enumerate()
                        .map(|(index, range)| (row_on_screen + index, range))
                        .filter(|(at, _)| (top..bottom).contains(at))
                        .collect::<Vec<_>>()
                });
                for (at, range) in drawn.unwrap_or_default() {
                    let piece = line.text().get(range).unwrap_or_default();
                    let y = area.y + (at - top) as u16;
                    let row = Rect {
                        y,
                        height: 1,
                        ..area
                    };
                    frame.render_widget(self.spans(piece, columns, theme), row);
                }
            }
            row_on_screen += count;
        }
        if focused {
            let x = area.x + (spot.column as u16).min(area.width - 1);
            let y = area.y + (spot.row - top) as u16;
            frame.set_cursor_position(Position { x, y });
        }
    }

    fn spans(&self, piece: &str, columns: usize, theme: &Theme) -> Line<'static> {
        let text_style: Style = theme.style(Role::Text);
        let mut line = Line::default();
        for part in piece.split_inclusive(chips::is_chip) {
            let name = part.chars().next_back().filter(|c| chips::is_chip(*c));
            let plain = part.strip_suffix(chips::is_chip).unwrap_or(part);
            line.push_span(Span::styled(text::display_safe(plain), text_style));
            if let Some(label) = name.and_then(|name| self.chips.label(name)) {
                let label = text::truncate(label, columns).into_owned();
                line.push_span(Span::styled(label, theme.style(Role::Chip)));
            }
        }
        line
    }

    /// Returns the first row to draw: as before, moved as little as needed to show the cursor and no empty rows.
    fn scrolled_to(&self, cursor: usize, height: usize, columns: usize) -> usize {
        let rows = self.rows(columns);
        let top = self
            .top
            .get()
            .min(rows.saturating_sub(height))
            .min(cursor)
            .max((cursor + 1).saturating_sub(height));
        self.top.set(top);
        top
    }
}
