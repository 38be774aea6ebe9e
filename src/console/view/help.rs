//! The help: every key by the place where it works, made from the key table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Look;
use super::dialog::{in_frame, window};
use crate::console::keymap::{Context, Keymap};
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{phrase, t};

/// The widest a column of the help gets.
const WIDEST: u16 = 72;

/// Draws the help from line `top` on, and tells from which line it really was.
pub(crate) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    top: usize,
    focused: Context,
    keymap: &Keymap,
    look: &Look<'_>,
) -> usize {
    let columns = if area.width >= 110 { 2 } else { 1 };
    let width = (area.width.saturating_sub(2)).min(WIDEST * columns + 4);
    let column_width = width.saturating_sub(4) / columns;
    let groups: Vec<Vec<Line<'static>>> = Context::help_from(focused)
        .into_iter()
        .map(|context| group(keymap, context, usize::from(column_width) - 1, look))
        .collect();
    let (left, right) = split(groups, usize::from(columns));
    let lines = left.len().max(right.len());
    let height = (lines as u16 + 2).min(area.height.saturating_sub(2));
    let inside = window(frame, area, (width, height), t("Keys"), look);
    let visible = usize::from(inside.height);
    let top = top.min(lines.saturating_sub(visible));
    let buffer = frame.buffer_mut();
    for (index, column) in [left, right]
        .into_iter()
        .take(usize::from(columns))
        .enumerate()
    {
        let x = inside.x + index as u16 * column_width;
        for (row, line) in column.into_iter().skip(top).take(visible).enumerate() {
            let at = Rect::new(x, inside.y + row as u16, column_width.saturating_sub(1), 1);
            line.render(at, buffer);
        }
    }
    if lines > visible {
        let last = (top + visible).min(lines);
        let more = phrase!("{}-{} of {}", top + 1, last, lines);
        in_frame(frame, inside, &more, look);
    }
    top
}

fn group(keymap: &Keymap, context: Context, width: usize, look: &Look<'_>) -> Vec<Line<'static>> {
    let keys_width = if width >= 66 { 28 } else { 17 };
    let mut lines = vec![Line::from(look.span(t(context.title()), Role::Heading))];
    for line in keymap.help(context) {
        let keys = text::pad(&as_many_as_fit(&line.keys, keys_width), keys_width);
        let about = text::truncate(t(line.about), width.saturating_sub(keys_width + 3));
        lines.push(Line::from(vec![
            look.span(format!("  {keys} "), Role::Key),
            Span::raw(about.into_owned()),
        ]));
    }
    lines.push(Line::default());
    lines
}

/// Joins keys as long as there is room; the first one is always there.
fn as_many_as_fit(keys: &[String], width: usize) -> String {
    let mut shown = String::new();
    for key in keys {
        if shown.is_empty() {
            shown.clone_from(key);
        } else if text::width(&shown) + 1 + text::width(key) <= width {
            shown.push(' ');
            shown.push_str(key);
        }
    }
    shown
}

/// Divides the groups into columns of about the same length, without tearing one apart.
fn split(
    groups: Vec<Vec<Line<'static>>>,
    columns: usize,
) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
    let total: usize = groups.iter().map(Vec::len).sum();
    let mut left = Vec::new();
    let mut right = Vec::new();
    for group in groups {
        let room = columns < 2 || left.len() + group.len() / 2 <= total / 2;
        if right.is_empty() && room {
            left.extend(group);
        } else {
            right.extend(group);
        }
    }
    (left, right)
}
