//! The requests page: a list of what ended, and the waterfall of one.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::grid::{Cell, Col, Grid};
use super::{Look, details, page, waterfall};
use crate::base::{Outcome, Sample};
use crate::console::app::{App, Drawn};
use crate::console::state::requests::{Row, outcome_word};
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{known, phrase, t};

/// What stands beside the page's name.
pub(crate) fn title(app: &App) -> String {
    let shown = app.requests.shown(app.requests_moment()).len();
    let held = app.requests.ended_by(app.requests_moment());
    let mut title = if shown == held {
        phrase!("{} ended", held)
    } else {
        phrase!("{} of {} ended", shown, held)
    };
    if app.frozen.is_none() && app.requests.running() > 0 {
        title = format!(
            "{title} · {}",
            phrase!("{} running", app.requests.running())
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
    let moment = app.requests_moment();
    let shown = app.requests.shown(moment);
    let place = app.requests.place(&shown);
    let open = shown.get(place).filter(|_| app.requests.open);
    let width = usize::from(area.width).saturating_sub(2);
    let lines = open.map(|row| waterfall::lines(&row.sample, &app.clock, width, look));
    let area = page::filter(frame, area, &app.requests.filter, app.filtering, look);
    let (list, below) = details::split(area, lines.as_ref().map(Vec::len));
    let names = shown.iter().filter_map(|row| row.sample.instance.as_ref());
    let name_width = names
        .map(|name| text::width(name.as_str()))
        .max()
        .unwrap_or(8);
    let cols = columns(name_width.clamp(8, 20));
    let grid = Grid::fit(&cols, usize::from(list.width).saturating_sub(2));
    let empty = if app.requests.len() == 0 {
        t("no request has ended yet")
    } else {
        t("no request is like this")
    };
    let headings = grid.headings(&cols, None, look);
    let rows = page::List {
        headings,
        count: shown.len(),
        selected: place,
        empty,
    };
    rows.draw(frame, list, look, drawn, |index| {
        row(shown[index], &grid, &cols, app, look)
    });
    if let (Some(below), Some(lines), Some(open)) = (below, lines, open) {
        let title = phrase!("request {}", open.sample.request);
        drawn.detail_top = details::draw(frame, below, &title, lines, app.detail_top, look);
    }
}

fn columns(name: usize) -> [Col; 10] {
    [
        Col::text(t("ended"), 8, 3),
        Col::text(t("number"), 6, 7),
        Col::text(t("instance"), name, 1),
        Col::text(t("model"), 12, 6).growing(),
        Col::text(t("how"), 16, 0).growing(),
        Col::figure(t("time"), 8, 2),
        Col::figure(t("first token"), 8, 4),
        Col::figure(t("tokens"), 6, 5),
        Col::figure(t("cost"), 8, 8),
        Col::text(t("attempts"), 14, 6),
    ]
}

fn row(row: &Row, grid: &Grid, cols: &[Col], app: &App, look: &Look<'_>) -> Line<'static> {
    let sample = &row.sample;
    let role = outcome_role(sample.outcome);
    grid.row(cols, look, |index, _| match index {
        0 => Cell::Text(app.clock.hour(row.ended), Role::Dim),
        1 => Cell::Text(sample.request.to_string(), Role::Dim),
        2 => {
            let name = sample.instance.as_ref().map_or("-", |name| name.as_str());
            Cell::Text(text::display_safe(name), Role::Text)
        }
        3 => {
            let model = sample.model.as_deref().unwrap_or("-");
            Cell::Text(text::display_safe(model).replace('\n', " "), Role::Dim)
        }
        4 => Cell::Text(how(sample, look), role),
        5 => Cell::Text(text::duration(sample.total), Role::Text),
        6 => Cell::Text(
            or_dash(sample.time_to_first_token.map(text::duration)),
            Role::Dim,
        ),
        7 => {
            let tokens = sample.usage.and_then(|usage| usage.completion_tokens);
            Cell::Text(or_dash(tokens.map(text::count)), Role::Dim)
        }
        8 => Cell::Text(or_dash(sample.cost.map(super::turn::dollars)), Role::Dim),
        _ => Cell::Text(attempts(sample), Role::Dim),
    })
}

/// Says how a request ended: a mark and a word.
fn how(sample: &Sample, look: &Look<'_>) -> String {
    match sample.outcome {
        Outcome::Success => format!("{} {}", look.symbols.done, t("ok")),
        Outcome::Cancelled => format!("{} {}", look.symbols.note, t("cancelled")),
        Outcome::Failure(kind) => format!("{} {}", look.symbols.failed, known(kind.words())),
    }
}

/// Returns the role of an outcome.
pub(crate) fn outcome_role(outcome: Outcome) -> Role {
    match outcome_word(outcome) {
        "ok" => Role::Good,
        "cancelled" => Role::Dim,
        _ => Role::Bad,
    }
}

/// Says in a few words what it took, when it took more than one attempt.
fn attempts(sample: &Sample) -> String {
    let mut parts = Vec::new();
    if sample.retries > 0 {
        parts.push(phrase!("{} retried", sample.retries));
    }
    if sample.failovers > 0 {
        parts.push(phrase!("{} moved on", sample.failovers));
    }
    if sample.hedges > 0 {
        parts.push(phrase!("{} hedged", sample.hedges));
    }
    parts.join(" ")
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// Makes a blank line.
pub(crate) fn blank() -> Line<'static> {
    Line::from(Span::raw(""))
}
