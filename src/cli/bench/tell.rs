//! How a run is told: progress on stderr while it runs, then a table and a plot, or a line of values for each step.

use std::io::{self, Write};
use std::time::Duration;

use parking_lot::Mutex;

use super::steps;
use crate::bench::{Load, Outcome, Progress, Report, Stage, plot};
use crate::cli::style::Style;
use crate::cli::table::{columns, fit};
use crate::config::Env;

/// Progress on stderr: a line that changes where somebody looks, a line a step where it is kept.
pub(super) struct Telling {
    is_watched: bool,
    /// A line that is longer would leave its first half behind.
    columns: Option<usize>,
    steps: usize,
    ended: Mutex<usize>,
}

impl Telling {
    pub(super) fn new(is_watched: bool, steps: usize) -> Self {
        Self {
            is_watched,
            columns: columns().map(|columns| columns - 1),
            steps,
            ended: Mutex::new(0),
        }
    }

    pub(super) fn progress(&self, progress: Progress) {
        if !self.is_watched {
            return;
        }
        let stage = match progress.stage {
            Stage::WarmUp => "warming up".to_owned(),
            Stage::Measuring => format!("{:.0} s", progress.elapsed.as_secs_f64()),
            Stage::Ending => "waiting for the last".to_owned(),
        };
        let first = progress
            .first_token
            .map(|time| format!(", first token {}", short(time)));
        let failed = match progress.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let line = format!(
            "{}{}: {stage}, {} open, {} ended{failed}, {:.1}/s{}",
            self.number(),
            progress.load,
            progress.in_flight,
            progress.ended,
            progress.requests_per_second,
            first.unwrap_or_default()
        );
        // Progress that cannot be shown is no reason to stop.
        let line = fit(&line, self.columns);
        let _ = write!(io::stderr(), "\r\u{1b}[K{line}");
        let _ = io::stderr().flush();
    }

    pub(super) fn ended(&self, outcome: &Outcome) {
        let clear = if self.is_watched { "\r\u{1b}[K" } else { "" };
        let first = outcome
            .first_token
            .map(|times| format!(", first token {}", short(times.p50)));
        let lost = outcome.failed + outcome.unfinished + outcome.not_sent;
        let _ = writeln!(
            io::stderr(),
            "{clear}{}{}: {:.2}/s{}, {} answered, {lost} not",
            self.number(),
            outcome.load,
            outcome.requests_per_second,
            first.unwrap_or_default(),
            outcome.ok,
        );
        *self.ended.lock() += 1;
    }

    fn number(&self) -> String {
        let number = *self.ended.lock() + 1;
        match self.steps {
            0 => format!("step {number}, "),
            steps => format!("step {number} of {steps}, "),
        }
    }
}

/// Tells whether a terminal of this locale has block characters.
pub(super) fn has_blocks(env: &Env) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env.get(name));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// How wide a table is that nobody's terminal limits.
const PAPER: usize = 80;

/// Writes the table, the plot and what to do.
pub(super) fn table(
    report: &Report,
    out: &mut dyn Write,
    style: Style,
    has_blocks: bool,
) -> io::Result<()> {
    let width = columns().unwrap_or(PAPER);
    writeln!(
        out,
        "{}: prompts of {} tokens, answers of {}, seed {}",
        style.strong(&report.target),
        report.prompt_tokens,
        report.output_tokens,
        report.seed
    )?;
    if report.steps.is_empty() {
        return writeln!(out, "ended before anything was measured");
    }
    writeln!(out)?;
    for (number, line) in steps::fitted(&report.steps, width).iter().enumerate() {
        match number {
            0 | 1 => writeln!(out, "{}", style.strong(line))?,
            _ => writeln!(out, "{line}")?,
        }
    }
    for step in report.steps.iter().filter(|step| step.failed_share() > 0.0) {
        writeln!(out, "not answered at {}: {}", step.load, steps::lost(step))?;
    }
    if report.steps.iter().any(|step| step.tokens_are_estimated) {
        writeln!(
            out,
            "{}",
            style.faint("the server counts no tokens: pieces of output stand for them")
        )?;
    }
    writeln!(out)?;
    for line in plot(report, has_blocks) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    advise(report, out, style)
}

fn advise(report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let Some(knee) = report.knee() else {
        let why = match report.steps.len() {
            1 => "one step shows no knee: measure at several loads, or with --sweep",
            _ => "no knee: no step was answered well enough to tell",
        };
        return writeln!(out, "{why}");
    };
    let permits = style.good(&format!("permits = {}", knee.permits));
    match (knee.load, knee.is_at_least) {
        (Load::Closed(_), false) => {
            writeln!(
                out,
                "knee at {}: more at once brings mostly waiting\nrecommended: {permits}",
                knee.load
            )
        }
        (Load::Open(_), false) => writeln!(
            out,
            "knee at {}: more a second brings mostly waiting\n{} are open at once there; recommended: {permits}",
            knee.load, knee.permits
        ),
        (_, true) => writeln!(
            out,
            "no knee up to {}: it still gets better\nrecommended: at least {permits}, and a measurement at more",
            knee.load
        ),
    }
}

/// Writes a line a step, times in seconds.
pub(super) fn csv(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let times = ["first_token", "between_tokens", "completion"]
        .map(|what| {
            ["p50", "p95", "p99"]
                .map(|at| format!("{what}_{at}_seconds"))
                .join(",")
        })
        .join(",");
    writeln!(
        out,
        "loop,level,seconds,requests_per_second,tokens_per_second,{times},ok,failed,unfinished,not_sent,errors,knee,permits"
    )?;
    let knees = [report.closed_knee, report.open_knee];
    for step in &report.steps {
        let (kind, level) = match step.load {
            Load::Closed(at_once) => ("closed", at_once.to_string()),
            Load::Open(rate) => ("open", rate.to_string()),
        };
        let mut cells = vec![
            kind.to_owned(),
            level,
            format!("{:.3}", step.seconds),
            format!("{:.4}", step.requests_per_second),
            format!("{:.2}", step.tokens_per_second),
        ];
        for times in [step.first_token, step.between_tokens, step.completion] {
            let three = times.map(|times| [times.p50, times.p95, times.p99]);
            cells.extend(match three {
                Some(three) => three.map(|time| format!("{:.6}", time.as_secs_f64())),
                None => Default::default(),
            });
        }
        cells.extend(
            [step.ok, step.failed, step.unfinished, step.not_sent].map(|count| count.to_string()),
        );
        let errors = step
            .errors
            .iter()
            .map(|(kind, count)| format!("{kind}={count}"));
        cells.push(errors.collect::<Vec<_>>().join(" "));
        let knee = knees.iter().flatten().find(|knee| knee.load == step.load);
        cells.push(u8::from(knee.is_some()).to_string());
        cells.push(knee.map_or_else(String::new, |knee| knee.permits.to_string()));
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// Writes a time with three digits.
pub(super) fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 10.0 => format!("{s:.1} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.1 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.01 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.2} ms", s * 1e3),
    }
}
