//! The lower part of a page: all that is known of the selected line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Look;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::phrase;

/// The fewest rows of the list above.
const LIST: u16 = 5;

/// Divides a page into its list and, when they are open, `rows` of details with a rule above.
pub(crate) fn split(area: Rect, rows: Option<usize>) -> (Rect, Option<Rect>) {
    let Some(rows) = rows else {
        return (area, None);
    };
    let most = area.height.saturating_sub(LIST).max(area.height / 2);
    let height = (rows as u16 + 1).min(most).min(area.height);
    let list = Rect {
        height: area.height - height,
        ..area
    };
    let below = Rect {
        y: area.y + list.height,
        height,
        ..area
    };
    (list, Some(below))
}

/// Draws details from line `top` on, and tells from which line it really was.
pub(crate) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    lines: Vec<Line<'static>>,
    top: usize,
    look: &Look<'_>,
) -> usize {
    let inside = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(1),
    };
    let visible = usize::from(inside.height);
    let count = lines.len();
    let top = top.min(count.saturating_sub(visible));
    let more = if count > visible {
        let last = (top + visible).min(count);
        format!(" {} ", phrase!("{}-{} of {}", top + 1, last, count))
    } else {
        String::new()
    };
    let rule = look.symbols.rule;
    let room = usize::from(area.width).saturating_sub(text::width(&more) + 5);
    let title = text::truncate(title, room).into_owned();
    let rest = usize::from(area.width).saturating_sub(text::width(&title) + text::width(&more) + 4);
    let heading = Line::from(vec![
        look.span(format!("{rule} "), Role::Border),
        look.span(title, Role::Heading),
        look.span(format!(" {}", rule.repeat(rest)), Role::Border),
        look.span(more, Role::Dim),
        look.span(rule, Role::Border),
    ]);
    let buffer = frame.buffer_mut();
    heading.render(Rect { height: 1, ..area }.intersection(area), buffer);
    for (row, line) in lines.into_iter().skip(top).take(visible).enumerate() {
        let at = Rect {
            y: inside.y + row as u16,
            height: 1,
            ..inside
        };
        line.render(at, buffer);
    }
    top
}

/// Makes a line of a label and what belongs to it.
pub(crate) fn labelled(
    label: &str,
    said: impl Into<String>,
    role: Role,
    look: &Look<'_>,
) -> Line<'static> {
    Line::from(vec![
        look.span(text::pad(label, LABEL), Role::Dim),
        look.span(said, role),
    ])
}

/// Columns of the labels.
pub(crate) const LABEL: usize = 15;

/// Makes lines of a label and a text of any length.
pub(crate) fn paragraph(
    label: &str,
    said: &str,
    role: Role,
    width: usize,
    look: &Look<'_>,
) -> Vec<Line<'static>> {
    let said = text::display_safe(said);
    let rows = text::wrap(&said, width.saturating_sub(LABEL).max(10));
    let mut label = text::pad(label, LABEL);
    let mut lines = Vec::new();
    for row in rows {
        lines.push(Line::from(vec![
            look.span(std::mem::replace(&mut label, " ".repeat(LABEL)), Role::Dim),
            look.span(said[row].to_owned(), role),
        ]));
    }
    if lines.is_empty() {
        lines.push(Line::from(Span::raw("")));
    }
    lines
}
