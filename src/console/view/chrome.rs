//! Titles, rules and symbols: what holds the panes together.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Look;
use super::layout::{Layout, Shape};
use crate::console::state::focus::Pane;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::t;

/// The symbols in use, for terminals with and without Unicode.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    pub(crate) ascii: bool,
    /// Rule of a pane without and with the focus.
    pub(crate) rule: &'static str,
    pub(crate) heavy_rule: &'static str,
    pub(crate) column: &'static str,
    pub(crate) branch: &'static str,
    pub(crate) top_branch: &'static str,
    /// The instance that is next in the ring.
    pub(crate) next: &'static str,
    /// What the person says begins with this.
    pub(crate) prompt: &'static str,
    pub(crate) dot: &'static str,
    pub(crate) down: &'static str,
    pub(crate) done: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) note: &'static str,
    pub(crate) arrow: &'static str,
}

impl Symbols {
    pub(crate) const fn new(ascii: bool) -> Self {
        if ascii {
            Self {
                ascii,
                rule: "-",
                heavy_rule: "=",
                column: "|",
                branch: "+",
                top_branch: "+",
                next: ">",
                prompt: ">",
                dot: "-",
                down: "v",
                done: "+",
                failed: "x",
                note: "-",
                arrow: "->",
            }
        } else {
            Self {
                ascii,
                rule: "─",
                heavy_rule: "━",
                column: "│",
                branch: "├",
                top_branch: "┬",
                next: "▸",
                prompt: "›",
                dot: "·",
                down: "↓",
                done: "✓",
                failed: "✗",
                note: "•",
                arrow: "→",
            }
        }
    }
}

/// The title line of a pane.
pub(crate) struct Chrome {
    pub(crate) pane: Pane,
    /// Whether the keys go to the part below the title.
    pub(crate) focused: bool,
    /// Whether the keys go anywhere in the pane.
    pub(crate) active: bool,
    pub(crate) detail: String,
}

impl Chrome {
    /// Draws the title and returns what is left for the pane.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look<'_>) -> Rect {
        let symbols = look.symbols;
        let (rule, border) = if self.focused {
            (symbols.heavy_rule, Role::BorderFocused)
        } else {
            (symbols.rule, Role::Border)
        };
        let title = if self.active { Role::Title } else { Role::Dim };
        let mut spans = vec![
            look.span(format!("{rule} "), border),
            look.span(format!("{} ", self.pane.number()), Role::Key),
            look.span(t(self.pane.title()), title),
        ];
        if !self.detail.is_empty() {
            let room = usize::from(area.width).saturating_sub(spans_width(&spans) + 4);
            let detail = text::truncate(&self.detail, room);
            spans.push(look.span(format!(" {} {detail}", symbols.dot), Role::Dim));
        }
        spans.push(Span::raw(" "));
        let rest = usize::from(area.width).saturating_sub(spans_width(&spans));
        spans.push(look.span(rule.repeat(rest), border));
        let line = Rect { height: 1, ..area };
        Line::from(spans).render(line, frame.buffer_mut());
        Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(1),
            ..area
        }
    }
}

/// Draws the tabs of a small screen, and tells where each is.
pub(crate) fn tabs(
    frame: &mut Frame<'_>,
    area: Rect,
    active: Pane,
    look: &Look<'_>,
) -> Vec<(Pane, Rect)> {
    let symbols = look.symbols;
    let mut x = area.x;
    let mut places = Vec::new();
    // On a small screen a page has a tab while it is open.
    for pane in Pane::ALL {
        if pane.is_page() && pane != active {
            continue;
        }
        let is_active = pane == active;
        let rule = if is_active {
            symbols.heavy_rule
        } else {
            symbols.rule
        };
        let (border, title) = if is_active {
            (Role::BorderFocused, Role::Title)
        } else {
            (Role::Border, Role::Dim)
        };
        let line = Line::from(vec![
            look.span(format!("{rule} "), border),
            look.span(format!("{} ", pane.number()), Role::Key),
            look.span(format!("{} ", t(pane.title())), title),
            look.span(rule.repeat(2), border),
        ]);
        let width = (line.width() as u16).min(area.right().saturating_sub(x));
        let place = Rect::new(x, area.y, width, 1);
        line.render(place, frame.buffer_mut());
        places.push((pane, place));
        x += width;
    }
    let rest = Rect::new(x, area.y, area.right().saturating_sub(x), 1);
    let rule = symbols.rule.repeat(usize::from(rest.width));
    Line::from(look.span(rule, Role::Border)).render(rest, frame.buffer_mut());
    places
}

/// Draws the lines between the panes.
pub(crate) fn dividers(frame: &mut Frame<'_>, layout: &Layout, look: &Look<'_>) {
    let Some(area) = layout.divider else { return };
    let style = look.theme.style(Role::Border);
    let symbols = look.symbols;
    for y in area.top()..area.bottom() {
        let symbol = if y == area.y && layout.shape != Shape::Single {
            symbols.top_branch
        } else if layout.branch == Some(y) {
            symbols.branch
        } else {
            symbols.column
        };
        if let Some(cell) = frame.buffer_mut().cell_mut((area.x, y)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }
}

/// Returns how many columns some spans take.
pub(crate) fn spans_width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(Span::width).sum()
}
