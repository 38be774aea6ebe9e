//! The waterfall of one request: how its time was spent, every attempt on a line of its own.
//!
//! ```text
//! queue        ░░░
//! openai-a        ▒▒▒▒▒▒▒▒✗                 no first token in time
//! openai-b                 ▒▒▓▓████████████✓  340 ms, first token after 610 ms
//!              0 s            1.2 s       2.4 s
//! ```

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::details::{LABEL, labelled, paragraph};
use super::requests::{blank, outcome_role};
use super::{Look, turn};
use crate::base::{Attempt, Outcome, Sample, Target};
use crate::console::state::clock::Clock;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{known, phrase, t};

/// The parts of an attempt, each with its own symbol so that colour is not needed.
#[derive(Clone, Copy)]
enum Part {
    Queued,
    Connecting,
    FirstToken,
    Streaming,
}

impl Part {
    const ALL: [Self; 4] = [
        Self::Queued,
        Self::Connecting,
        Self::FirstToken,
        Self::Streaming,
    ];

    const fn symbol(self, ascii: bool) -> &'static str {
        match (self, ascii) {
            (Self::Queued, false) => "·",
            (Self::Queued, true) => ".",
            (Self::Connecting, false) => "░",
            (Self::Connecting, true) => ":",
            (Self::FirstToken, false) => "▒",
            (Self::FirstToken, true) => "=",
            (Self::Streaming, false) => "█",
            (Self::Streaming, true) => "#",
        }
    }

    const fn role(self) -> Role {
        match self {
            Self::Queued => Role::Dim,
            Self::Connecting => Role::GraphQueue,
            Self::FirstToken => Role::GraphLatency,
            Self::Streaming => Role::GraphSuccess,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Queued => t("queued"),
            Self::Connecting => t("until the headers"),
            Self::FirstToken => t("until the first token"),
            Self::Streaming => t("streaming"),
        }
    }
}

/// Makes the lines of a request's waterfall and what else is known of it.
pub(crate) fn lines(
    sample: &Sample,
    clock: &Clock,
    width: usize,
    look: &Look<'_>,
) -> Vec<Line<'static>> {
    let mut lines = vec![summary(sample, clock, look)];
    lines.push(blank());
    let columns = width.saturating_sub(name_width(sample) + 26).clamp(10, 90);
    for (index, attempt) in sample.attempts.iter().enumerate() {
        lines.extend(attempt_lines(sample, index, attempt, columns, width, look));
    }
    if sample.attempts.is_empty() {
        lines.push(labelled(
            t("queued"),
            text::duration(sample.queued),
            Role::Text,
            look,
        ));
        lines.push(labelled("", t("no instance was asked"), Role::Dim, look));
    }
    lines.push(axis(sample, columns, look));
    lines.extend(legend(width, look));
    lines.push(blank());
    lines.extend(figures(sample, width, look));
    lines
}

fn summary(sample: &Sample, clock: &Clock, look: &Look<'_>) -> Line<'static> {
    let (word, role) = match sample.outcome {
        Outcome::Success => (t("ok").to_owned(), Role::Good),
        Outcome::Cancelled => (t("cancelled").to_owned(), Role::Dim),
        Outcome::Failure(kind) => (known(kind.words()).to_owned(), outcome_role(sample.outcome)),
    };
    let rest = phrase!(
        "  called {}, took {}",
        clock.hour_of(sample.called_at),
        text::duration(sample.total),
    );
    Line::from(vec![look.span(word, role), look.span(rest, Role::Text)])
}

fn name_width(sample: &Sample) -> usize {
    let names = sample.attempts.iter();
    let widest = names
        .map(|attempt| text::width(attempt.instance.as_str()))
        .max();
    widest.unwrap_or(8).clamp(8, 18)
}

/// One attempt: its name, its bar, and how long it took; a failure says why on the next line.
fn attempt_lines(
    sample: &Sample,
    index: usize,
    attempt: &Attempt,
    columns: usize,
    width: usize,
    look: &Look<'_>,
) -> Vec<Line<'static>> {
    let name = text::display_safe(attempt.instance.as_str());
    let names = name_width(sample);
    let mut spans = vec![
        look.span(format!("{} ", index + 1), Role::Dim),
        look.span(text::pad(&name, names), Role::Text),
        Span::raw(" "),
    ];
    spans.extend(bar(sample.total, attempt, columns, look));
    let (mark, role) = match attempt.outcome {
        Outcome::Success => (look.symbols.done, Role::Good),
        Outcome::Failure(_) => (look.symbols.failed, Role::Bad),
        Outcome::Cancelled => (look.symbols.note, Role::Dim),
    };
    spans.push(look.span(format!(" {mark} "), role));
    spans.push(look.span(text::duration(attempt.total), Role::Text));
    let mut lines = vec![Line::from(spans)];
    if let Outcome::Failure(kind) = attempt.outcome {
        let mut said = known(kind.words()).to_owned();
        if let Some(status) = attempt.status {
            said = format!("{said} (HTTP {status})");
        }
        if let Some(message) = &attempt.message {
            said = format!("{said}: {message}");
        }
        let said = text::display_safe(&said);
        let indent = names + 3;
        for row in text::wrap(&said, width.saturating_sub(indent).max(10))
            .into_iter()
            .take(4)
        {
            let blanks = " ".repeat(indent);
            lines.push(Line::from(
                look.span(format!("{blanks}{}", &said[row]), Role::Bad),
            ));
        }
    }
    lines
}

/// Draws the parts of an attempt on the request's own time.
fn bar(total: Duration, attempt: &Attempt, columns: usize, look: &Look<'_>) -> Vec<Span<'static>> {
    let whole = total.max(Duration::from_micros(1)).as_secs_f64();
    let column = |at: Duration| {
        let share = (at.as_secs_f64() / whole).clamp(0.0, 1.0);
        (share * columns as f64).round() as usize
    };
    let start = attempt.started_after;
    // Another process may say anything.
    let after = |time: Duration| start.saturating_add(time);
    let end = after(attempt.total);
    let headers = attempt.headers.map_or(end, after);
    let first = attempt.first_token.map_or(end, after);
    let queued_from = start.saturating_sub(attempt.queued);
    let stops = [
        (Part::Queued, queued_from, start),
        (Part::Connecting, start, headers.min(first)),
        (Part::FirstToken, headers.min(first), first),
        (Part::Streaming, first, end),
    ];
    let mut spans = Vec::new();
    let mut at = column(queued_from);
    spans.push(Span::raw(" ".repeat(at)));
    for (part, from, to) in stops {
        let to = column(to).max(at);
        // What took any time at all is seen, as long as there is room.
        let least = usize::from(from < end && to == at && matches!(part, Part::Streaming));
        let cells = (to - at + least).min(columns - at);
        spans.push(look.span(part.symbol(look.symbols.ascii).repeat(cells), part.role()));
        at += cells;
    }
    spans.push(Span::raw(" ".repeat(columns.saturating_sub(at))));
    spans
}

fn axis(sample: &Sample, columns: usize, look: &Look<'_>) -> Line<'static> {
    let half = text::duration(sample.total / 2);
    let whole = text::duration(sample.total);
    let middle = columns / 2;
    let before = middle.saturating_sub(1 + text::width(&half) / 2);
    let after = columns.saturating_sub(1 + before + text::width(&half) + text::width(&whole));
    let scale = format!(
        "{}0{}{half}{}{whole}",
        " ".repeat(name_width(sample) + 3),
        " ".repeat(before),
        " ".repeat(after)
    );
    Line::from(look.span(scale, Role::Dim))
}

/// Says what the parts are, in as many rows as it needs.
fn legend(width: usize, look: &Look<'_>) -> Vec<Line<'static>> {
    let mut rows = vec![Line::from("  ")];
    for part in Part::ALL {
        let mark = look.span(part.symbol(look.symbols.ascii).repeat(2), part.role());
        let word = look.span(format!(" {}   ", part.word()), Role::Dim);
        let needed = mark.width() + text::width(word.content.trim_end());
        match rows.last_mut() {
            Some(row) if row.width() + needed <= width => row.spans.extend([mark, word]),
            _ => rows.push(Line::from(vec![Span::raw("  "), mark, word])),
        }
    }
    rows
}

/// Everything else that is known.
fn figures(sample: &Sample, width: usize, look: &Look<'_>) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut add = |label: &str, said: Option<String>| {
        if let Some(said) = said {
            lines.extend(paragraph(
                label,
                &said,
                Role::Text,
                width.max(LABEL + 10),
                look,
            ));
        }
    };
    let times = [
        Some(phrase!("queued {}", text::duration(sample.queued))),
        sample
            .time_to_first_token
            .map(|time| phrase!("first token after {}", text::duration(time))),
        sample
            .time_between_tokens
            .map(|time| phrase!("{} between tokens", text::duration(time))),
    ];
    add(
        t("times"),
        Some(times.into_iter().flatten().collect::<Vec<_>>().join(", ")),
    );
    add(
        t("tokens"),
        sample.usage.map(|usage| {
            let or = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), text::count);
            let mut said = phrase!(
                "{} in, {} out",
                or(usage.prompt_tokens),
                or(usage.completion_tokens)
            );
            if let Some(cached) = usage.cached_tokens.filter(|cached| *cached > 0) {
                said = format!(
                    "{said}, {}",
                    phrase!("{} of them cached", text::count(cached))
                );
            }
            if let Some(reasoning) = usage.reasoning_tokens.filter(|tokens| *tokens > 0) {
                said = format!(
                    "{said}, {}",
                    phrase!("{} for reasoning", text::count(reasoning))
                );
            }
            said
        }),
    );
    add(t("cost"), sample.cost.map(turn::dollars));
    add(t("model"), sample.model.clone());
    add(
        t("for"),
        Some(match &sample.target {
            Target::Any => t("any instance").to_owned(),
            Target::Type(kind) => phrase!("any instance of type {}", kind),
            Target::Route(route) => phrase!("route {}", route),
            Target::Instance(name) => phrase!("instance {} and no other", name),
        }),
    );
    add(t("caller"), sample.caller.clone());
    add(t("conversation"), sample.conversation.clone());
    add(t("trace"), sample.traceparent.clone());
    if let Some((kind, message)) = &sample.error {
        add(
            t("error"),
            Some(format!("{}: {message}", known(kind.words()))),
        );
        add(t("what to do"), Some(known(kind.hint()).to_owned()));
    }
    lines
}
