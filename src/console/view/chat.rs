//! The chat: conversation above, prompt below, and between them a line that says how the answer is doing.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::chrome::spans_width;
use super::transcript::{Transcript, text_width};
use super::turn::Style;
use super::{Look, chrome};
use crate::base::{InstanceName, Target};
use crate::console::action::Action;
use crate::console::app::{App, Drawn};
use crate::console::keymap::Context;
use crate::console::state::answerers::Answerers;
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
    if app.chat.is_empty() {
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
    let key = |action| app.keymap.key_for(app.chat_context(), action);
    let keys = Keys {
        retry: key(Action::Retry).unwrap_or_default(),
        go_on: key(Action::GoOn).unwrap_or_default(),
        versions: [Action::PreviousVariant, Action::NextVariant]
            .map(|action| key(action).unwrap_or_default())
            .join(" "),
        pick: key(Action::Pick).unwrap_or_default(),
    };
    let style = keys.style(app, width, look);
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
    let chat = &app.chat;
    drawn.scroll.settle(window, chat.len(), |index| {
        chat.turn(index).map_or(0, |turn| {
            transcript.height(turn, chat.variants(index), &style)
        })
    });
    let anchor = drawn.scroll.anchor;
    let mut row = 0;
    let mut first = anchor.line;
    let buffer = frame.buffer_mut();
    for (index, turn) in chat.turns().enumerate().skip(anchor.turn) {
        if row >= rows {
            break;
        }
        let block = transcript.block(turn, chat.variants(index), &style);
        if first == 0 && chat.selected == Some(turn.id) {
            let mark = Rect::new(area.x, area.y + row as u16, area.width.min(2), 1);
            buffer.set_style(mark, look.theme.style(Role::Selected));
        }
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

/// The keys that the conversation names, as words.
struct Keys {
    retry: String,
    go_on: String,
    versions: String,
    pick: String,
}

impl Keys {
    fn style<'a>(&'a self, app: &App, width: u16, look: &Look<'a>) -> Style<'a> {
        Style {
            look: *look,
            width,
            show_reasoning: app.show_reasoning,
            facts: true,
            retry_key: &self.retry,
            go_on_key: &self.go_on,
            version_keys: &self.versions,
            pick_key: &self.pick,
        }
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
    } else if app.editing.is_some() {
        let leave = app.keymap.key_for(Context::Prompt, Action::Back);
        left.push(look.span("asking in other words ", Role::Notice));
        left.push(look.span(format!("{} ", symbols.dot), Role::Dim));
        left.push(look.span(leave.unwrap_or_default(), Role::Key));
        left.push(look.span(" leaves it as it was ", Role::Dim));
    } else {
        left = vec![look.span(rule, border)];
    }
    let below = match below {
        Below::Nothing => None,
        Below::Lines(1) => Some(format!(" {} 1 more line ", symbols.down)),
        Below::Lines(lines) => Some(format!(" {} {lines} more lines ", symbols.down)),
        Below::MoreThan(lines) => Some(format!(" {} more than {lines} lines ", symbols.down)),
    };
    let mut right: Vec<Span<'static>> = Vec::new();
    if let Some(to) = asked_of(app) {
        let room = usize::from(area.width) / 2;
        right.push(look.span(format!(" {} ", symbols.arrow), Role::Dim));
        right.push(look.span(text::truncate(&to, room).into_owned(), Role::Key));
        right.push(look.span(format!(" {rule}"), border));
    }
    if let Some(text) = below {
        right.push(look.span(text, Role::Badge));
        right.push(look.span(rule, border));
    }
    let used = chrome::spans_width(&left) + spans_width(&right);
    let rest = usize::from(area.width).saturating_sub(used);
    left.push(look.span(rule.repeat(rest), border));
    left.extend(right);
    Line::from(left).render(area, frame.buffer_mut());
}

/// Who will answer and whom it plays, when that is not the usual.
fn asked_of(app: &App) -> Option<String> {
    let who = match &app.answerers {
        Answerers::One(Target::Any) => None,
        Answerers::One(Target::Type(one)) => Some(one.to_string()),
        Answerers::One(Target::Route(one)) => Some(one.to_string()),
        Answerers::One(Target::Instance(one)) => Some(one.to_string()),
        Answerers::Each(names) => {
            let names: Vec<&str> = names.iter().map(InstanceName::as_str).collect();
            Some(names.join(" + "))
        }
    };
    let usual = app.context.personas.first();
    let plays = match &app.persona {
        Some(persona) if usual == Some(&**persona) => None,
        Some(persona) => Some(persona.name.clone()),
        None => usual.map(|_| "no persona".to_owned()),
    };
    let parts: Vec<String> = who.into_iter().chain(plays).collect();
    (!parts.is_empty()).then(|| text::display_safe(&parts.join(", ")))
}

/// How the answer that is coming in is doing.
fn progress(reply: &Reply, app: &App, look: &Look<'_>) -> Vec<Span<'static>> {
    let seconds = reply.elapsed(app.now).as_secs();
    let who = reply
        .response()
        .instance
        .as_ref()
        .map(|name| text::display_safe(name.as_str()));
    let several = app.chat.running_replies().count();
    let doing = match (&reply.phase, who) {
        _ if several > 1 => format!("{several} answers come in"),
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
