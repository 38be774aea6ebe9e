//! The table of steps: a row each, as wide as there is room for.

use std::time::Duration;

use super::tell::short;
use crate::bench::{Outcome, Times};
use crate::cli::table::{lay_out, width};

/// A column: what it belongs to, its name, and its cell of a step.
struct Column {
    group: &'static str,
    name: &'static str,
    cell: fn(&Outcome) -> String,
}

/// What goes first where there is no room: the plot tells it too, or its neighbours nearly do.
const DISPENSABLE: [(&str, &str); 6] = [
    (BETWEEN, "P95"),
    (FIRST, "P95"),
    (WHOLE, "P95"),
    (BETWEEN, "P99"),
    ("", "REQ/S"),
    (WHOLE, "P50"),
];

const FIRST: &str = "FIRST TOKEN";
// Of tokens; no wider than one of its columns.
const BETWEEN: &str = "BETWEEN";
const WHOLE: &str = "COMPLETION";

const COLUMNS: [Column; 14] = [
    column("", "LOAD", |step| step.load.to_string()),
    column("", "REQ/S", |step| {
        format!("{:.2}", step.requests_per_second)
    }),
    column("", "TOK/S", |step| format!("{:.0}", step.tokens_per_second)),
    column(FIRST, "P50", |step| of(step.first_token, |times| times.p50)),
    column(FIRST, "P95", |step| of(step.first_token, |times| times.p95)),
    column(FIRST, "P99", |step| of(step.first_token, |times| times.p99)),
    column(BETWEEN, "P50", |step| {
        of(step.between_tokens, |times| times.p50)
    }),
    column(BETWEEN, "P95", |step| {
        of(step.between_tokens, |times| times.p95)
    }),
    column(BETWEEN, "P99", |step| {
        of(step.between_tokens, |times| times.p99)
    }),
    column(WHOLE, "P50", |step| of(step.completion, |times| times.p50)),
    column(WHOLE, "P95", |step| of(step.completion, |times| times.p95)),
    column(WHOLE, "P99", |step| of(step.completion, |times| times.p99)),
    column("", "OK", |step| step.ok.to_string()),
    column("", "FAILED", |step| {
        (step.failed + step.unfinished + step.not_sent).to_string()
    }),
];

const fn column(group: &'static str, name: &'static str, cell: fn(&Outcome) -> String) -> Column {
    Column { group, name, cell }
}

fn of(times: Option<Times>, which: fn(Times) -> Duration) -> String {
    times.map_or_else(|| "-".to_owned(), |times| short(which(times)))
}

/// Lays the steps out below two lines of headings; columns that do not fit into so many cells go, the least needed first.
pub(super) fn fitted(steps: &[Outcome], most: usize) -> Vec<String> {
    let mut columns: Vec<&Column> = COLUMNS.iter().collect();
    let mut lines = lines(&columns, steps);
    for dispensable in DISPENSABLE {
        if lines.iter().all(|line| width(line) <= most) {
            break;
        }
        columns.retain(|column| (column.group, column.name) != dispensable);
        lines = self::lines(&columns, steps);
    }
    lines
}

fn lines(columns: &[&Column], steps: &[Outcome]) -> Vec<String> {
    let mut rows = vec![
        columns
            .iter()
            .map(|column| column.name.to_owned())
            .collect(),
    ];
    rows.extend(steps.iter().map(|step| {
        let cells = columns.iter().map(|column| (column.cell)(step));
        cells.collect::<Vec<_>>()
    }));
    right_aligned(&mut rows);
    let mut lines = lay_out(&rows);
    lines.insert(0, groups(columns, &rows));
    lines
}

/// Numbers end where those above and below them end.
fn right_aligned(rows: &mut [Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    for column in 1..columns {
        let cells = || rows.iter().filter_map(|row| row.get(column));
        let widest = cells().map(|cell| width(cell)).max().unwrap_or(0);
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
            *cell = format!("{}{cell}", " ".repeat(widest - width(cell)));
        }
    }
}

/// The line that names the groups, each where its first column begins.
fn groups(columns: &[&Column], rows: &[Vec<String>]) -> String {
    let mut line = String::new();
    let (mut at, mut last) = (0_usize, "");
    for (number, column) in columns.iter().enumerate() {
        if column.group != last && !column.group.is_empty() {
            line.push_str(&" ".repeat(at.saturating_sub(line.len())));
            line.push_str(column.group);
        }
        last = column.group;
        let cells = rows.iter().filter_map(|row| row.get(number));
        at += 2 + cells.map(|cell| width(cell)).max().unwrap_or(0);
    }
    line
}

/// Says why requests were not answered, with how many each.
pub(super) fn lost(step: &Outcome) -> String {
    let kinds = step.errors.iter().map(|(kind, count)| (*kind, *count));
    let rest = [("unfinished", step.unfinished), ("not sent", step.not_sent)];
    let told: Vec<String> = kinds
        .chain(rest)
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    told.join(", ")
}
