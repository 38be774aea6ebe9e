//! A plot of bars in plain text: throughput and completion beside each other, a line a step.

use super::{Outcome, Report};

/// Cells of a bar.
const WIDTH: usize = 16;

/// Draws it; with blocks where the reader's terminal has them, else with `#`.
pub fn plot(report: &Report, has_blocks: bool) -> Vec<String> {
    let label = |step: &Outcome| step.load.to_string();
    let labels = report.steps.iter().map(|step| label(step).len());
    let label_width = labels.max().unwrap_or(0);
    let slowest = |step: &Outcome| step.completion.map_or(0.0, |times| times.p95.as_secs_f64());
    let most = |of: &dyn Fn(&Outcome) -> f64| report.steps.iter().map(of).fold(0.0, f64::max);
    let rate = |step: &Outcome| step.requests_per_second;
    let (most_rate, most_time) = (most(&rate), most(&slowest));
    let mut lines = vec![format!(
        "{:label_width$}  {:<WIDTH$}            {}",
        "", "answers a second", "completion p95"
    )];
    let knees = [report.closed_knee, report.open_knee];
    for step in &report.steps {
        let rates = bar(rate(step) / most_rate, has_blocks);
        let times = bar(slowest(step) / most_time, has_blocks);
        let is_knee = knees.iter().flatten().any(|knee| knee.load == step.load);
        let knee = if is_knee { "  <- knee" } else { "" };
        let line = format!(
            "{:>label_width$}  {rates}{:>8.2}    {times}{:>8.2} s{knee}",
            label(step),
            rate(step),
            slowest(step),
        );
        lines.push(line.trim_end().to_owned());
    }
    lines
}

fn bar(share: f64, has_blocks: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let eighths = (share * (WIDTH * 8) as f64).round() as usize;
    let drawn = if has_blocks {
        format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
    } else {
        "#".repeat((eighths + 4) / 8)
    };
    format!("{drawn:<WIDTH$}")
}
