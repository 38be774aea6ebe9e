//! The chat: conversation above, prompt below, and between them a line that says how the answer is doing.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::chrome::spans_width;
use super::transcript::{Transcript, text_width};
use super::turn::Style;
use super::{Look, chrome, compare};
use crate::base::{InstanceName, Target};
use crate::console::action::Action;
use crate::console::app::{App, Drawn};
use crate::console::keymap::Context;
use crate::console::state::answerers::Answerers;
use crate::console::state::dialog::Dialog;
use crate::console::state::focus::Focus;
use crate::console::state::line::Wanted;
use crate::console::state::reply::{Phase, Reply};
use crate::console::state::scroll::{Anchor, Below, Move, Window};
use crate::console::state::search::{MOST_FOUND, Search};
use crate::console::state::select::Select;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{phrase, t, translate};

/// By how many lines a followed stream moves up at once; see state/scroll.rs.
const STEP: usize = 10;

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
    let keys = Keys::of(app);
    let style = keys.style(app, width, look);
    transcript.begin(&style);
    let rows = usize::from(area.height);
    let chat = &app.chat;
    // Answers one below the other grow in the middle of what is seen: moved late, the lowest one would go up and down.
    let grows_inside = chat
        .turns()
        .next_back()
        .is_some_and(|turn| turn.compared && compare::is_stacked(turn.replies.len(), width));
    let step = if chat.running().is_some() && !grows_inside {
        STEP.min(rows / 3)
    } else {
        1
    };
    let relaid = transcript.advance(look.theme);
    let first = chat.turn(drawn.scroll.anchor.turn);
    let window = Window {
        width,
        rows,
        step: step.max(1),
        relaid: first.is_some_and(|turn| relaid.contains(&turn.id)),
    };
    drawn.places.rows = rows;
    if let Some(place) = app
        .search
        .as_ref()
        .and_then(|search| find_place(search, app, transcript, &style))
    {
        drawn.scroll.push(Move::ToLine(place.0));
        drawn.found = Some(place);
    }
    let mut height = |index: usize| {
        chat.turn(index).map_or(0, |turn| {
            transcript.height(turn, chat.variants(index), &style)
        })
    };
    drawn.scroll.settle(window, chat.len(), &mut height);
    if let Some(select) = &mut drawn.select
        && let Some(at) = select.settle((drawn.scroll.anchor, rows), chat.len(), &mut height)
    {
        drawn.scroll.follow = false;
        drawn.scroll.reveal(at, window, chat.len(), &mut height);
    }
    let chosen = drawn.select.as_ref().and_then(Select::range);
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
        let lines = block.lines(first, rows - row, &style);
        for (number, (indent, line)) in lines.into_iter().enumerate() {
            let at = Rect::new(
                area.x + indent,
                area.y + row as u16,
                area.width.saturating_sub(indent + 1),
                1,
            );
            if let Some(search) = &app.search {
                let found = found_columns(search, &line);
                line.render(at, buffer);
                let line = first + number;
                let here = Anchor { turn: index, line };
                let current = drawn.found.or(search.line);
                let current = current.filter(|(at, _)| *at == here).map(|(_, nth)| nth);
                for (nth, (from, width)) in found.into_iter().enumerate() {
                    let role = if current == Some(nth) {
                        Role::MatchCurrent
                    } else {
                        Role::Match
                    };
                    let here = Rect::new(at.x.saturating_add(from), at.y, width, 1);
                    let style = look.theme.style(role);
                    buffer.set_style(here.intersection(at), style);
                }
            } else {
                line.render(at, buffer);
            }
            let place = Anchor {
                turn: index,
                line: first + number,
            };
            if chosen.is_some_and(|(from, to)| (from..=to).contains(&place)) {
                let whole = Rect::new(area.x, at.y, area.width.saturating_sub(1), 1);
                buffer.set_style(whole, look.theme.style(Role::Selected));
            }
            row += 1;
        }
        first = 0;
    }
}

/// Finds the line of the place that is to be brought into the window, and the how manieth one there it is.
fn find_place(
    search: &Search,
    app: &App,
    transcript: &mut Transcript,
    style: &Style<'_>,
) -> Option<(Anchor, usize)> {
    let place = search.place().filter(|_| search.jump)?;
    let index = app.chat.turns().position(|turn| turn.id == place.turn)?;
    let turn = app.chat.turn(index)?;
    let block = transcript.block(turn, app.chat.variants(index), style);
    let mut before = 0;
    let mut last = (0, 0);
    for (number, (_, line)) in block.lines(0, usize::MAX, style).iter().enumerate() {
        let here = search.in_line(&line.to_string()).len();
        if here > 0 {
            // What was found in the text may be spelt otherwise on the screen; then it is the last one there.
            last = (number, (place.nth - before).min(here - 1));
        }
        if before + here > place.nth {
            break;
        }
        before += here;
    }
    let (line, nth) = last;
    Some((Anchor { turn: index, line }, nth))
}

/// Returns where what is looked for stands in a line: columns and widths.
fn found_columns(search: &Search, line: &Line<'_>) -> Vec<(u16, u16)> {
    let said = line.to_string();
    let found = search.in_line(&said).into_iter();
    found
        .map(|range| {
            let from = text::width(&said[..range.start]) as u16;
            (from, text::width(&said[range]) as u16)
        })
        .collect()
}

/// Returns lines as they are shown, for copying.
pub(crate) fn chosen_lines(
    app: &App,
    transcript: &mut Transcript,
    look: &Look<'_>,
    mut chosen: Select,
) -> String {
    let Some(width) = transcript.width() else {
        return String::new();
    };
    let keys = Keys::of(app);
    let style = keys.style(app, width, look);
    let window = (app.chat.scroll.anchor, app.places().rows);
    chosen.settle(window, app.chat.len(), |index| {
        app.chat.turn(index).map_or(0, |turn| {
            transcript.height(turn, app.chat.variants(index), &style)
        })
    });
    let Some((from, to)) = chosen.range() else {
        return String::new();
    };
    let mut out = String::new();
    for index in from.turn..=to.turn {
        let Some(turn) = app.chat.turn(index) else {
            break;
        };
        let block = transcript.block(turn, app.chat.variants(index), &style);
        let first = if index == from.turn { from.line } else { 0 };
        let end = if index == to.turn {
            to.line + 1
        } else {
            usize::MAX
        };
        for (_, line) in block.lines(first, end - first, &style) {
            out.push_str(line.to_string().trim_end());
            out.push('\n');
        }
    }
    out
}

/// The keys that the conversation names, as words.
struct Keys {
    retry: String,
    go_on: String,
    versions: String,
    pick: String,
}

impl Keys {
    fn of(app: &App) -> Self {
        let key = |action| app.keymap.key_for(app.chat_context(), action);
        Self {
            retry: key(Action::Retry).unwrap_or_default(),
            go_on: key(Action::GoOn).unwrap_or_default(),
            versions: [Action::PreviousVariant, Action::NextVariant]
                .map(|action| key(action).unwrap_or_default())
                .join(" "),
            pick: key(Action::Pick).unwrap_or_default(),
        }
    }

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
    if let Some(line) = asked_line(app, look) {
        left.extend(line);
    } else if let Some(reply) = app.chat.running() {
        left.extend(progress(reply, app, look));
        left.push(Span::raw(" "));
    } else if app.editing.is_some() {
        let leave = app.keymap.key_for(Context::Prompt, Action::Back);
        left.push(look.span(format!("{} ", t("asking in other words")), Role::Notice));
        left.push(look.span(format!("{} ", symbols.dot), Role::Dim));
        left.push(look.span(leave.unwrap_or_default(), Role::Key));
        left.push(look.span(format!(" {} ", t("leaves it as it was")), Role::Dim));
    } else {
        left = vec![look.span(rule, border)];
    }
    let below = match below {
        Below::Nothing => None,
        Below::Lines(1) => Some(format!(" {} {} ", symbols.down, t("1 more line"))),
        Below::Lines(lines) => Some(format!(
            " {} {} ",
            symbols.down,
            phrase!("{} more lines", lines)
        )),
        Below::MoreThan(lines) => Some(format!(
            " {} {} ",
            symbols.down,
            phrase!("more than {} lines", lines)
        )),
    };
    let mut right: Vec<Span<'static>> = Vec::new();
    if let Some(to) = asked_of(app) {
        let taken = spans_width(&left) + below.as_deref().map_or(0, |text| text::width(text) + 1);
        let around = text::width(symbols.arrow) + 4;
        let room = usize::from(area.width).saturating_sub(taken + around);
        let room = room.min(usize::from(area.width) / 2);
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

/// A line that is being typed, or what was found.
fn asked_line(app: &App, look: &Look<'_>) -> Option<Vec<Span<'static>>> {
    let dim = |text: String| look.span(text, Role::Dim);
    let typed = |text: &str| look.span(text::display_safe(text), Role::Text);
    let found = |search: &Search| {
        let (at, count) = search.position();
        let (next, previous) = (Action::NextFound, Action::PreviousFound);
        let key = |action| app.keymap.key_for(Context::Transcript, action);
        let keys = format!(
            "{} {}",
            key(next).unwrap_or_default(),
            key(previous).unwrap_or_default()
        );
        match count {
            0 => vec![dim(t("nowhere").to_owned())],
            MOST_FOUND => vec![
                dim(phrase!("{} of more than {}", at, count)),
                look.span(format!(" {keys} "), Role::Key),
            ],
            _ => vec![
                dim(phrase!("{} of {}", at, count)),
                look.span(format!(" {keys} "), Role::Key),
            ],
        }
    };
    match &app.dialog {
        Some(Dialog::Line(line)) => {
            let asks = match line.wanted {
                Wanted::Words => "/",
                Wanted::SavePath => t("save as: "),
            };
            let mut spans = vec![
                look.span(asks, Role::Key),
                typed(&line.text),
                look.span(" ", Role::Selected),
                Span::raw(" "),
            ];
            if line.wanted == Wanted::Words && !line.text.trim().is_empty() {
                spans.extend(app.search.iter().flat_map(found));
                spans.push(Span::raw(" "));
            }
            Some(spans)
        }
        _ => app.search.as_ref().map(|search| {
            let mut spans = vec![
                look.span("/", Role::Key),
                typed(search.query()),
                Span::raw("  "),
            ];
            spans.extend(found(search));
            spans
        }),
    }
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
        None => usual.map(|_| t("no persona").to_owned()),
    };
    let parts: Vec<String> = who.into_iter().chain(plays).collect();
    (!parts.is_empty()).then(|| text::display_safe(&parts.join(", ")))
}

/// How the answer that is coming in is doing.
fn progress(reply: &Reply, app: &App, look: &Look<'_>) -> Vec<Span<'static>> {
    let dot = look.symbols.dot;
    let elapsed = if app.animations {
        format!(" {dot} {} s {dot} ", reply.elapsed(app.now).as_secs())
    } else {
        format!(" {dot} ")
    };
    let who = reply
        .response()
        .instance
        .as_ref()
        .map(|name| text::display_safe(name.as_str()));
    let several = app.chat.running_replies().count();
    let doing = match (&reply.phase, who) {
        _ if several > 1 => phrase!("{} answers come in", several),
        (Phase::Waiting, _) => t("waiting for an instance").to_owned(),
        (_, Some(name)) if reply.response().text.is_empty() => phrase!("{} thinks", name),
        (_, Some(name)) => phrase!("{} answers", name),
        (_, None) => t("an answer comes in").to_owned(),
    };
    let stop = app
        .keymap
        .key_for(Context::Prompt, Action::Back)
        .unwrap_or_default();
    vec![
        look.span(doing, Role::Assistant),
        look.span(elapsed, Role::Dim),
        look.span(stop, Role::Key),
        look.span(format!(" {}", t("stops")), Role::Dim),
    ]
}

/// What a conversation that has not begun shows: where one is, and the few keys that matter.
fn welcome(frame: &mut Frame<'_>, area: Rect, app: &App, look: &Look<'_>) {
    let width = usize::from(area.width).saturating_sub(4);
    let key = |context, action| app.keymap.key_for(context, action).unwrap_or_default();
    let mut lines = vec![
        Line::from(look.span(t("Ask something."), Role::Heading)),
        Line::default(),
    ];
    let instances = app.pool.board.instances.len();
    let who = match instances {
        0 => t("There is no instance that could answer.").to_owned(),
        1 => t("One instance answers.").to_owned(),
        many => phrase!(
            "{} instances answer in turn; the pool shows which one is next, the metrics how they do.",
            many
        ),
    };
    push_wrapped(&mut lines, &who, width, Role::Text, look);
    if let Some(hint) = &app.context.source_hint {
        lines.push(Line::default());
        push_wrapped(&mut lines, &translate(hint), width, Role::Dim, look);
    }
    lines.push(Line::default());
    for (key, about) in [
        (key(Context::Prompt, Action::Send), t("sends the question")),
        (
            key(Context::Prompt, Action::Newline),
            t("starts a new line"),
        ),
        (
            key(Context::Prompt, Action::FocusNext),
            t("goes to the next pane"),
        ),
        (
            key(Context::Prompt, Action::Back),
            t("stops an answer, and goes one step back"),
        ),
        (key(Context::Prompt, Action::Help), t("shows all keys")),
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
