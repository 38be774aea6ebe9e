//! `llmdeck simulate`: runs scenarios in virtual time, and lays the figures out.

use std::io::{IsTerminal, Write};

use tokio::time::Instant;

use super::args::SimulateArgs;
use super::report::Failure;
use super::table::lay_out;
use crate::simulate::{Change, Mean, Plan, Report, Row, Scenario};

/// Does it.
///
/// # Errors
/// When the scenario or what changes it is wrong; when the driver broke a promise in a run, which is a bug.
pub(super) fn run(
    args: &SimulateArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let change = Change {
        strategies: args.strategy.clone(),
        loads: args.load.iter().map(|percent| percent / 100.0).collect(),
        seeds: args.seeds,
        requests: args.requests,
        instances: args.instances,
    };
    let plan = Plan::new(Scenario::open(&args.scenario)?, &change)?;
    let began = Instant::now();
    let (runs, shown) = (plan.runs(), std::io::stderr().is_terminal());
    let report = plan.run(&|done| {
        if shown {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{done} of {runs} runs");
        }
    })?;
    if shown {
        write!(err, "\r")?;
    }
    let requests: u64 = report.rows.iter().map(|row| row.requests).sum();
    let seconds = began.elapsed().as_secs_f64();
    writeln!(
        err,
        "{runs} runs, {requests} requests measured, {seconds:.1} s"
    )?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        show(&report, out)?;
    }
    for broken in &report.broken {
        writeln!(err, "error: the driver broke a promise: {broken}")?;
    }
    if report.broken.is_empty() {
        Ok(())
    } else {
        Err(Failure::Told(1))
    }
}

fn show(report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}: {}", report.scenario, report.about)?;
    let mut rows = report.rows.as_slice();
    while let Some(first) = rows.first() {
        let of_load = rows.iter().take_while(|row| row.load == first.load).count();
        let (these, rest) = rows.split_at(of_load);
        rows = rest;
        writeln!(out)?;
        let seeds = match first.seeds {
            1 => "1 seed".to_owned(),
            seeds => format!("{seeds} seeds"),
        };
        writeln!(
            out,
            "{:.0} % load: {:.1} requests/s, {:.0} % of what faults leave; {seeds}, {} requests measured",
            first.load * 100.0,
            first.rate,
            first.effective_load * 100.0,
            first.requests
        )?;
        let mut table = vec![heading(first)];
        table.extend(these.iter().map(line));
        for line in lay_out(&table) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn heading(row: &Row) -> Vec<String> {
    let mut heading = vec![
        "STRATEGY",
        "OK %",
        "TTFT P50",
        "TTFT P99",
        "TOTAL P50",
        "TOTAL P99",
        "GOOD %",
    ];
    if row.to_oracle.is_some() {
        heading.push("TO ORACLE");
    }
    heading.push("ATTEMPTS");
    if row.attempts_in_planned.is_some() {
        heading.push("IN FAULT");
    }
    heading.extend(["EVENNESS", "OPENED", "FAILED", "NO PERMIT"]);
    heading.into_iter().map(str::to_owned).collect()
}

fn line(row: &Row) -> Vec<String> {
    let plain = |mean: Mean, digits: usize| format!("{:.digits$}", mean.mean);
    let mut line = vec![
        row.strategy.to_owned(),
        plain(row.ok, 2),
        plain(row.first_token_p50, 2),
        with_interval(row.first_token_p99, 2),
        plain(row.total_p50, 2),
        with_interval(row.total_p99, 1),
        with_interval(row.good, 2),
    ];
    line.extend(row.to_oracle.map(|mean| match with_interval(mean, 2) {
        text if mean.mean < 0.0 => text,
        text => format!("+{text}"),
    }));
    line.push(plain(row.attempts, 3));
    line.extend(row.attempts_in_planned.map(|mean| plain(mean, 2)));
    line.extend([
        plain(row.evenness, 3),
        plain(row.openings, 1),
        plain(row.failed, 1),
        plain(row.turned_away, 1),
    ]);
    line
}

fn with_interval(mean: Mean, digits: usize) -> String {
    match mean.half {
        Some(half) => format!("{:.digits$} ±{half:.digits$}", mean.mean),
        None => format!("{:.digits$}", mean.mean),
    }
}
