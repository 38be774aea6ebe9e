//! One line that sums it all up. Figures keep their places: each has a fixed width.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Look;
use super::chrome::spans_width;
use crate::console::app::App;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{phrase, t, translate};

/// One figure, or a notice.
struct Part {
    /// What goes first when there is no room; 0 stays longest.
    rank: u8,
    spans: Vec<Span<'static>>,
}

/// Draws the header.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, look: &Look<'_>) {
    let buffer = frame.buffer_mut();
    buffer.set_style(area, look.theme.style(Role::Header));
    let notice = notice(app, area.width, look);
    let notice_width = spans_width(&notice);
    let room = usize::from(area.width).saturating_sub(notice_width + 3);
    let mut parts = parts(app, look);
    while width(&parts) > room && parts.len() > 1 {
        let worst = parts
            .iter()
            .enumerate()
            .max_by_key(|(_, part)| part.rank)
            .map_or(0, |(index, _)| index);
        parts.remove(worst);
    }
    let mut spans = vec![Span::raw(" ")];
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            spans.push(Span::raw("  "));
        }
        spans.extend(part.spans);
    }
    Line::from(spans).render(area, buffer);
    if app.lost_since().is_some() {
        // What it shows is old.
        buffer.set_style(area, look.theme.style(Role::Dim));
    }
    let at = area.right().saturating_sub(notice_width as u16 + 1);
    let right = Rect {
        x: at.max(area.x),
        ..area
    }
    .intersection(area);
    Line::from(notice).render(right, buffer);
}

fn width(parts: &[Part]) -> usize {
    let gaps = 2 * parts.len().saturating_sub(1);
    gaps + parts
        .iter()
        .map(|part| spans_width(&part.spans))
        .sum::<usize>()
}

/// What has to be said in words, at the right.
fn notice(app: &App, width: u16, look: &Look<'_>) -> Vec<Span<'static>> {
    if let Some(since) = app.lost_since() {
        let ago = app.now.duration_since(since).as_secs();
        let lost = phrase!(" lost {} s ago, trying again ", ago);
        return vec![look.span(lost, Role::Alert)];
    }
    if let Some(frozen) = app.frozen {
        let hour = app.clock.hour(frozen.moment);
        let said = if frozen.moment < frozen.since {
            phrase!(" looking back at {} ", hour)
        } else {
            phrase!(" stands still at {} ", hour)
        };
        return vec![look.span(said, Role::Alert)];
    }
    let firing = app.firing();
    if let Some(worst) = firing.first() {
        let message = text::display_safe(&translate(&worst.message)).replace('\n', " ");
        let more = match firing.len() - 1 {
            0 => String::new(),
            more => format!(" +{more}"),
        };
        let room = (usize::from(width) * 3 / 5).saturating_sub(text::width(&more) + 4);
        let said = text::truncate(&message, room);
        return vec![look.span(format!(" ! {said}{more} "), Role::Alert)];
    }
    if !app.pool.board.instances.is_empty() && app.pool.enabled() == 0 {
        return vec![look.span(format!(" {} ", t("no instance is on")), Role::Alert)];
    }
    app.context
        .source_note
        .as_ref()
        .map(|note| vec![look.span(format!(" {} ", translate(note)), Role::Badge)])
        .unwrap_or_default()
}

fn parts(app: &App, look: &Look<'_>) -> Vec<Part> {
    let board = &app.pool.board;
    let minute = &app.metrics.minute;
    let instances = board.instances.len();
    let enabled = app.pool.enabled();
    let in_flight: usize = board.instances.iter().map(|i| i.in_flight).sum();
    let permits: usize = board
        .instances
        .iter()
        .filter(|i| i.enabled)
        .map(|i| i.permits)
        .sum();
    let digits = permits.to_string().len();
    let queue = board.queue.length;
    let value = |text: String, role| look.span(text, role);
    let unit = |text: &'static str| look.span(t(text), Role::Dim);
    let quiet = Role::Header;
    let success = minute
        .success_rate
        .map_or_else(|| "-".to_owned(), text::percent);
    let success_role = match minute.success_rate {
        Some(rate) if rate < 0.9 => Role::Bad,
        Some(rate) if rate < 0.99 => Role::Warn,
        Some(_) | None => quiet,
    };
    let p95 = minute
        .response_time
        .map_or_else(|| "-".to_owned(), |times| text::duration(times.p95));
    vec![
        Part {
            rank: 7,
            spans: vec![look.span("llmdeck", Role::Title)],
        },
        Part {
            rank: 0,
            spans: vec![
                value(
                    format!("{enabled}/{instances}"),
                    if enabled == 0 { Role::Bad } else { quiet },
                ),
                unit(" on"),
            ],
        },
        Part {
            rank: 1,
            spans: vec![
                value(format!("{in_flight:>digits$}/{permits}"), quiet),
                unit(" in flight"),
            ],
        },
        Part {
            rank: 3,
            spans: vec![
                unit("queue "),
                value(
                    format!("{queue:<2}"),
                    if queue == 0 { quiet } else { Role::Warn },
                ),
            ],
        },
        Part {
            rank: 4,
            spans: vec![
                value(
                    text::align_right(
                        text::rate(minute.requests_per_second).trim_end_matches("/s"),
                        4,
                    ),
                    quiet,
                ),
                unit(" req/s"),
            ],
        },
        Part {
            rank: 2,
            spans: vec![
                value(text::align_right(&success, 5), success_role),
                unit(" ok"),
            ],
        },
        Part {
            rank: 5,
            spans: vec![unit("p95 "), value(text::pad(&p95, 6), quiet)],
        },
        Part {
            rank: 6,
            spans: vec![
                value(
                    text::align_right(&text::count(minute.tokens_per_second.round() as u64), 4),
                    quiet,
                ),
                unit(" tok/s"),
            ],
        },
    ]
}
