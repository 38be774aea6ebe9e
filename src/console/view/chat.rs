//! The chat: conversation above, prompt below, and between them a line that says how the answer is doing.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::chrome::spans_width;
use super::transcript::{Transcript, text_width};
use super::turn::Style;
use super::{Look, chrome};
use crate::console::action::Action;
use crate::console::app::{App, Drawn};
use crate::console::keymap::Context;
use crate::console::state::focus::Focus;
use crate::console::state::reply::{Phase, Reply};
use crate::console::state::scroll::{Below, Window};
use crate::console::text;
use crate::console::theme::Role;

/// By how many lines a followed stream moves up at once; see state/scroll.rs.
const STEP: usize = 6;

/// Draws the chat.
pub(crate) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    transcript: &mut Transcript,
    look: &Look<'_>,
    drawn: &mut Drawn,
) {
    let most = (area.height / 3).clamp(1, 10);
    let inner_width = area.width.saturating_sub(3);
    let rows = app
        .composer
        .desired_height(inner_width, most)
        .clamp(1, most);
    let prompt = Rect {
        y: area.bottom().saturating_sub(rows),
        height: rows.min(area.height),
        ..area
    };
    let status = Rect {
        y: prompt.y.saturating_sub(1).max(area.y),
        height: 1,
        ..area
    };
    let conversation = Rect {
        height: status.y.saturating_sub(area.y),
        ..area
    };
    if app.chat.turns.is_empty() {
        welcome(frame, conversation, app, look);
    } else {
        turns(frame, conversation, app, transcript, look, drawn);
    }
    draw_status(frame, status, app, drawn.scroll.below, look);
    let sign = look.span(format!("{} ", look.symbols.prompt), Role::User);
    Line::from(sign).render(
        Rect {
            height: 1,
            ..prompt
        },
        frame.buffer_mut(),
    );
    let input = Rect {
        x: prompt.x + 2,
        width: inner_width,
        ..prompt
    };
    let focused = app.focus == Focus::Prompt && app.dialog.is_none();
    app.composer.draw(frame, input, look.theme, focused);
    drawn.places.prompt = prompt;
}

fn turns(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    transcript: &mut Transcript,
    look: &Look<'_>,
    drawn: &mut Drawn,
) {
    let width = text_width(area.width);
    let in_prompt = app.keymap.key_for(Context::Prompt, Action::Retry);
    let retry_key = in_prompt.unwrap_or_default();
    let style = Style {
        look: *look,
        width,
        persona: app.context.personas.first(),
        show_reasoning: app.show_reasoning,
        retry_key: &retry_key,
    };
    transcript.begin(&style);
    let rows = usize::from(area.height);
    let step = if app.chat.running().is_some() {
        STEP.min(rows / 3)
    } else {
        1
    };
    let window = Window {
        width,
        rows,
        step: step.max(1),
    };
    let turns = &app.chat.turns;
    drawn.scroll.settle(window, turns.len(), |index| {
        transcript.height(&turns[index], &style)
    });
    let anchor = drawn.scroll.anchor;
    let mut row = 0;
    let mut first = anchor.line;
    let buffer = frame.buffer_mut();
    for turn in turns.iter().skip(anchor.turn) {
        if row >= rows {
            break;
        }
        let Some(block) = transcript.block(turn, &style) else {
            continue;
        };
        for (indent, line) in block.lines(first, rows - row, &style) {
            let at = Rect::new(
                area.x + indent,
                area.y + row as u16,
                area.width.saturating_sub(indent + 1),
                1,
            );
            line.render(at, buffer);
            row += 1;
        }
        first = 0;
    }
}

/// The line above the prompt.
fn draw_status(frame: &mut Frame<'_>, area: Rect, app: &App, below: Below, look: &Look<'_>) {
    let symbols = look.symbols;
    let focused = app.focus == Focus::Prompt && app.dialog.is_none();
    let (rule, border) = if focused {
        (symbols.heavy_rule, Role::BorderFocused)
    } else {
        (symbols.rule, Role::Border)
    };
    let mut left = vec![look.span(format!("{rule} "), border)];
    if let Some(reply) = app.chat.running() {
        left.extend(progress(reply, app, look));
        left.push(Span::raw(" "));
    } else {
        left = vec![look.span(rule, border)];
    }
    let below = match below {
        Below::Nothing => None,
        Below::Lines(1) => Some(format!(" {} 1 more line ", symbols.down)),
        Below::Lines(lines) => Some(format!(" {} {lines} more lines ", symbols.down)),
        Below::MoreThan(lines) => Some(format!(" {} more than {lines} lines ", symbols.down)),
    };
    let right: Vec<Span<'static>> = below
        .map(|text| vec![look.span(text, Role::Badge), look.span(rule, border)])
        .unwrap_or_default();
    let used = chrome::spans_width(&left) + spans_width(&right);
    let rest = usize::from(area.width).saturating_sub(used);
    left.push(look.span(rule.repeat(rest), border));
    left.extend(right);
    Line::from(left).render(area, frame.buffer_mut());
}

/// How the answer that is coming in is doing.
fn progress(reply: &Reply, app: &App, look: &Look<'_>) -> Vec<Span<'static>> {
    let seconds = reply.elapsed(app.now).as_secs();
    let who = reply
        .response()
        .instance
        .as_ref()
        .map(|name| text::display_safe(name.as_str()));
    let doing = match (&reply.phase, who) {
        (Phase::Waiting, _) => "waiting for an instance".to_owned(),
        (_, Some(name)) if reply.response().text.is_empty() => format!("{name} thinks"),
        (_, Some(name)) => format!("{name} answers"),
        (_, None) => "an answer comes in".to_owned(),
    };
    let stop = app
        .keymap
        .key_for(Context::Prompt, Action::Back)
        .unwrap_or_default();
    let dot = look.symbols.dot;
    vec![
        look.span(doing, Role::Assistant),
        look.span(format!(" {dot} {seconds} s {dot} "), Role::Dim),
        look.span(stop, Role::Key),
        look.span(" stops", Role::Dim),
    ]
}

/// What a conversation that has not begun shows: where one is, and the few keys that matter.
fn welcome(frame: &mut Frame<'_>, area: Rect, app: &App, look: &Look<'_>) {
    let width = usize::from(area.width).saturating_sub(4);
    let key = |context, action| app.keymap.key_for(context, action).unwrap_or_default();
    let mut lines = vec![
        Line::from(look.span("Ask something.", Role::Heading)),
        Line::default(),
    ];
    let instances = app.pool.board.instances.len();
    let who = match instances {
        0 => "There is no instance that could answer.".to_owned(),
        1 => "One instance answers.".to_owned(),
        many => format!(
            "{many} instances answer in turn; the pool shows which one is next, the metrics how they do."
        ),
    };
    push_wrapped(&mut lines, &who, width, Role::Text, look);
    if let Some(hint) = &app.context.source_hint {
        lines.push(Line::default());
        push_wrapped(&mut lines, hint, width, Role::Dim, look);
    }
    lines.push(Line::default());
    for (key, about) in [
        (key(Context::Prompt, Action::Send), "sends the question"),
        (key(Context::Prompt, Action::Newline), "starts a new line"),
        (
            key(Context::Prompt, Action::FocusNext),
            "goes to the next pane",
        ),
        (
            key(Context::Prompt, Action::Back),
            "stops an answer, and goes one step back",
        ),
        (key(Context::Prompt, Action::Help), "shows all keys"),
    ] {
        lines.push(Line::from(vec![
            look.span(text::pad(&key, 9), Role::Key),
            look.span(about, Role::Dim),
        ]));
    }
    let top = usize::from(area.height).saturating_sub(lines.len()) / 3;
    let buffer = frame.buffer_mut();
    for (row, line) in lines.into_iter().enumerate() {
        let y = top + row;
        if y < usize::from(area.height) {
            let at = Rect::new(
                area.x + 2,
                area.y + y as u16,
                area.width.saturating_sub(3),
                1,
            );
            line.render(at, buffer);
        }
    }
}

fn push_wrapped(
    lines: &mut Vec<Line<'static>>,
    said: &str,
    width: usize,
    role: Role,
    look: &Look<'_>,
) {
    let said = text::display_safe(said);
    for row in text::wrap(&said, width) {
        lines.push(Line::from(look.span(said[row].to_owned(), role)));
    }
}
