//! What the pages have in common: the line of the filter, and a list that keeps the selected row in sight.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Look;
use crate::console::app::Drawn;
use crate::console::state::input::Input;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::t;

/// Draws the line of the filter, when there is one, and returns what is left of the page.
pub(crate) fn filter(
    frame: &mut Frame<'_>,
    area: Rect,
    filter: &Input,
    typing: bool,
    look: &Look<'_>,
) -> Rect {
    if (filter.is_empty() && !typing) || area.height < 3 {
        return area;
    }
    let said = text::display_safe(filter.text());
    let mut spans = vec![
        look.span(" / ", Role::Key),
        look.span(said.clone(), Role::Match),
    ];
    if filter.is_empty() {
        spans.push(look.span(
            t("words, !word for those without, >2s for slow ones"),
            Role::Placeholder,
        ));
    }
    let line = Rect { height: 1, ..area };
    Line::from(spans).render(line, frame.buffer_mut());
    if typing {
        let x = area.x + 3 + text::width(&said) as u16;
        frame.set_cursor_position(Position::new(x.min(area.right().saturating_sub(1)), area.y));
    }
    Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    }
}

/// A list with headings.
pub(crate) struct List {
    pub(crate) headings: Vec<Span<'static>>,
    pub(crate) count: usize,
    pub(crate) selected: usize,
    /// What is said when there is nothing.
    pub(crate) empty: &'static str,
}

impl List {
    /// Draws the rows around the selected one; `row` makes each.
    pub(crate) fn draw(
        self,
        frame: &mut Frame<'_>,
        area: Rect,
        look: &Look<'_>,
        drawn: &mut Drawn,
        row: impl Fn(usize) -> Line<'static>,
    ) {
        if area.height == 0 {
            return;
        }
        let buffer = frame.buffer_mut();
        let mut headings = vec![Span::raw(" ")];
        headings.extend(self.headings);
        Line::from(headings).render(Rect { height: 1, ..area }, buffer);
        let rows = Rect {
            y: area.y + 1,
            height: area.height - 1,
            ..area
        };
        if self.count == 0 {
            let line = Line::from(look.span(format!(" {}", self.empty), Role::Dim));
            line.render(Rect { height: 1, ..rows }.intersection(rows), buffer);
            return;
        }
        let visible = usize::from(rows.height);
        let first = (self.selected + 1).saturating_sub(visible);
        for (at, index) in (first..self.count).take(visible).enumerate() {
            let place = Rect {
                y: rows.y + at as u16,
                height: 1,
                ..rows
            };
            let inside = Rect {
                x: place.x + 1,
                width: place.width.saturating_sub(1),
                ..place
            };
            let mut line = row(index);
            if index == self.selected {
                let style = look.theme.style(Role::Selected);
                buffer.set_style(place, style);
                for span in &mut line.spans {
                    span.style = style;
                }
            }
            line.render(inside, buffer);
        }
        drawn.places.list_rows = rows;
        drawn.places.list_first = first;
    }
}
