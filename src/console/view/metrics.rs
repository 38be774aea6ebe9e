//! The metrics: graphs over the window, percentiles, errors. No traffic is a gap, zero a line, failure a cross.

use std::time::Duration;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::chrome::spans_width;
use super::spark::Spark;
use super::{Look, metrics_full};
use crate::base::{ErrorKind, LlmMetrics, Percentiles, RouteName, Scope, Series, SeriesBucket};
use crate::console::app::App;
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{known, phrase, t};

/// The smallest pane in which graphs stand below their captions.
const ROOMY: (u16, u16) = (40, 12);

/// One graph: what it shows and how.
struct Graph {
    caption: &'static str,
    short: &'static str,
    figure: String,
    values: Vec<Option<f64>>,
    max: Option<f64>,
    role: Role,
    /// Whether failures are crossed in it.
    crosses: bool,
    /// How much of the spare height it takes.
    share: u16,
}

/// What stands beside the pane's name.
pub(crate) fn title(app: &App) -> String {
    let scope = match &app.metrics.scope {
        Scope::All => t("all").to_owned(),
        Scope::Type(kind) => kind.to_string(),
        Scope::Route(route) => text::display_safe(route.as_str()),
        Scope::Instance(name) => text::display_safe(name.as_str()),
    };
    format!("{scope} · {}", window_words(app.metrics.window()))
}

pub(super) fn window_words(window: Duration) -> String {
    match window.as_secs() / 60 {
        minutes if minutes < 60 => phrase!("{} min", minutes),
        minutes => phrase!("{} h", minutes / 60),
    }
}

/// Draws the metrics; returns how many buckets its graphs can show.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, look: &Look<'_>) -> usize {
    let full = metrics_full::SMALLEST;
    if app.zoomed && area.width >= full.0 && area.height >= full.1 {
        return metrics_full::draw(frame, area, app, look);
    }
    let series = &app.metrics.series;
    let graphs = graphs(series);
    let failed: Vec<bool> = series
        .buckets
        .iter()
        .map(|bucket| bucket.failed > 0)
        .collect();
    let buffer = frame.buffer_mut();
    if area.width >= ROOMY.0 && area.height >= ROOMY.1 {
        roomy(buffer, area, app, &graphs, &failed, look)
    } else {
        compact(buffer, area, app, &graphs, &failed, look)
    }
}

fn graphs(series: &Series) -> Vec<Graph> {
    let of = |value: &dyn Fn(&SeriesBucket) -> Option<f64>| -> Vec<Option<f64>> {
        series.buckets.iter().map(value).collect()
    };
    let ended = |bucket: &SeriesBucket| bucket.successful + bucket.failed + bucket.cancelled;
    let step = series.step.as_secs_f64().max(0.001);
    let has_any = series.buckets.iter().any(|bucket| ended(bucket) > 0);
    let or_none = |figure: String| if has_any { figure } else { "-".to_owned() };
    vec![
        Graph {
            caption: t("response time"),
            short: t("mean"),
            figure: mean_response_time(series).map_or_else(|| "-".to_owned(), text::duration),
            values: of(&|bucket| bucket.average_response_time.map(|time| time.as_secs_f64())),
            max: None,
            role: Role::GraphLatency,
            crosses: true,
            share: 3,
        },
        Graph {
            caption: t("success"),
            short: t("ok"),
            figure: series
                .success_rate
                .map_or_else(|| "-".to_owned(), text::percent),
            values: of(&|bucket| {
                let ended = bucket.successful + bucket.failed;
                (ended > 0).then(|| bucket.successful as f64 / ended as f64)
            }),
            max: Some(1.0),
            role: Role::GraphSuccess,
            crosses: false,
            share: 1,
        },
        Graph {
            caption: t("tokens"),
            short: t("tok/s"),
            figure: or_none(text::rate(series.tokens_per_second)),
            values: of(&|bucket| {
                (ended(bucket) > 0).then(|| bucket.completion_tokens as f64 / step)
            }),
            max: None,
            role: Role::GraphTokens,
            crosses: false,
            share: 2,
        },
        Graph {
            caption: t("requests"),
            short: t("req/s"),
            figure: or_none(text::rate(series.requests_per_second)),
            values: of(&|bucket| (ended(bucket) > 0).then(|| ended(bucket) as f64 / step)),
            max: None,
            role: Role::GraphQueue,
            crosses: false,
            share: 2,
        },
    ]
}

/// The mean over the window, from the means of its buckets.
fn mean_response_time(series: &Series) -> Option<Duration> {
    let (total, count) = series
        .buckets
        .iter()
        .filter_map(|bucket| Some((bucket.average_response_time?, bucket.successful)))
        .fold((0.0, 0), |(total, count), (mean, successful)| {
            (
                total + mean.as_secs_f64() * successful as f64,
                count + successful,
            )
        });
    (count > 0).then(|| Duration::from_secs_f64(total / count as f64))
}

/// Captions above graphs, figures below: the usual picture.
fn roomy(
    buffer: &mut Buffer,
    area: Rect,
    app: &App,
    graphs: &[Graph],
    failed: &[bool],
    look: &Look<'_>,
) -> usize {
    let series = &app.metrics.series;
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let mut tail = vec![
        percentiles_line(t("response"), series.response_time, look),
        percentiles_line(t("first token"), series.time_to_first_token, look),
    ];
    tail.extend(error_lines(app, usize::from(area.width), LABEL, look));
    let fixed = graphs.len() as u16 * 2 + 1 + tail.len() as u16;
    let spare = area.height.saturating_sub(fixed);
    let gap = u16::from(spare >= graphs.len() as u16);
    let heights = heights(graphs, spare - gap * graphs.len() as u16);
    let mut y = area.y;
    let step = step_words(series.step);
    for (index, (graph, height)) in graphs.iter().zip(&heights).enumerate() {
        let right = if index == 0 {
            step.clone()
        } else {
            String::new()
        };
        caption(
            buffer,
            Rect {
                y,
                height: 1,
                ..area
            },
            graph,
            &right,
            look,
        );
        y += 1;
        let at = Rect {
            y,
            height: *height,
            ..area
        }
        .intersection(area);
        spark(graph, series.newest, failed, *height == 1, look).render(at, buffer);
        y += height + gap;
    }
    y = y.max(area.bottom().saturating_sub(tail.len() as u16));
    for line in tail {
        if y < area.bottom() {
            line.render(
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                buffer,
            );
        }
        y += 1;
    }
    usize::from(area.width).saturating_sub(1)
}

/// Divides the height that is left among the graphs, each at least one row.
fn heights(graphs: &[Graph], spare: u16) -> Vec<u16> {
    let shares: u16 = graphs.iter().map(|graph| graph.share).sum();
    let mut heights: Vec<u16> = graphs
        .iter()
        .map(|graph| (1 + spare * graph.share / shares.max(1)).min(1 + 2 * graph.share))
        .collect();
    // What rounding leaves goes to the first graph.
    let used: u16 = heights.iter().sum::<u16>() - graphs.len() as u16;
    if let Some(first) = heights.first_mut() {
        *first += spare.saturating_sub(used).min(4);
    }
    heights
}

fn caption(buffer: &mut Buffer, area: Rect, graph: &Graph, right: &str, look: &Look<'_>) {
    let mut spans = vec![
        look.span(graph.caption, Role::Dim),
        Span::raw(" "),
        look.span(graph.figure.clone(), Role::Text),
    ];
    if graph.crosses {
        spans.push(look.span(format!(" {}", t("mean")), Role::Dim));
    }
    let used = spans_width(&spans);
    let rest = usize::from(area.width).saturating_sub(used);
    spans.push(look.span(text::align_right(right, rest), Role::Dim));
    Line::from(spans).render(area, buffer);
}

/// Graphs beside their captions, for little room.
fn compact(
    buffer: &mut Buffer,
    area: Rect,
    app: &App,
    graphs: &[Graph],
    failed: &[bool],
    look: &Look<'_>,
) -> usize {
    let series = &app.metrics.series;
    let mut y = area.y;
    let tails = [t("time"), t("first"), t("errors"), t("last")];
    let names = graphs.iter().map(|graph| graph.short).chain(tails);
    let label = names.map(text::width).max().unwrap_or_default();
    // A blank, the name, a blank, six columns of the figure, a blank.
    let caption = label as u16 + 9;
    let width = area.width.saturating_sub(caption + 1);
    for graph in graphs {
        if y >= area.bottom() {
            break;
        }
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        Line::from(vec![
            look.span(format!(" {}", text::pad(graph.short, label)), Role::Dim),
            look.span(
                format!(" {}", text::align_right(&graph.figure, 6)),
                Role::Text,
            ),
        ])
        .render(row, buffer);
        let at = Rect {
            x: area.x + caption,
            width,
            ..row
        };
        spark(graph, series.newest, failed, true, look).render(at, buffer);
        y += 1;
    }
    let room = usize::from(area.width).saturating_sub(1);
    let mut tail = vec![
        short_percentiles(t("time"), label, series.response_time, look),
        short_percentiles(t("first"), label, series.time_to_first_token, look),
    ];
    tail.extend(error_lines(app, room.saturating_sub(1), label + 1, look));
    for line in tail {
        if y < area.bottom() {
            line.render(
                Rect {
                    x: area.x + 1,
                    y,
                    height: 1,
                    width: area.width.saturating_sub(1),
                },
                buffer,
            );
        }
        y += 1;
    }
    usize::from(width).saturating_sub(1)
}

/// In a row of its own a graph leaves an eighth free at the top, so that rows do not melt into one another.
fn spark<'a>(
    graph: &'a Graph,
    newest: u64,
    failed: &'a [bool],
    one_row: bool,
    look: &Look<'_>,
) -> Spark<'a> {
    let mut spark = Spark::new(&graph.values, newest, look.theme, graph.role);
    spark.ascii = look.symbols.ascii;
    spark.max = match (graph.max, one_row) {
        (Some(max), true) => Some(max * 1.18),
        (max, _) => max,
    };
    if graph.crosses {
        spark.failed = failed;
    }
    spark
}

/// Columns of what stands before figures that have a line of their own.
pub(super) const LABEL: usize = 13;

pub(super) fn percentiles_line(
    caption: &str,
    percentiles: Option<Percentiles>,
    look: &Look<'_>,
) -> Line<'static> {
    let mut spans = vec![look.span(text::pad(caption, LABEL - 1), Role::Dim)];
    let Some(times) = percentiles else {
        spans.push(look.span(" -", Role::Dim));
        return Line::from(spans);
    };
    for (name, time) in [("p50", times.p50), ("p95", times.p95), ("p99", times.p99)] {
        spans.push(look.span(format!(" {name} "), Role::Dim));
        spans.push(look.span(text::pad(&text::duration(time), 7), Role::Text));
    }
    Line::from(spans)
}

fn short_percentiles(
    caption: &str,
    label: usize,
    percentiles: Option<Percentiles>,
    look: &Look<'_>,
) -> Line<'static> {
    let mut spans = vec![look.span(text::pad(caption, label + 1), Role::Dim)];
    match percentiles {
        None => spans.push(look.span("-", Role::Dim)),
        Some(times) => {
            for (name, time) in [("p50", times.p50), ("p99", times.p99)] {
                spans.push(look.span(format!("{name} "), Role::Dim));
                spans.push(look.span(text::pad(&text::duration(time), 8), Role::Text));
            }
        }
    }
    Line::from(spans)
}

fn step_words(step: Duration) -> String {
    if step.is_zero() {
        return String::new();
    }
    phrase!("{} a column", text::duration(step).replace(".0 s", " s"))
}

/// Errors by kind since the start, and the last one in the window.
pub(super) fn error_lines(
    app: &App,
    width: usize,
    label: usize,
    look: &Look<'_>,
) -> Vec<Line<'static>> {
    let metrics = scope_metrics(app);
    let errors = metrics.map(|metrics| &metrics.errors);
    let mut kinds: Vec<(ErrorKind, u64)> = errors
        .into_iter()
        .flatten()
        .map(|(kind, count)| (*kind, *count))
        .collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    let words = if kinds.is_empty() {
        t("none").to_owned()
    } else {
        kinds
            .iter()
            .map(|(kind, count)| format!("{} {}", text::count(*count), known(kind.words())))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let role = if kinds.is_empty() {
        Role::Dim
    } else {
        Role::Text
    };
    let mut lines = vec![labelled((t("errors"), label), &words, role, width, look)];
    let Some(last) = app.metrics.series.last_errors.first() else {
        lines.push(labelled(
            (t("last"), label),
            t("none"),
            Role::Dim,
            width,
            look,
        ));
        return lines;
    };
    let who = last
        .instance
        .as_ref()
        .map(|name| format!("{name}: "))
        .unwrap_or_default();
    let said = phrase!(
        "{} ago {}{}: {}",
        text::duration(Duration::from_secs(last.age.as_secs().max(1))).replace(".0 s", " s"),
        who,
        known(last.kind.words()),
        last.message
    );
    lines.push(labelled((t("last"), label), &said, Role::Warn, width, look));
    lines
}

/// The budget of retries, which all requests share; what was refused is what somebody has to know. `None` where no
/// budget is told of.
pub(super) fn retry_line(app: &App, width: usize, look: &Look<'_>) -> Option<Line<'static>> {
    let retries = &app.pool.board.retries;
    if retries.limit == 0 {
        return None;
    }
    let left = phrase!(
        "{} of {} left",
        text::count(retries.left),
        text::count(retries.limit)
    );
    let (said, role) = if retries.refused > 0 {
        let refused = phrase!("{} refused", text::count(retries.refused));
        (format!("{left} · {refused}"), Role::Warn)
    } else {
        (left, Role::Text)
    };
    Some(labelled(
        (t("retry budget"), LABEL),
        &said,
        role,
        width,
        look,
    ))
}

/// What routes that hedge have left for it: of the route that is shown, or of all.
pub(super) fn hedge_line(app: &App, width: usize, look: &Look<'_>) -> Option<Line<'static>> {
    let is_shown = |name: &RouteName| match &app.metrics.scope {
        Scope::Route(shown) => shown == name,
        Scope::All | Scope::Type(_) | Scope::Instance(_) => true,
    };
    let mut role = Role::Text;
    let mut parts = Vec::new();
    for route in &app.pool.board.routes {
        let Some(hedges) = route.hedges.as_ref().filter(|_| is_shown(&route.name)) else {
            continue;
        };
        let left = phrase!(
            "{} of {} left",
            text::count(hedges.left),
            text::count(hedges.limit)
        );
        parts.push(format!("{} {left}", route.name));
        if hedges.left == 0 {
            role = Role::Warn;
        }
    }
    let said = parts.join(" · ");
    let label = (t("hedge budget"), LABEL);
    (!parts.is_empty()).then(|| labelled(label, &said, role, width, look))
}

/// What scaling will do next, where anybody stands by.
pub(super) fn scaling_line(app: &App, width: usize, look: &Look<'_>) -> Option<Line<'static>> {
    let said = super::scaling::of_pool(&app.pool.board)?;
    let label = (t("scaling"), LABEL);
    Some(labelled(label, &said, Role::Text, width, look))
}

fn labelled(
    (label, columns): (&str, usize),
    said: &str,
    role: Role,
    width: usize,
    look: &Look<'_>,
) -> Line<'static> {
    let said = text::display_safe(said).replace('\n', " ");
    let room = width.saturating_sub(columns);
    Line::from(vec![
        look.span(text::pad(label, columns), Role::Dim),
        look.span(text::truncate(&said, room).into_owned(), role),
    ])
}

fn scope_metrics(app: &App) -> Option<&LlmMetrics> {
    match &app.metrics.scope {
        Scope::All | Scope::Type(_) | Scope::Route(_) => Some(&app.pool.board.totals),
        Scope::Instance(name) => app
            .pool
            .board
            .instance(name)
            .map(|instance| &instance.metrics),
    }
}
