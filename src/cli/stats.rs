//! `llmdeck stats`: what the request log tells.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::keep::folder;
use super::report::Failure;
use super::table::{fit, lay_out, terminal_columns, width};
use crate::base::{Error, ErrorKind, clean_line};
use crate::config::{Config, Env};
use crate::store::{By, Filter, Group, Requests};

/// What to show.
#[derive(Clone, Debug, Args)]
pub struct StatsArgs {
    /// Look back so far: 30m, 24h, 7d
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub since: Duration,

    /// Group by instance, type, route, model, key, day or hour
    #[arg(long, value_name = "WHAT", value_parser = by)]
    pub by: Option<By>,

    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,

    /// Print CSV
    #[arg(long)]
    pub csv: bool,
}

fn by(word: &str) -> Result<By, String> {
    By::ALL
        .into_iter()
        .find(|by| by.as_str() == word)
        .ok_or_else(|| {
            let known = By::ALL.map(By::as_str).join(", ");
            format!("one of {known} is wanted")
        })
}

/// Shows it.
///
/// # Errors
/// When the log cannot be read.
pub(super) fn run(
    args: &StatsArgs,
    config: &Config,
    env: &Env,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let now = Timestamp::now();
    let since = SignedDuration::try_from(args.since)
        .ok()
        .and_then(|back| now.checked_sub(back).ok())
        .ok_or_else(|| {
            Error::new(ErrorKind::Config, "--since is before all time").with_hint("such as 24h")
        })?;
    let filter = Filter {
        since,
        until: Timestamp::MAX,
        zone: TimeZone::system(),
    };
    let requests = Requests::open(&folder(config, env)?)?;
    let groups = requests.groups(&filter, args.by)?;
    if args.json {
        let json = serde_json::to_string_pretty(&groups).map_err(io::Error::from)?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    if args.csv {
        return csv(&groups, out);
    }
    if groups.is_empty() {
        let span = in_words(args.since);
        writeln!(out, "no request ended in the last {span}")?;
        return Ok(());
    }
    let total = match args.by {
        Some(_) => requests.groups(&filter, None)?,
        None => Vec::new(),
    };
    let first = args.by.map_or("", By::as_str).to_uppercase();
    let heading = [
        &first,
        "REQUESTS",
        "FAILED",
        "OK",
        "P50",
        "P95",
        "P99",
        "FIRST TOKEN",
        "QUEUED",
        "TOKENS IN",
        "OUT",
        "COST",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(
        groups
            .iter()
            .map(|group| row(group, if args.by.is_some() { "-" } else { "all" })),
    );
    rows.extend(total.iter().map(|group| row(group, "all")));
    right_aligned(&mut rows);
    for line in fitted(rows, terminal_columns()) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Lays the table out so that it fits: what matters least goes first.
fn fitted(mut rows: Vec<Vec<String>>, columns: Option<usize>) -> Vec<String> {
    for dispensable in ["QUEUED", "P99", "FAILED", "FIRST TOKEN"] {
        let lines = lay_out(&rows);
        let widest = lines.iter().map(|line| width(line)).max().unwrap_or(0);
        if columns.is_none_or(|columns| widest <= columns) {
            return lines;
        }
        let heading = rows.first().into_iter().flatten();
        if let Some(column) = heading.clone().position(|name| name.trim() == dispensable) {
            for row in &mut rows {
                row.remove(column);
            }
        }
    }
    let lines = lay_out(&rows).into_iter();
    lines.map(|line| fit(&line, columns)).collect()
}

fn row(group: &Group, nameless: &str) -> Vec<String> {
    let cost = match (group.unpriced, group.cost) {
        (0, cost) => format!("${cost:.4}"),
        (_, 0.0) => "-".to_owned(),
        (_, cost) => format!("${cost:.4}+"),
    };
    vec![
        group
            .name
            .as_deref()
            .map_or_else(|| nameless.to_owned(), clean_line),
        group.requests.to_string(),
        group.failed.to_string(),
        group
            .success_rate
            .map_or_else(|| "-".to_owned(), |rate| format!("{:.1}%", 100.0 * rate)),
        time(group.p50_ms),
        time(group.p95_ms),
        time(group.p99_ms),
        time(group.first_token_p50_ms),
        time(group.queued_ms),
        group.prompt_tokens.to_string(),
        group.completion_tokens.to_string(),
        cost,
    ]
}

/// Says how long a time is, as one says it.
fn in_words(time: Duration) -> String {
    const HOUR: u64 = 3600;
    let seconds = time.as_secs();
    match (seconds / HOUR, seconds % HOUR) {
        (1, 0) => "hour".to_owned(),
        (hours @ 48.., 0) if hours % 24 == 0 => format!("{} days", hours / 24),
        (hours @ 2.., 0) => format!("{hours} hours"),
        _ => humantime::format_duration(time).to_string(),
    }
}

fn time(millis: Option<f64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 1000.0 => format!("{millis:.0} ms"),
        Some(millis) => format!("{:.1} s", millis / 1000.0),
    }
}

/// Figures stand under each other by their last digits.
fn right_aligned(rows: &mut [Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    for column in 1..columns {
        let width = rows
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0);
        for row in rows.iter_mut() {
            row[column] = format!("{:>width$}", row[column]);
        }
    }
}

fn csv(groups: &[Group], out: &mut dyn Write) -> Result<(), Failure> {
    let mut heading = true;
    for group in groups {
        let value = serde_json::to_value(group).map_err(io::Error::from)?;
        let fields = value.as_object().into_iter().flatten();
        let (names, cells): (Vec<&str>, Vec<String>) = fields
            .map(|(name, value)| (name.as_str(), cell(value)))
            .unzip();
        if std::mem::take(&mut heading) {
            writeln!(out, "{}", names.join(","))?;
        }
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => {
            // A leading sign would be a formula to a spreadsheet.
            let text = clean_line(text);
            let quoted = if text.starts_with(['=', '+', '-', '@']) {
                "'"
            } else {
                ""
            };
            format!("\"{quoted}{}\"", text.replace('"', "\"\""))
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_as_one_says_it() {
        let said = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!(said(86_400), "24 hours");
        assert_eq!(said(3_600), "hour");
        assert_eq!(said(7 * 86_400), "7 days");
        assert_eq!(said(1_800), "30m");
    }

    #[test]
    fn a_narrow_terminal_loses_what_matters_least() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let rows: Vec<Vec<String>> = vec![
            row(&[
                "MODEL", "REQUESTS", "FAILED", "P50", "P99", "QUEUED", "COST",
            ]),
            row(&[
                "qwen3", "      12", "     0", "1 s", "9 s", "  0 ms", "$0.1",
            ]),
        ];
        let heading = |columns| fitted(rows.clone(), columns).remove(0);
        let whole = "MODEL  REQUESTS  FAILED  P50  P99  QUEUED  COST";
        assert_eq!(heading(None), whole);
        assert_eq!(heading(Some(47)), whole);
        assert_eq!(heading(Some(46)), "MODEL  REQUESTS  FAILED  P50  P99  COST");
        assert_eq!(heading(Some(30)), "MODEL  REQUESTS  P50  COST");
        assert_eq!(heading(Some(20)), "MODEL  REQUESTS  P5…");
    }
}
