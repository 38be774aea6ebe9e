//! The log page: the last lines of this program's log.

use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::details::paragraph;
use super::{Look, details, page};
use crate::base::{LogLevel, LogLine};
use crate::console::app::{App, Drawn};
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{counted, known, phrase, t};

/// What stands beside the page's name.
pub(crate) fn title(app: &App) -> String {
    let mut title = phrase!("{} and above", known(app.log.level.as_str()));
    let follows = if app.log.follows() {
        t("follows")
    } else {
        t("stands still, G follows")
    };
    title = format!("{title} · {follows}");
    if app.log.missed > 0 {
        title = format!(
            "{title} · {}",
            counted!(
                app.log.missed,
                "one line was too many",
                "{} lines were too many"
            )
        );
    }
    title
}

/// Draws the page.
pub(crate) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    look: &Look<'_>,
    drawn: &mut Drawn,
) {
    let shown = app.log.shown(app.log_until());
    let place = app.log.place(&shown);
    let open = shown.get(place).filter(|_| app.log.open);
    let width = usize::from(area.width).saturating_sub(2);
    let lines = open.map(|line| whole(line, width, look));
    let area = page::filter(frame, area, &app.log.filter, app.filtering, look);
    let (list, below) = details::split(area, lines.as_ref().map(Vec::len));
    let buffer = frame.buffer_mut();
    if shown.is_empty() {
        let said = if app.context.log.is_none() {
            t("nothing is logged here")
        } else {
            t("no line is like this")
        };
        let line = Line::from(look.span(format!(" {said}"), Role::Dim));
        line.render(Rect { height: 1, ..list }.intersection(list), buffer);
        return;
    }
    let visible = usize::from(list.height);
    let first = (place + 1).saturating_sub(visible);
    let words = app.log.filter.words();
    for (row, (index, line)) in shown
        .iter()
        .enumerate()
        .skip(first)
        .take(visible)
        .enumerate()
    {
        let at = Rect {
            y: list.y + row as u16,
            height: 1,
            ..list
        };
        let selected = index == place && !app.log.follows();
        let mut drawn_line = one(line, app, &words, usize::from(list.width), look);
        if selected {
            let style = look.theme.style(Role::Selected);
            buffer.set_style(at, style);
            for span in &mut drawn_line.spans {
                span.style = style;
            }
        }
        drawn_line.render(at, buffer);
    }
    if let (Some(below), Some(lines), Some(open)) = (below, lines, open) {
        drawn.detail_top = details::draw(frame, below, &open.target, lines, app.detail_top, look);
    }
}

fn role(level: LogLevel) -> Role {
    match level {
        LogLevel::Error => Role::Bad,
        LogLevel::Warn => Role::Warn,
        LogLevel::Info => Role::Good,
        LogLevel::Debug | LogLevel::Trace => Role::Dim,
    }
}

fn one(
    line: &Arc<LogLine>,
    app: &App,
    words: &[String],
    width: usize,
    look: &Look<'_>,
) -> Line<'static> {
    let target = line
        .target
        .strip_prefix("llmdeck::")
        .unwrap_or(&line.target);
    let mut spans = vec![
        look.span(format!(" {} ", app.clock.hour_of(line.at)), Role::Dim),
        look.span(
            format!("{} ", text::pad(known(line.level.as_str()), 5)),
            role(line.level),
        ),
        look.span(format!("{} ", text::pad(target, 14)), Role::Dim),
    ];
    let used: usize = spans.iter().map(Span::width).sum();
    let said = text::truncate(&line.text, width.saturating_sub(used)).into_owned();
    spans.extend(marked(&said, words, look));
    Line::from(spans)
}

/// Marks the words that were looked for.
fn marked(said: &str, words: &[String], look: &Look<'_>) -> Vec<Span<'static>> {
    let lower = said.to_lowercase();
    // Lower case may have another length in bytes; then nothing is marked.
    let found = words
        .iter()
        .filter(|_| lower.len() == said.len())
        .filter_map(|word| Some((lower.find(word.as_str())?, word.len())))
        .min();
    match found {
        Some((at, length)) if said.is_char_boundary(at) && said.is_char_boundary(at + length) => {
            let mut spans = vec![
                look.span(said[..at].to_owned(), Role::Text),
                look.span(said[at..at + length].to_owned(), Role::Match),
            ];
            spans.extend(marked(&said[at + length..], words, look));
            spans
        }
        Some(_) | None => vec![look.span(said.to_owned(), Role::Text)],
    }
}

fn whole(line: &LogLine, width: usize, look: &Look<'_>) -> Vec<Line<'static>> {
    let mut lines = paragraph(t("when"), &line.at.to_string(), Role::Text, width, look);
    lines.extend(paragraph(t("where"), &line.target, Role::Text, width, look));
    lines.extend(paragraph(t("said"), &line.text, Role::Text, width, look));
    lines
}
