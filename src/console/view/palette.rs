//! The palette: what is looked for, and below it what matches, each with its key.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::Look;
use super::dialog::{put, window};
use crate::console::state::orders;
use crate::console::state::palette::Palette;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::t;

const WIDTH: u16 = 76;
const HEIGHT: u16 = 20;

/// Draws the palette.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, palette: &Palette, look: &Look<'_>) {
    let size = (
        WIDTH.min(area.width.saturating_sub(4)),
        HEIGHT.min(area.height.saturating_sub(2)),
    );
    let inside = window(frame, area, size, t("Commands"), look);
    let width = usize::from(inside.width);
    let safe = text::display_safe(palette.query());
    // Of a long order the end is shown, where it is being written.
    let query = end_of(&safe, width.saturating_sub(3)).to_owned();
    let mut lines = vec![Line::from(vec![
        look.span(format!("{} ", look.symbols.prompt), Role::Key),
        if query.is_empty() {
            look.span(t("any letters of what you want to do"), Role::Placeholder)
        } else {
            look.span(query.clone(), Role::Text)
        },
    ])];
    let visible = usize::from(inside.height).saturating_sub(1);
    let first = (palette.selected() + 1).saturating_sub(visible);
    let keys_width = 16.min(width / 3);
    let room = width.saturating_sub(keys_width + 4);
    for (index, entry) in palette.found().enumerate().skip(first).take(visible) {
        let title = text::pad(&entry.title, room);
        let keys = text::align_right(&keys_that_fit(&entry.what.keys, keys_width), keys_width);
        lines.push(if index == palette.selected() {
            Line::from(look.span(format!(" {title}  {keys} "), Role::Selected))
        } else {
            Line::from(vec![
                look.span(format!(" {title}  "), Role::Text),
                look.span(keys, Role::Key),
                Span::raw(" "),
            ])
        });
    }
    let orders = orders::meant_by(palette.query());
    for order in orders
        .iter()
        .take(visible + 1 - lines.len().min(visible + 1))
    {
        let role = if palette.found().len() == 0 {
            Role::Text
        } else {
            Role::Dim
        };
        let usage = text::pad(t(order.usage), 40.min(room));
        lines.push(Line::from(vec![
            look.span(format!(" {usage}"), role),
            look.span(format!("  {}", t(order.about)), Role::Dim),
        ]));
    }
    if let Some(wrong) = &palette.wrong {
        // A sentence quotes what was written, which may be anything.
        let wrong = text::display_safe(wrong);
        for row in text::wrap(&wrong, width.saturating_sub(2)) {
            lines.push(Line::from(
                look.span(format!(" {}", &wrong[row]), Role::Bad),
            ));
        }
    }
    if palette.found().len() == 0 && orders.is_empty() {
        lines.push(Line::from(
            look.span(format!(" {}", t("nothing is called like this")), Role::Dim),
        ));
    }
    put(frame, inside, lines);
    let x = inside.x + 2 + text::width(&query) as u16;
    frame.set_cursor_position(Position::new(
        x.min(inside.right().saturating_sub(1)),
        inside.y,
    ));
}

/// Joins keys as long as there is room.
fn keys_that_fit(keys: &[String], width: usize) -> String {
    let mut shown = String::new();
    for key in keys {
        let gap = usize::from(!shown.is_empty());
        if text::width(&shown) + gap + text::width(key) <= width {
            if gap > 0 {
                shown.push(' ');
            }
            shown.push_str(key);
        }
    }
    shown
}

/// Returns as much of the end as there is room for.
fn end_of(text: &str, width: usize) -> &str {
    let mut from = 0;
    while text::width(&text[from..]) > width {
        from += text[from..].chars().next().map_or(1, char::len_utf8);
    }
    &text[from..]
}
