//! Windows over the panes: a question, a list.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::Look;
use crate::console::action::Action;
use crate::console::keymap::{Context, Keymap};
use crate::console::state::dialog::{List, Question};
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{known, t, translate};

/// Opens a window in the middle and returns what is inside its frame.
pub(crate) fn window(
    frame: &mut Frame<'_>,
    area: Rect,
    (width, height): (u16, u16),
    title: &str,
    look: &Look<'_>,
) -> Rect {
    let width = width.min(area.width);
    let height = height.min(area.height);
    let at = Rect::new(
        area.x + (area.width - width) / 2,
        area.y + (area.height - height) / 2,
        width,
        height,
    );
    let buffer = frame.buffer_mut();
    Clear.render(at, buffer);
    buffer.set_style(at, look.theme.style(Role::Text));
    let mut block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(look.theme.style(Role::BorderFocused))
        .title(look.span(format!(" {title} "), Role::Title));
    if look.symbols.ascii {
        block = block.border_set(ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        });
    }
    let inner = block.inner(at);
    block.render(at, buffer);
    Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

/// Writes a word into the lower frame of a window, at its right.
pub(crate) fn in_frame(frame: &mut Frame<'_>, inside: Rect, said: &str, look: &Look<'_>) {
    let said = format!(" {said} ");
    let width = text::width(&said) as u16;
    let x = inside.right().saturating_sub(width + 1).max(inside.x);
    let at = Rect::new(x, inside.bottom(), width, 1).intersection(frame.area());
    Line::from(look.span(said, Role::Dim)).render(at, frame.buffer_mut());
}

/// Draws a question.
pub(crate) fn confirm(
    frame: &mut Frame<'_>,
    area: Rect,
    question: &Question,
    keymap: &Keymap,
    look: &Look<'_>,
) {
    let width = area.width.saturating_sub(4).min(58);
    let said = text::display_safe(&translate(&question.text));
    let rows = text::wrap(&said, usize::from(width.saturating_sub(4)));
    let inside = window(
        frame,
        area,
        (width, rows.len() as u16 + 4),
        t("Sure?"),
        look,
    );
    let mut lines: Vec<Line<'static>> = rows
        .into_iter()
        .map(|row| Line::from(look.span(said[row].to_owned(), Role::Text)))
        .collect();
    lines.push(Line::default());
    let key = |action| keymap.key_for(Context::Confirm, action).unwrap_or_default();
    lines.push(Line::from(vec![
        look.span(key(Action::Confirm), Role::Key),
        Span::raw(format!(" {}    ", known(question.yes))),
        look.span(key(Action::Cancel), Role::Key),
        Span::raw(format!(" {}", known(question.no))),
    ]));
    put(frame, inside, lines);
}

/// Draws a list.
pub(crate) fn choose(frame: &mut Frame<'_>, area: Rect, list: &List, look: &Look<'_>) {
    let names = list
        .entries
        .iter()
        .map(|e| text::width(known(&e.name)))
        .max()
        .unwrap_or(0)
        .min(24);
    let abouts = list
        .entries
        .iter()
        .map(|e| text::width(&translate(&e.about)))
        .max()
        .unwrap_or(0);
    let width = (names + abouts + 10).max(text::width(known(list.title)) + 6) as u16;
    let width = width.min(area.width.saturating_sub(4));
    let height = list.entries.len() as u16 + 2;
    let inside = window(frame, area, (width, height), known(list.title), look);
    let visible = usize::from(inside.height);
    let first = (list.selected + 1).saturating_sub(visible);
    let lines = list
        .entries
        .iter()
        .enumerate()
        .skip(first)
        .take(visible)
        .map(|(index, entry)| {
            let mark = if entry.current {
                look.symbols.done
            } else {
                " "
            };
            let name = text::pad(known(&entry.name), names);
            let room = usize::from(inside.width).saturating_sub(names + 5);
            let about = text::pad(&translate(&entry.about), room);
            if index == list.selected {
                Line::from(look.span(format!(" {mark} {name}  {about}"), Role::Selected))
            } else {
                Line::from(vec![
                    look.span(format!(" {mark} "), Role::Good),
                    look.span(format!("{name}  "), Role::Text),
                    look.span(about, Role::Dim),
                ])
            }
        })
        .collect();
    put(frame, inside, lines);
}

/// Puts lines below each other, as many as there is room for.
pub(crate) fn put(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
    let buffer = frame.buffer_mut();
    for (row, line) in lines.into_iter().take(usize::from(area.height)).enumerate() {
        let at = Rect {
            y: area.y + row as u16,
            height: 1,
            ..area
        };
        line.render(at, buffer);
    }
}
