//! The pool: a table of the instances, or one line of it.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::grid::{Cell, Col, Grid};
use super::spark::bar;
use super::{Look, details, pool_detail, state_word};
use crate::base::InstanceView;
use crate::console::app::{App, Drawn};
use crate::console::state::focus::Focus;
use crate::console::state::pool_table::{PoolColumn, budget_left};
use crate::console::text;
use crate::console::theme::Role;
use crate::console::words::{known, phrase, t};

/// What stands beside the pane's name.
pub(crate) fn title(app: &App) -> String {
    let board = &app.pool.board;
    let queue = &board.queue;
    let mut title = known(&board.strategy.replace('_', " ")).to_owned();
    if queue.limit > 0 {
        title = format!(
            "{title} · {}",
            phrase!("queue {}/{}", queue.length, queue.limit)
        );
    }
    if queue.batch > 0 {
        title = format!("{title} · {}", phrase!("{} batch", queue.batch));
    }
    if queue.refused > 0 {
        title = format!(
            "{title} · {}",
            phrase!("{} refused", text::count(queue.refused))
        );
    }
    if !app.pool.marked.is_empty() {
        title = format!("{title} · {}", phrase!("{} marked", app.pool.marked.len()));
    }
    title
}

/// Draws the table, and below it all that is known of the selected instance when that is open.
pub(crate) fn table(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    look: &Look<'_>,
    drawn: &mut Drawn,
) {
    let instances = &app.pool.board.instances;
    if instances.is_empty() {
        let line = Line::from(look.span(format!(" {}", t("no instances")), Role::Dim));
        line.render(
            Rect { height: 1, ..area }.intersection(area),
            frame.buffer_mut(),
        );
        return;
    }
    let open = app
        .pool
        .selected()
        .filter(|_| app.pool.open && app.focus == Focus::Pool);
    let width = usize::from(area.width).saturating_sub(2);
    let lines = open.map(|instance| pool_detail::lines(instance, app, width, look));
    let (area, below) = details::split(area, lines.as_ref().map(Vec::len));
    if let (Some(below), Some(lines), Some(instance)) = (below, lines, open) {
        let title = text::display_safe(instance.name.as_str());
        drawn.detail_top = details::draw(frame, below, &title, lines, app.detail_top, look);
    }
    let table = Table::new(app, look, usize::from(area.width));
    let buffer = frame.buffer_mut();
    table
        .heading(look)
        .render(Rect { height: 1, ..area }, buffer);
    let rows = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let visible = usize::from(rows.height);
    let order = app.pool.order();
    let selected = app.pool.selected_place();
    let first = (selected + 1)
        .saturating_sub(visible)
        .min(order.len().saturating_sub(visible));
    for (row, (place, index)) in order
        .iter()
        .enumerate()
        .skip(first)
        .take(visible)
        .enumerate()
    {
        let at = Rect {
            y: rows.y + row as u16,
            height: 1,
            ..rows
        };
        let instance = &instances[*index];
        let mut line = table.row(instance, look);
        if let Some(style) = highlight(app, place == selected, instance, look) {
            buffer.set_style(at, style);
            for span in &mut line.spans {
                span.style = style;
            }
        }
        line.render(at, buffer);
    }
    drawn.places.pool_rows = rows;
    drawn.places.pool_first = first;
}

/// The row that keys act on, rows that are marked, and the row whose metrics are shown.
fn highlight(
    app: &App,
    is_selected: bool,
    instance: &InstanceView,
    look: &Look<'_>,
) -> Option<Style> {
    if is_selected && app.focus == Focus::Pool {
        return Some(look.theme.style(Role::Selected));
    }
    if app.pool.marked.contains(&instance.name) {
        return Some(look.theme.style(Role::Marked));
    }
    let is_scope = app.metrics.instance() == Some(&instance.name);
    is_scope.then(|| look.theme.style(Role::SelectedUnfocused))
}

/// The columns that fit, and what they need to know.
struct Table<'a> {
    app: &'a App,
    kinds: Vec<PoolColumn>,
    cols: Vec<Col>,
    grid: Grid,
    /// Cells of the permits bar.
    bar: u16,
    /// Digits of permits in flight and allowed.
    digits: usize,
}

impl<'a> Table<'a> {
    fn new(app: &'a App, look: &Look<'_>, width: usize) -> Self {
        let instances = &app.pool.board.instances;
        let widest =
            |of: &dyn Fn(&InstanceView) -> usize| instances.iter().map(of).max().unwrap_or(0);
        let name = widest(&|i| text::width(i.name.as_str())).clamp(8, 20);
        let most = widest(&|i| i.permits);
        let digits = most.max(widest(&|i| i.in_flight)).to_string().len();
        // A shorter bar is better than a missing figure.
        let roomy = width >= 64;
        let bar = most.clamp(1, if roomy { 8 } else { 4 }) as u16;
        let states = widest(&|i| 2 + text::width(&state_word::of(&i.state, look.symbols.ascii).1));
        let state = states.max(if roomy { 13 } else { 11 });
        let weights_differ = instances.iter().any(|i| i.weight != instances[0].weight);
        let has_budget = instances.iter().any(|i| !i.budgets.is_empty());
        let has_score = instances.iter().any(|i| i.score.is_some());
        let mut kinds = PoolColumn::ALL.to_vec();
        kinds.retain(|kind| match kind {
            PoolColumn::Weight => weights_differ || width >= 110,
            PoolColumn::Budget => has_budget,
            PoolColumn::Score => has_score,
            PoolColumn::Name
            | PoolColumn::Type
            | PoolColumn::State
            | PoolColumn::Permits
            | PoolColumn::Latency
            | PoolColumn::Success
            | PoolColumn::Requests
            | PoolColumn::Why
            | PoolColumn::LastError
            | PoolColumn::LastSuccess => true,
        });
        let cols: Vec<Col> = kinds
            .iter()
            .map(|kind| {
                let heading = t(kind.heading());
                match kind {
                    PoolColumn::Name => Col::text(heading, name, 0),
                    PoolColumn::Type => Col::text(heading, 7, 11),
                    PoolColumn::State => Col::text(heading, state, 1),
                    PoolColumn::Permits => Col::text(heading, usize::from(bar) + 2 + 2 * digits, 2),
                    PoolColumn::Budget => Col::figure(heading, 6, 7),
                    PoolColumn::Latency => Col::figure(heading, 7, 4),
                    PoolColumn::Score => Col::figure(heading, 7, 9),
                    PoolColumn::Success => Col::figure(heading, 5, 3),
                    PoolColumn::Requests => Col::figure(heading, 4, 5),
                    PoolColumn::Weight => Col::figure(heading, 3, 6),
                    PoolColumn::LastSuccess => Col::text(heading, 7, 10),
                    PoolColumn::LastError => Col::text(heading, 7, 9),
                    PoolColumn::Why => Col::text(heading, 16, 8).growing(),
                }
            })
            .collect();
        let sorted = kinds
            .iter()
            .position(|kind| app.pool.sort.column == Some(*kind));
        Self {
            app,
            grid: Grid::fit_marked(&cols, sorted, width.saturating_sub(2)),
            kinds,
            cols,
            bar,
            digits,
        }
    }

    fn heading(&self, look: &Look<'_>) -> Line<'static> {
        let sort = self.app.pool.sort;
        let arrow = match (sort.reversed, look.symbols.ascii) {
            (false, false) => "↓",
            (true, false) => "↑",
            (false, true) => "v",
            (true, true) => "^",
        };
        let sorted = sort
            .column
            .and_then(|column| self.kinds.iter().position(|kind| *kind == column));
        let mut spans = vec![Span::raw("  ")];
        spans.extend(
            self.grid
                .headings(&self.cols, sorted.map(|at| (at, arrow)), look),
        );
        Line::from(spans)
    }

    fn row(&self, instance: &InstanceView, look: &Look<'_>) -> Line<'static> {
        let is_next = self.app.pool.board.next.as_ref() == Some(&instance.name);
        let is_marked = self.app.pool.marked.contains(&instance.name);
        let mark = match (is_marked, is_next) {
            (true, _) => look.symbols.done,
            (false, true) => look.symbols.next,
            (false, false) => " ",
        };
        let row = self.grid.row(&self.cols, look, |index, width| {
            self.cell(self.kinds[index], width, instance, look)
        });
        let mut spans = vec![look.span(format!("{mark} "), Role::Accent)];
        spans.extend(row.spans);
        Line::from(spans)
    }

    fn cell(
        &self,
        kind: PoolColumn,
        width: usize,
        instance: &InstanceView,
        look: &Look<'_>,
    ) -> Cell {
        let metrics = &instance.metrics;
        let faint = if instance.enabled {
            Role::Text
        } else {
            Role::Dim
        };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let (said, role) = match kind {
            PoolColumn::Name => (text::display_safe(instance.name.as_str()), faint),
            PoolColumn::Type => (instance.provider_type.to_string(), Role::Dim),
            PoolColumn::State => {
                let (symbol, words, role) = state_word::of(&instance.state, look.symbols.ascii);
                (format!("{symbol} {words}"), role)
            }
            PoolColumn::Permits => return self.permits(width, instance, faint, look),
            PoolColumn::Budget => match budget_left(instance) {
                Some(left) if left < 0.1 => (text::percent(left), Role::Warn),
                left => (or_dash(left.map(text::percent)), faint),
            },
            PoolColumn::Latency => (or_dash(instance.last_latency.map(text::duration)), faint),
            PoolColumn::Score => {
                let seconds = instance
                    .score
                    .filter(|score| score.is_finite() && *score >= 0.0);
                let time = seconds.and_then(|score| Duration::try_from_secs_f64(score).ok());
                (or_dash(time.map(text::duration)), faint)
            }
            PoolColumn::Success => {
                let rate = metrics.success_rate();
                let role = match rate {
                    Some(rate) if rate < 0.9 => Role::Bad,
                    Some(rate) if rate < 0.99 => Role::Warn,
                    Some(_) => faint,
                    None => Role::Dim,
                };
                (or_dash(rate.map(text::percent)), role)
            }
            PoolColumn::Requests => (text::count(metrics.total_requests), faint),
            PoolColumn::Weight => (instance.weight.to_string(), faint),
            PoolColumn::Why => (why(instance), Role::Dim),
            PoolColumn::LastError => {
                let age = metrics.last_error.as_ref().map(|error| error.age);
                (or_dash(self.minute(age)), Role::Dim)
            }
            PoolColumn::LastSuccess => {
                (or_dash(self.minute(metrics.since_last_success)), Role::Dim)
            }
        };
        Cell::Text(said, role)
    }

    fn permits(&self, width: usize, instance: &InstanceView, faint: Role, look: &Look<'_>) -> Cell {
        let (used, allowed) = (instance.in_flight, instance.permits);
        let mut spans = bar(used, allowed, self.bar, look.theme, look.symbols.ascii).spans;
        let digits = self.digits;
        let figures = format!(" {used:>digits$}/{allowed:<digits$}");
        let rest = width.saturating_sub(usize::from(self.bar));
        spans.push(look.span(text::pad(&figures, rest), faint));
        Cell::Spans(spans)
    }

    /// Returns the hour and minute of what was so long ago: an age would change all the time, and this stays.
    fn minute(&self, age: Option<Duration>) -> Option<String> {
        let read_at = self.app.pool.read_at?;
        let mut hour = self.app.clock.hour_before(read_at, age?);
        hour.truncate("00:00".len());
        Some(hour)
    }
}

/// Says why requests failed: the kinds, the most frequent first.
pub(crate) fn why(instance: &InstanceView) -> String {
    let mut kinds: Vec<_> = instance
        .metrics
        .errors
        .iter()
        .filter(|(_, count)| **count > 0)
        .collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), **kind));
    let words = kinds
        .into_iter()
        .map(|(kind, count)| format!("{} {}", text::count(*count), known(kind.words())));
    words.collect::<Vec<_>>().join(", ")
}

/// Draws the whole pool in one line, for small screens.
pub(crate) fn strip(frame: &mut Frame<'_>, area: Rect, app: &App, look: &Look<'_>) {
    let board = &app.pool.board;
    let mut spans = vec![Span::raw(" ")];
    for instance in board.instances.iter().take(24) {
        let (symbol, _, role) = state_word::of(&instance.state, look.symbols.ascii);
        spans.push(look.span(symbol, role));
    }
    let in_flight: usize = board.instances.iter().map(|i| i.in_flight).sum();
    spans.push(look.span(
        format!("  {}", phrase!("{} in flight", in_flight)),
        Role::Dim,
    ));
    if let Some(next) = &board.next {
        let next = text::display_safe(next.as_str());
        spans.push(look.span(
            format!("  {} {}", look.symbols.next, phrase!("{} is next", next)),
            Role::Dim,
        ));
    }
    Line::from(spans).render(area, frame.buffer_mut());
}
