//! Prometheus text, version 0.0.4, which every Prometheus reads.

use std::fmt::Write;

use crate::base::{Board, Distribution, Figures, Measure};

use super::families::{Family, Labels, Value, families};
use super::metric::Kind;

/// The content type to serve it as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes a deck's figures as Prometheus text. Both arguments come from the deck: `deck.board()` and
/// `deck.figures()`; nothing else is read, so the same figures give the same text.
pub fn prometheus(board: &Board, figures: &Figures) -> String {
    let mut out = String::new();
    for family in families(board, figures) {
        // A string takes all that is written to it.
        let _ = write_family(&mut out, &family);
    }
    out
}

fn write_family(out: &mut String, family: &Family) -> std::fmt::Result {
    let name = family.metric.prometheus_name();
    let kind = match family.metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    writeln!(out, "# HELP {name} {}", family.metric.help)?;
    writeln!(out, "# TYPE {name} {kind}")?;
    for point in &family.points {
        match &point.value {
            Value::Count(count) => {
                write_name(out, &name, "", &point.labels, None)?;
                writeln!(out, " {count}")?;
            }
            Value::Number(number) => {
                write_name(out, &name, "", &point.labels, None)?;
                writeln!(out, " {number}")?;
            }
            Value::Distribution(measure, distribution) => {
                write_histogram(out, &name, &point.labels, *measure, distribution)?;
            }
        }
    }
    Ok(())
}

fn write_histogram(
    out: &mut String,
    name: &str,
    labels: &Labels,
    measure: Measure,
    distribution: &Distribution,
) -> std::fmt::Result {
    for (bound, count) in measure.bounds().iter().zip(distribution.cumulative()) {
        let bound = (*bound as f64 / measure.scale()).to_string();
        write_name(out, name, "_bucket", labels, Some(&bound))?;
        writeln!(out, " {count}")?;
    }
    let count = distribution.count();
    write_name(out, name, "_bucket", labels, Some("+Inf"))?;
    writeln!(out, " {count}")?;
    write_name(out, name, "_sum", labels, None)?;
    writeln!(out, " {}", distribution.sum as f64 / measure.scale())?;
    write_name(out, name, "_count", labels, None)?;
    writeln!(out, " {count}")
}

/// Writes `name_suffix{label="value",le="bound"}`.
fn write_name(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &Labels,
    le: Option<&str>,
) -> std::fmt::Result {
    write!(out, "{name}{suffix}")?;
    let mut open = '{';
    let labels = labels.iter().map(|(name, value)| (*name, &**value));
    for (name, value) in labels.chain(le.map(|le| ("le", le))) {
        write!(out, "{open}{}=\"", name.replace('.', "_"))?;
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('"');
        open = ',';
    }
    if open == ',' {
        out.push('}');
    }
    Ok(())
}

#[cfg(test)]
mod tests;
