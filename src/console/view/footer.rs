//! The last line: what the keys do here, or for some seconds what just happened.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Look;
use crate::console::app::App;
use crate::console::state::toast::Tone;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{t, translate};

/// Draws the footer.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, look: &Look<'_>) {
    let buffer = frame.buffer_mut();
    buffer.set_style(area, look.theme.style(Role::Footer));
    let line = match &app.toast {
        Some(toast) => {
            let (symbol, role) = match toast.tone {
                Tone::Done => (look.symbols.done, Role::Good),
                Tone::Note => (look.symbols.note, Role::Notice),
                Tone::Failed => (look.symbols.failed, Role::Bad),
            };
            let room = usize::from(area.width).saturating_sub(4);
            let said = text::display_safe(&translate(&toast.text)).replace('\n', " ");
            Line::from(vec![
                look.span(format!(" {symbol} "), role),
                look.span(text::truncate(&said, room).into_owned(), Role::Text),
            ])
        }
        None => hints(app, usize::from(area.width), look),
    };
    line.render(area, buffer);
}

fn hints(app: &App, width: usize, look: &Look<'_>) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for (key, hint) in app.keymap.hints(app.key_context()) {
        let hint = t(hint);
        let needed = text::width(&key) + 1 + text::width(hint) + 2;
        if used + needed > width + 2 {
            continue;
        }
        used += needed;
        spans.push(look.span(key, Role::Key));
        spans.push(look.span(format!(" {hint}  "), Role::Footer));
    }
    Line::from(spans)
}
