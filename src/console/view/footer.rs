//! The last line: what the keys do here, or for some seconds what just happened.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Look;
use crate::console::action::Action;
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
    let hints: Vec<(String, &str)> = app
        .keymap
        .hints(app.key_context())
        .into_iter()
        .map(|(key, hint)| (key, t(hint)))
        .collect();
    let widths: Vec<usize> = hints
        .iter()
        .map(|(key, hint)| text::width(key) + 1 + text::width(hint))
        .collect();
    let help = t(Action::Help.hint());
    let kept = hints.iter().position(|(_, hint)| *hint == help);
    for index in that_fit(&widths, kept, width.saturating_sub(1)) {
        let (key, hint) = &hints[index];
        spans.push(look.span(key.clone(), Role::Key));
        spans.push(look.span(format!(" {hint}  "), Role::Footer));
    }
    Line::from(spans)
}

/// Chooses what fits, two blanks between each two, the first ones before the later ones; what leads to all others is
/// kept before any of them.
fn that_fit(widths: &[usize], kept: Option<usize>, room: usize) -> Vec<usize> {
    const GAP: usize = 2;
    let reserved = kept
        .and_then(|index| widths.get(index))
        .map_or(0, |width| width + GAP);
    let mut used = reserved;
    let mut chosen = Vec::new();
    for (index, width) in widths.iter().enumerate() {
        let is_kept = kept == Some(index);
        if !is_kept && used + width > room {
            continue;
        }
        if !is_kept {
            used += width + GAP;
        }
        chosen.push(index);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_kept_whatever_else_must_go() {
        assert_eq!(that_fit(&[5, 5, 4], None, 20), [0, 1, 2]);
        assert_eq!(that_fit(&[5, 5, 4], Some(2), 12), [0, 2]);
        assert_eq!(that_fit(&[5, 9, 4, 2], Some(2), 15), [0, 2, 3]);
        assert_eq!(that_fit(&[5, 5, 4], Some(2), 4), [2]);
        assert_eq!(that_fit(&[5, 5], None, 12), [0, 1], "no gap after the last");
    }
}
