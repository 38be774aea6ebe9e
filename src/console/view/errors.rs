//! The errors page: failures by kind and instance, when they came, and what to do about them.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::details::{labelled, paragraph};
use super::grid::{Cell, Col, Grid};
use super::requests::blank;
use super::{Look, details, page};
use crate::base::Outcome;
use crate::console::app::{App, Drawn};
use crate::console::state::errors::{Group, SPARK};
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{counted, known, phrase, t};

const BLOCKS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_BLOCKS: [&str; 9] = [" ", "_", ".", ":", "-", "=", "+", "*", "#"];

/// What stands beside the page's name.
pub(crate) fn title(app: &App) -> String {
    let groups = app.errors.groups(app.moment());
    let count: u64 = groups.iter().map(|group| group.count).sum();
    let mut title = phrase!("{} in all", text::count(count));
    if groups.len() > 1 {
        let groups = counted!(groups.len(), "one group", "{} groups");
        title = format!("{title} · {groups}");
    }
    let dropped = app.errors.dropped();
    if dropped > 0 {
        title = format!(
            "{title} · {}",
            counted!(
                dropped,
                "one older is forgotten",
                "{} older ones are forgotten"
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
    let moment = app.moment();
    let groups = app.errors.groups(moment);
    let place = app.errors.place(&groups);
    let open = groups.get(place).filter(|_| app.errors.open);
    let width = usize::from(area.width).saturating_sub(2);
    let lines = open.map(|group| lines(group, app, width, look));
    let area = page::filter(frame, area, &app.errors.filter, app.filtering, look);
    let (list, below) = details::split(area, lines.as_ref().map(Vec::len));
    let names = groups.iter().filter_map(|group| group.instance.as_ref());
    let name_width = names
        .map(|name| text::width(name.as_str()))
        .max()
        .unwrap_or(8);
    let cols = [
        Col::text(t("instance"), name_width.clamp(8, 20), 1),
        Col::text(t("what"), 22, 0),
        Col::figure(t("count"), 5, 2),
        Col::figure(t("last"), 9, 3),
        Col::figure(t("first"), 9, 5),
        Col::text(t("10 minutes"), SPARK.1, 4),
        Col::text(t("said"), 20, 6).growing(),
    ];
    let grid = Grid::fit(&cols, usize::from(list.width).saturating_sub(2));
    let empty = if app.errors.filter.is_empty() {
        t("nothing went wrong")
    } else {
        t("no error is like this")
    };
    let rows = page::List {
        headings: grid.headings(&cols, None, look),
        count: groups.len(),
        selected: place,
        empty,
    };
    rows.draw(frame, list, look, drawn, |index| {
        row(&groups[index], &grid, &cols, look)
    });
    if let (Some(below), Some(lines), Some(open)) = (below, lines, open) {
        let title = format!("{}: {}", name(open), known(open.kind.words()));
        drawn.detail_top = details::draw(frame, below, &title, lines, app.detail_top, look);
    }
}

fn name(group: &Group) -> String {
    let name = group.instance.as_ref();
    name.map_or_else(
        || t("no instance").to_owned(),
        |name| text::display_safe(name.as_str()),
    )
}

fn row(group: &Group, grid: &Grid, cols: &[Col], look: &Look<'_>) -> Line<'static> {
    grid.row(cols, look, |index, _| match index {
        0 => Cell::Text(name(group), Role::Text),
        1 => {
            let mark = look.symbols.failed;
            Cell::Text(format!("{mark} {}", known(group.kind.words())), Role::Bad)
        }
        2 => Cell::Text(text::count(group.count), Role::Text),
        3 => Cell::Text(ago(group.last), Role::Text),
        4 => Cell::Text(ago(group.first), Role::Dim),
        5 => Cell::Text(spark(&group.steps, look), Role::Warn),
        _ => Cell::Text(
            text::display_safe(&group.message).replace('\n', " "),
            Role::Dim,
        ),
    })
}

/// Ages in coarse steps, so that a screen on which nothing happens stays as it is.
fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    let seconds = match seconds {
        0..5 => return t("now").to_owned(),
        5..60 => seconds / 5 * 5,
        60..3600 => seconds / 60 * 60,
        _ => seconds / 600 * 600,
    };
    let said = text::duration(Duration::from_secs(seconds));
    said.replace(".0 s", " s").replace(" 00 s", "")
}

fn spark(steps: &[u64], look: &Look<'_>) -> String {
    let blocks = if look.symbols.ascii {
        ASCII_BLOCKS
    } else {
        BLOCKS
    };
    let most = steps.iter().copied().max().unwrap_or(0).max(1);
    steps
        .iter()
        .map(|count| blocks[(count * 8).div_ceil(most) as usize])
        .collect()
}

/// All that is known of a group.
fn lines(group: &Group, app: &App, width: usize, look: &Look<'_>) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let seen = if group.count == 1 {
        phrase!("once, {} ago", text::duration(group.last))
    } else {
        phrase!(
            "{} times, first {} ago, last {} ago",
            text::count(group.count),
            text::duration(group.first),
            text::duration(group.last),
        )
    };
    lines.push(labelled(t("seen"), seen, Role::Text, look));
    lines.extend(paragraph(
        t("what to do"),
        known(group.kind.hint()),
        Role::Accent,
        width,
        look,
    ));
    lines.extend(paragraph(
        t("it said"),
        &group.message,
        Role::Text,
        width,
        look,
    ));
    lines.push(blank());
    for (failure, age) in app.errors.of(group, app.moment()).take(20) {
        let ended = match failure.outcome {
            Outcome::Success => t("another attempt made it good"),
            Outcome::Failure(_) => t("the request failed"),
            Outcome::Cancelled => t("the caller went away"),
        };
        let tries = counted!(failure.attempts.len(), "one attempt", "{} attempts");
        let said = format!("{}: {tries}, {ended}: {}", failure.request, failure.message);
        lines.extend(paragraph(&ago_words(age), &said, Role::Dim, width, look));
    }
    lines
}

/// Says how long ago something was.
pub(crate) fn ago_words(age: Duration) -> String {
    match age.as_secs() {
        0..5 => t("now").to_owned(),
        _ => phrase!("{} ago", ago(age)),
    }
}
