//! The metrics with the whole screen for themselves: charts with scales and units.
//!
//! As in the small graphs a value stays in its column and the place of writing moves, so that a second of traffic
//! changes two columns and not the whole screen. The scale at the left is in the unit of the caption.

use std::time::Duration;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Look;
use super::metrics::{
    LABEL, error_lines, hedge_line, percentiles_line, retry_line, scaling_line, window_words,
};
use super::spark::{Spark, round_up};
use crate::base::{ErrorKind, Series, SeriesBucket};
use crate::console::app::App;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{known, phrase, t};

/// The smallest area in which the charts are readable.
pub(crate) const SMALLEST: (u16, u16) = (70, 18);
/// Columns of the scale.
const SCALE: u16 = 8;
/// The most kinds of errors with a line of their own.
const KINDS: usize = 3;

/// One chart of bars.
struct Chart {
    caption: String,
    values: Vec<Option<f64>>,
    max: Option<f64>,
    role: Role,
    /// Writes a value of the scale.
    unit: fn(f64) -> String,
}

/// Draws the charts; returns how many buckets they can show.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, look: &Look<'_>) -> usize {
    let series = &app.metrics.series;
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let buffer = frame.buffer_mut();
    let kinds = kinds(series);
    let mut tail = vec![
        percentiles_line(t("response"), series.response_time, look),
        percentiles_line(t("first token"), series.time_to_first_token, look),
    ];
    tail.extend(retry_line(app, usize::from(area.width), look));
    tail.extend(hedge_line(app, usize::from(area.width), look));
    tail.extend(scaling_line(app, usize::from(area.width), look));
    tail.extend(error_lines(app, usize::from(area.width), LABEL, look));
    let kind_rows = kinds.len().max(1) as u16 + 1;
    let fixed = 1 + tail.len() as u16 + kind_rows;
    let charts = charts(series);
    let spare = area.height.saturating_sub(fixed);
    let latency = (spare * 2 / 5).max(3);
    let each = ((spare - latency.min(spare)) / 2).max(2);
    let mut y = area.y;
    let mut row = |height: u16| {
        let at = Rect { y, height, ..area };
        y += height;
        at.intersection(area)
    };
    bands(buffer, row(latency), series, look);
    for pair in charts.chunks(2) {
        let at = row(each);
        let half = at.width / 2;
        let places = [
            Rect {
                width: half.saturating_sub(1),
                ..at
            },
            Rect {
                x: at.x + half,
                width: at.width - half,
                ..at
            },
        ];
        for (chart, place) in pair.iter().zip(places) {
            bars(buffer, place, chart, series, look);
        }
    }
    errors(buffer, row(kind_rows), &kinds, series, look);
    legend(buffer, row(1), app, look);
    let top = area.bottom().saturating_sub(tail.len() as u16);
    for (index, line) in tail.into_iter().enumerate() {
        let at = Rect {
            y: top + index as u16,
            height: 1,
            ..area
        };
        line.render(at.intersection(area), buffer);
    }
    usize::from(area.width.saturating_sub(SCALE + 1))
}

/// Returns the newest values that fit into so many columns, as the other charts do.
fn charts(series: &Series) -> [Chart; 4] {
    let of =
        |value: &dyn Fn(&SeriesBucket) -> Option<f64>| series.buckets.iter().map(value).collect();
    let ended = |bucket: &SeriesBucket| bucket.successful + bucket.failed + bucket.cancelled;
    let step = series.step.as_secs_f64().max(0.001);
    let or_dash = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), text::percent);
    [
        Chart {
            caption: phrase!("success {}", or_dash(series.success_rate)),
            values: of(&|bucket| {
                let ended = bucket.successful + bucket.failed;
                (ended > 0).then(|| bucket.successful as f64 / ended as f64)
            }),
            max: Some(1.0),
            role: Role::GraphSuccess,
            unit: text::percent,
        },
        Chart {
            caption: phrase!("requests {}", text::rate(series.requests_per_second)),
            values: of(&|bucket| (ended(bucket) > 0).then(|| ended(bucket) as f64 / step)),
            max: None,
            role: Role::GraphQueue,
            unit: text::rate,
        },
        Chart {
            caption: phrase!("tokens {}", text::rate(series.tokens_per_second)),
            values: of(&|bucket| {
                let any = ended(bucket) > 0 || bucket.streamed_tokens > 0;
                any.then(|| bucket.streamed_tokens as f64 / step)
            }),
            max: None,
            role: Role::GraphTokens,
            unit: text::rate,
        },
        Chart {
            caption: t("time in the queue, 95 of 100 below").to_owned(),
            values: of(&|bucket| bucket.p95_queued.map(|time| time.as_secs_f64())),
            max: None,
            role: Role::GraphQueue,
            unit: seconds,
        },
    ]
}

fn seconds(value: f64) -> String {
    Duration::try_from_secs_f64(value).map_or_else(|_| "-".to_owned(), text::duration)
}

fn scale(buffer: &mut Buffer, area: Rect, top: &str, bottom: &str, look: &Look<'_>) {
    for (y, said) in [(area.y, top), (area.bottom().saturating_sub(1), bottom)] {
        let at = Rect::new(area.x, y, SCALE, 1).intersection(area);
        let said = text::align_right(said, usize::from(SCALE) - 1);
        Line::from(look.span(said, Role::Dim)).render(at, buffer);
        if area.height == 1 {
            break;
        }
    }
}

/// Caption above, scale at the left, values in the rest.
fn bars(buffer: &mut Buffer, area: Rect, chart: &Chart, series: &Series, look: &Look<'_>) {
    if area.height < 2 || area.width <= SCALE + 2 {
        return;
    }
    let caption = Rect { height: 1, ..area };
    Line::from(look.span(chart.caption.clone(), Role::Text)).render(caption, buffer);
    let area = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    let plot = Rect {
        x: area.x + SCALE,
        width: area.width - SCALE,
        ..area
    };
    let shown = usize::from(plot.width).saturating_sub(1);
    let first = chart.values.len().saturating_sub(shown);
    let largest = chart.values[first..]
        .iter()
        .flatten()
        .copied()
        .fold(0.0, f64::max);
    let max = chart.max.unwrap_or_else(|| round_up(largest));
    scale(buffer, area, &(chart.unit)(max), &(chart.unit)(0.0), look);
    let mut spark = Spark::new(&chart.values, series.newest, look.theme, chart.role);
    spark.max = Some(max);
    spark.ascii = look.symbols.ascii;
    spark.render(plot, buffer);
}

/// Response times: half of them below the darkest part, 95 of 100 below the middle one, 99 below the lightest.
fn bands(buffer: &mut Buffer, area: Rect, series: &Series, look: &Look<'_>) {
    if area.height < 2 || area.width <= SCALE + 2 {
        return;
    }
    let symbols = if look.symbols.ascii {
        ["#", "=", "."]
    } else {
        ["█", "▒", "░"]
    };
    let mut caption = vec![look.span(format!("{}  ", t("response time")), Role::Text)];
    for (symbol, said) in symbols.iter().zip(["p50", "p95", "p99"]) {
        caption.push(look.span(*symbol, Role::GraphLatency));
        caption.push(look.span(format!(" {said}  "), Role::Dim));
    }
    let cross = if look.symbols.ascii { "x" } else { "×" };
    caption.push(look.span(cross, Role::Bad));
    caption.push(look.span(format!(" {}", t("failures")), Role::Dim));
    Line::from(caption).render(Rect { height: 1, ..area }, buffer);
    let area = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    let plot = Rect {
        x: area.x + SCALE,
        width: area.width - SCALE,
        ..area
    };
    let shown = usize::from(plot.width).saturating_sub(1);
    let buckets = &series.buckets[series.buckets.len().saturating_sub(shown)..];
    let seconds_of = |time: Option<Duration>| time.map_or(0.0, |time| time.as_secs_f64());
    let largest = buckets
        .iter()
        .map(|bucket| seconds_of(bucket.p99_response_time))
        .fold(0.0, f64::max);
    let max = round_up(largest);
    scale(buffer, area, &seconds(max), "0", look);
    let rows = f64::from(plot.height);
    let ring = u64::from(plot.width);
    let last = buckets.len().saturating_sub(1);
    for (index, bucket) in buckets.iter().enumerate() {
        let Some(number) = series.newest.checked_sub((last - index) as u64) else {
            continue;
        };
        let x = plot.x + (number % ring) as u16;
        let height = |time: Option<Duration>| (seconds_of(time) / max * rows).ceil() as u16;
        let tops = [
            height(bucket.p50_response_time),
            height(bucket.p95_response_time),
            height(bucket.p99_response_time),
        ];
        for row in 0..plot.height {
            let symbol = tops
                .iter()
                .position(|top| row < *top)
                .map(|band| symbols[band]);
            let Some(cell) = buffer.cell_mut((x, plot.bottom() - 1 - row)) else {
                continue;
            };
            if row == 0 && bucket.failed > 0 {
                cell.set_symbol(cross)
                    .set_style(look.theme.style(Role::Bad));
            } else if let Some(symbol) = symbol {
                cell.set_symbol(symbol)
                    .set_style(look.theme.style(Role::GraphLatency));
            }
        }
    }
    if !buckets.is_empty() {
        let x = plot.x + ((series.newest + 1) % ring) as u16;
        if let Some(cell) = buffer.cell_mut((x, plot.bottom() - 1)) {
            let mark = if look.symbols.ascii { "|" } else { "╷" };
            cell.set_symbol(mark)
                .set_style(look.theme.style(Role::GraphMark));
        }
    }
}

/// Returns the kinds of errors in the window, the most frequent first, with their counts.
fn kinds(series: &Series) -> Vec<(ErrorKind, u64)> {
    let mut kinds: Vec<(ErrorKind, u64)> = series
        .errors
        .iter()
        .map(|(kind, counts)| (*kind, counts.iter().sum()))
        .filter(|(_, count)| *count > 0)
        .collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    kinds.truncate(KINDS);
    kinds
}

/// One line a kind: how often, and when.
fn errors(
    buffer: &mut Buffer,
    area: Rect,
    kinds: &[(ErrorKind, u64)],
    series: &Series,
    look: &Look<'_>,
) {
    const NAME: u16 = 30;
    let caption = if kinds.is_empty() {
        t("no errors in this window")
    } else {
        t("errors by kind")
    };
    Line::from(look.span(caption, Role::Text))
        .render(Rect { height: 1, ..area }.intersection(area), buffer);
    for (index, (kind, count)) in kinds.iter().enumerate() {
        let at = Rect {
            y: area.y + 1 + index as u16,
            height: 1,
            ..area
        }
        .intersection(area);
        if at.is_empty() {
            return;
        }
        let name = text::pad(known(kind.words()), usize::from(NAME) - 7);
        Line::from(vec![
            look.span(
                format!(" {} ", text::align_right(&text::count(*count), 4)),
                Role::Bad,
            ),
            look.span(name, Role::Text),
        ])
        .render(at, buffer);
        let counts = series
            .errors
            .get(kind)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let values: Vec<Option<f64>> = counts
            .iter()
            .map(|count| (*count > 0).then_some(*count as f64))
            .collect();
        let mut spark = Spark::new(&values, series.newest, look.theme, Role::Bad);
        spark.ascii = look.symbols.ascii;
        let plot = Rect {
            x: at.x + NAME,
            width: at.width.saturating_sub(NAME),
            ..at
        };
        spark.render(plot, buffer);
    }
}

/// Says what a column is, and how nothing, zero and failure look.
fn legend(buffer: &mut Buffer, area: Rect, app: &App, look: &Look<'_>) {
    let series = &app.metrics.series;
    let step = text::duration(series.step)
        .replace(".0 s", " s")
        .replace(" 00 s", "");
    let (mark, zero, cross) = if look.symbols.ascii {
        ("|", "_", "x")
    } else {
        ("╷", "▁", "×")
    };
    let said = phrase!(
        "{}, {} a column, newest left of {}; blank no traffic, {} zero, {} failure",
        window_words(app.metrics.window()),
        step,
        mark,
        zero,
        cross,
    );
    Line::from(Span::styled(
        text::truncate(&said, usize::from(area.width)).into_owned(),
        look.theme.style(Role::Dim),
    ))
    .render(area, buffer);
}
