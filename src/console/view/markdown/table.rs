//! Tables: columns as wide as their cells while there is room, narrower with wrapped cells when there is not, and a
//! list of records when there is next to none.

use pulldown_cmark::Alignment;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::flow::Flow;

/// What stands between two columns, and how wide it is.
const GUTTER: usize = 3;

/// No column is cut to less than that.
const NARROWEST: usize = 8;

/// A table as read.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) alignments: Vec<Alignment>,
    pub(super) head: Vec<Flow>,
    pub(super) rows: Vec<Vec<Flow>>,
}

/// How a table is drawn.
pub(super) struct Look {
    pub(super) columns: usize,
    pub(super) border: Style,
    pub(super) head: Style,
    pub(super) ascii: bool,
    /// Whether the head is drawn; the rest of a table that was cut has none.
    pub(super) with_head: bool,
}

impl Table {
    /// Draws it, in column widths that are given, or else fit; returns the widths too.
    pub(super) fn draw(
        &self,
        look: &Look,
        widths: Option<Vec<usize>>,
    ) -> (Vec<Line<'static>>, Option<Vec<usize>>) {
        let count = self.head.len();
        let widths = widths.filter(|widths| widths.len() == count);
        match widths.or_else(|| self.widths(look.columns)) {
            Some(widths) => (self.grid(&widths, look), Some(widths)),
            None => (self.records(look), None),
        }
    }

    /// Returns the widths of the columns in so much room, or nothing when it is too little for columns.
    fn widths(&self, columns: usize) -> Option<Vec<usize>> {
        let count = self.head.len();
        let room = columns.checked_sub(GUTTER * count.checked_sub(1)?)?;
        let natural: Vec<usize> = (0..count)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let all = cells.chain(self.head.get(column));
                all.map(Flow::natural_width).max().unwrap_or(0).max(1)
            })
            .collect();
        cut_to(&natural, room)
    }

    fn grid(&self, widths: &[usize], look: &Look) -> Vec<Line<'static>> {
        let (bar, rule, cross) = if look.ascii {
            (" | ", "-", "-+-")
        } else {
            (" │ ", "─", "─┼─")
        };
        let mut lines = Vec::new();
        if look.with_head {
            let head_style = look.head;
            self.grid_row(&self.head, widths, bar, look, &mut lines);
            for line in &mut lines {
                for span in &mut line.spans {
                    if span.content != bar {
                        span.style = head_style.patch(span.style);
                    }
                }
            }
            let rules: Vec<String> = widths.iter().map(|width| rule.repeat(*width)).collect();
            lines.push(Line::styled(rules.join(cross), look.border));
        }
        for row in &self.rows {
            self.grid_row(row, widths, bar, look, &mut lines);
        }
        lines
    }

    fn grid_row(
        &self,
        cells: &[Flow],
        widths: &[usize],
        bar: &'static str,
        look: &Look,
        lines: &mut Vec<Line<'static>>,
    ) {
        let cells: Vec<Vec<Line<'static>>> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| {
                cells
                    .get(column)
                    .map_or_else(Vec::new, |cell| cell.rows(*width))
            })
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for row in 0..height {
            let mut line = Line::default();
            for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
                if column > 0 {
                    line.push_span(Span::styled(bar, look.border));
                }
                let text = cell.get(row).cloned().unwrap_or_default();
                let is_last = column + 1 == widths.len();
                self.pad(&mut line, text, column, *width, is_last);
            }
            lines.push(line);
        }
    }

    fn pad(
        &self,
        line: &mut Line<'static>,
        cell: Line<'static>,
        column: usize,
        width: usize,
        is_last: bool,
    ) {
        let used: usize = cell
            .spans
            .iter()
            .map(|span| crate::console::text::width(&span.content))
            .sum();
        let room = width.saturating_sub(used);
        let left = match self.alignments.get(column) {
            Some(Alignment::Right) => room,
            Some(Alignment::Center) => room / 2,
            Some(Alignment::Left | Alignment::None) | None => 0,
        };
        if left > 0 {
            line.push_span(Span::raw(" ".repeat(left)));
        }
        line.spans.extend(cell.spans);
        if room > left && !is_last {
            line.push_span(Span::raw(" ".repeat(room - left)));
        }
    }

    /// Draws each row as `head: cell` lines under one another.
    fn records(&self, look: &Look) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                let rule = if look.ascii { "-" } else { "─" };
                lines.push(Line::styled(rule.repeat(look.columns.min(8)), look.border));
            }
            for (head, cell) in self.head.iter().zip(row) {
                let mut flow = Flow::default();
                flow.append_flow(head, look.head);
                flow.push(": ", look.head);
                flow.append_flow(cell, Style::new());
                lines.extend(flow.rows(look.columns));
            }
        }
        lines
    }
}

/// Cuts the widest columns until all fit, so that short ones (figures, names) stay whole; nothing when the widest
/// would become too narrow to read.
fn cut_to(natural: &[usize], room: usize) -> Option<Vec<usize>> {
    if natural.iter().sum::<usize>() <= room {
        return Some(natural.to_vec());
    }
    let total = |most: usize| {
        natural
            .iter()
            .map(|width| (*width).min(most))
            .sum::<usize>()
    };
    let most = (NARROWEST..=room).rev().find(|most| total(*most) <= room)?;
    let mut left = room - total(most);
    let widths = natural.iter().map(|width| {
        let more = usize::from(left > 0 && *width > most);
        left -= more;
        (*width).min(most) + more
    });
    Some(widths.collect())
}

/// Returns the style of a table's head on top of text.
pub(super) fn head_style(text: Style) -> Style {
    text.add_modifier(Modifier::BOLD)
}
