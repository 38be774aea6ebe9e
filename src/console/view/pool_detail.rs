//! All that is known of one instance: its config without keys, its history, its figures, its last errors.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::details::{LABEL, labelled, paragraph};
use super::errors::ago_words;
use super::pool::why;
use super::requests::blank;
use super::{Look, scaling, state_word};
use crate::base::{InstanceView, Percentiles, Series};
use crate::console::app::App;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{counted, known, phrase, t};

const BLOCKS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_BLOCKS: [&str; 8] = ["_", ".", ":", "-", "=", "+", "*", "#"];

/// Makes the lines.
pub(crate) fn lines(
    instance: &InstanceView,
    app: &App,
    width: usize,
    look: &Look<'_>,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let (symbol, words, role) = state_word::of(&instance.state, look.symbols.ascii);
    lines.push(labelled(
        t("state"),
        format!("{symbol} {words}"),
        role,
        look,
    ));
    lines.push(history(app.pool.series.as_ref(), width, look));
    let address = format!("{}, {}", instance.provider_type, instance.base_url);
    lines.extend(paragraph(t("address"), &address, Role::Text, width, look));
    let models = if instance.models.is_empty() {
        t("not known").to_owned()
    } else {
        instance.models.join(", ")
    };
    lines.extend(paragraph(t("models"), &models, Role::Text, width, look));
    lines.extend(paragraph(
        t("limits"),
        &limits(instance),
        Role::Text,
        width,
        look,
    ));
    lines.extend(paragraph(
        t("breaker"),
        &breaker(instance),
        Role::Text,
        width,
        look,
    ));
    if let Some(said) = scaling::of_instance(&app.pool.board, &instance.name) {
        lines.extend(paragraph(t("scaling"), &said, Role::Text, width, look));
    }
    lines.extend(paragraph(
        t("requests"),
        &requests(instance),
        Role::Text,
        width,
        look,
    ));
    for (label, times) in [
        (t("response time"), instance.metrics.response_time),
        (t("first token"), instance.metrics.time_to_first_token),
        (t("headers"), instance.metrics.time_to_headers),
    ] {
        if let Some(times) = times {
            lines.push(labelled(
                label,
                percentiles(&times, width),
                Role::Text,
                look,
            ));
        }
    }
    lines.push(blank());
    let mut errors = app
        .errors
        .of_instance(&instance.name, app.moment())
        .peekable();
    if errors.peek().is_none() {
        lines.push(labelled(
            t("last errors"),
            t("none is remembered"),
            Role::Dim,
            look,
        ));
    }
    for (failure, age) in errors.take(20) {
        let said = format!(
            "{}: {}: {}",
            failure.request,
            known(failure.kind.words()),
            failure.message
        );
        lines.extend(paragraph(&ago_words(age), &said, Role::Warn, width, look));
    }
    lines
}

fn limits(instance: &InstanceView) -> String {
    let mut parts = vec![
        phrase!("{} of {} permits", instance.in_flight, instance.permits),
        phrase!("weight {}", instance.weight),
    ];
    if !instance.min_interval.is_zero() {
        parts.push(phrase!(
            "{} between two starts",
            text::duration(instance.min_interval)
        ));
    }
    for budget in &instance.budgets {
        parts.push(phrase!(
            "{} of {} {} left",
            budget.left,
            budget.limit,
            budget.what
        ));
    }
    let set = instance.settings.iter();
    // How many are allowed now stands in front; the configured number only where it is another one.
    let set =
        set.filter(|(key, value)| *key != "permits" || **value != instance.permits.to_string());
    parts.extend(set.map(|(key, value)| format!("{key} {value}")));
    parts.join(", ")
}

fn breaker(instance: &InstanceView) -> String {
    let breaker = instance.breaker;
    let mut parts = vec![
        counted!(
            breaker.consecutive_failures,
            "one failure in a row",
            "{} failures in a row"
        ),
        counted!(breaker.opened, "opened once", "opened {} times"),
    ];
    if breaker.forced {
        parts.push(t("held open by hand").to_owned());
    }
    parts.join(", ")
}

fn requests(instance: &InstanceView) -> String {
    let metrics = &instance.metrics;
    let mut parts = vec![
        phrase!("{} in all", metrics.total_requests),
        phrase!("{} well", metrics.successful_requests),
        phrase!("{} failed", metrics.failed_requests),
        phrase!("{} cancelled", metrics.cancelled_requests),
    ];
    let why = why(instance);
    if !why.is_empty() {
        parts.push(why);
    }
    if let Some(cost) = metrics.cost {
        parts.push(super::turn::dollars(cost));
    }
    parts.join(", ")
}

/// Puts percentiles in columns; where there is no room for all of them, 90 is the one between others.
fn percentiles(times: &Percentiles, width: usize) -> String {
    const COLUMN: usize = 13;
    let parts = [
        ("p50", times.p50),
        ("p90", times.p90),
        ("p95", times.p95),
        ("p99", times.p99),
    ];
    let fits = width >= LABEL + parts.len() * COLUMN - 2;
    let said: String = parts
        .iter()
        .filter(|(name, _)| fits || *name != "p90")
        .map(|(name, time)| text::pad(&format!("{name} {}", text::duration(*time)), COLUMN))
        .collect();
    said.trim_end().to_owned()
}

/// Fifteen minutes in one line: the higher the slower, a cross where something failed, a gap without requests.
fn history(series: Option<&Series>, width: usize, look: &Look<'_>) -> Line<'static> {
    let mut spans = vec![look.span(text::pad(t("15 minutes"), LABEL), Role::Dim)];
    let Some(series) = series else {
        return Line::from(spans);
    };
    let room = width.saturating_sub(LABEL + 1).max(1);
    let first = series.buckets.len().saturating_sub(room);
    let shown = &series.buckets[first..];
    let slowest = shown
        .iter()
        .filter_map(|bucket| bucket.average_response_time)
        .max();
    let slowest = slowest.unwrap_or(Duration::from_millis(1)).as_secs_f64();
    let blocks = if look.symbols.ascii {
        ASCII_BLOCKS
    } else {
        BLOCKS
    };
    for bucket in shown {
        spans.push(match bucket.average_response_time {
            _ if bucket.failed > 0 => {
                look.span(if look.symbols.ascii { "x" } else { "×" }, Role::Bad)
            }
            Some(time) => {
                let eighth = (time.as_secs_f64() / slowest * 7.0).round() as usize;
                look.span(blocks[eighth.min(7)], Role::GraphLatency)
            }
            None => Span::raw(" "),
        });
    }
    Line::from(spans)
}
