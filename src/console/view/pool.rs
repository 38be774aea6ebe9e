//! The pool: a table of the instances, or one line of it.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::spark::bar;
use super::{Look, state_word};
use crate::base::InstanceView;
use crate::console::app::{App, Drawn};
use crate::console::state::focus::Focus;
use crate::console::text;
use crate::console::theme::Role;

/// Columns in the order in which they stand; the rank says which go first when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Type,
    State,
    Permits,
    Last,
    Success,
    Requests,
    Weight,
}

impl Column {
    const ALL: [Self; 8] = [
        Self::Name,
        Self::Type,
        Self::State,
        Self::Permits,
        Self::Last,
        Self::Success,
        Self::Requests,
        Self::Weight,
    ];

    const fn rank(self) -> u8 {
        match self {
            Self::Name => 0,
            Self::State => 1,
            Self::Permits => 2,
            Self::Success => 3,
            Self::Last => 4,
            Self::Requests => 5,
            Self::Weight => 6,
            Self::Type => 7,
        }
    }

    const fn heading(self) -> &'static str {
        match self {
            Self::Name => "instance",
            Self::Type => "type",
            Self::State => "state",
            Self::Permits => "permits",
            Self::Last => "last",
            Self::Success => "ok",
            Self::Requests => "req",
            Self::Weight => "wt",
        }
    }

    const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Last | Self::Success | Self::Requests | Self::Weight
        )
    }
}

/// The widths of the columns that are drawn.
struct Plan {
    columns: Vec<(Column, usize)>,
    /// Cells of the permits bar.
    bar: u16,
    /// Digits of permits in flight and allowed.
    digits: usize,
}

/// What stands beside the pane's name.
pub(crate) fn title(app: &App) -> String {
    let board = &app.pool.board;
    let queue = &board.queue;
    let mut title = board.strategy.replace('_', " ");
    if queue.limit > 0 {
        title = format!("{title} · queue {}/{}", queue.length, queue.limit);
    }
    if queue.refused > 0 {
        title = format!("{title} · {} refused", text::count(queue.refused));
    }
    title
}

/// Draws the table.
pub(crate) fn table(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    look: &Look<'_>,
    drawn: &mut Drawn,
) {
    let instances = &app.pool.board.instances;
    let buffer = frame.buffer_mut();
    if instances.is_empty() {
        let line = Line::from(look.span(" no instances", Role::Dim));
        line.render(Rect { height: 1, ..area }.intersection(area), buffer);
        return;
    }
    let plan = plan(instances, usize::from(area.width));
    heading(buffer, area, &plan, look);
    let rows = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let visible = usize::from(rows.height);
    let selected = app.pool.selected_index();
    let first = (selected + 1)
        .saturating_sub(visible)
        .min(instances.len().saturating_sub(visible));
    for (row, (index, instance)) in instances
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
        let is_next = app.pool.board.next.as_ref() == Some(&instance.name);
        let mut line = Line::from(instance_row(instance, is_next, &plan, look));
        let highlight = highlight(app, index == selected, instance, look);
        if let Some(style) = highlight {
            buffer.set_style(at, style);
            line = plain_colours(line, style);
        }
        line.render(at, buffer);
    }
    drawn.places.pool_rows = rows;
    drawn.places.pool_first = first;
}

/// The row that keys act on, and the row whose metrics are shown.
fn highlight(
    app: &App,
    is_selected: bool,
    instance: &InstanceView,
    look: &Look<'_>,
) -> Option<Style> {
    if is_selected && app.focus == Focus::Pool {
        return Some(look.theme.style(Role::Selected));
    }
    let is_scope = app.metrics.instance() == Some(&instance.name);
    is_scope.then(|| look.theme.style(Role::SelectedUnfocused))
}

/// On a highlighted row the highlight's own colours are the readable ones.
fn plain_colours<'a>(line: Line<'a>, style: Style) -> Line<'a> {
    Line::from(
        line.spans
            .into_iter()
            .map(|span| span.style(style))
            .collect::<Vec<Span<'a>>>(),
    )
}

fn plan(instances: &[InstanceView], width: usize) -> Plan {
    const GAP: usize = 1;
    const MARK: usize = 2;
    let widest = |of: &dyn Fn(&InstanceView) -> usize| instances.iter().map(of).max().unwrap_or(0);
    let name = widest(&|i| text::width(i.name.as_str())).clamp(8, 18);
    let most = widest(&|i| i.permits);
    let digits = most.max(widest(&|i| i.in_flight)).to_string().len();
    let bar = most.clamp(1, 8) as u16;
    let weights_differ = instances.iter().any(|i| i.weight != instances[0].weight);
    let column_width = |column: Column, bar: u16, state: usize| match column {
        Column::Name => name,
        Column::Type => 7,
        Column::State => state,
        Column::Permits => (usize::from(bar) + 2 + 2 * digits).max(7),
        Column::Last => 7,
        Column::Success => 5,
        Column::Requests => 4,
        Column::Weight => 3,
    };
    let mut chosen: Vec<Column> = Column::ALL.to_vec();
    chosen.retain(|column| weights_differ || *column != Column::Weight);
    let mut bar = bar;
    // Wide enough for every state, so that no state moves the columns beside it.
    let mut state = 13;
    loop {
        let columns: Vec<(Column, usize)> = chosen
            .iter()
            .map(|column| (*column, column_width(*column, bar, state)))
            .collect();
        let needed: usize = MARK + columns.iter().map(|(_, width)| width + GAP).sum::<usize>();
        if needed <= width + GAP || chosen.len() <= 2 {
            return Plan {
                columns,
                bar,
                digits,
            };
        }
        let worst = chosen.iter().copied().max_by_key(|column| column.rank());
        match worst {
            // A shorter bar is better than a missing figure.
            Some(worst) if worst.rank() <= Column::Requests.rank() && bar > 4 => bar = 4,
            Some(worst) if worst.rank() <= Column::Requests.rank() && state > 11 => state = 11,
            Some(worst) => {
                chosen.retain(|column| *column != worst);
                state = 13;
            }
            None => {
                return Plan {
                    columns,
                    bar,
                    digits,
                };
            }
        }
    }
}

fn heading(buffer: &mut Buffer, area: Rect, plan: &Plan, look: &Look<'_>) {
    let mut spans = vec![Span::raw("  ")];
    for (column, width) in &plan.columns {
        let text = if column.is_number() {
            text::align_right(column.heading(), *width)
        } else {
            text::pad(column.heading(), *width)
        };
        spans.push(look.span(format!("{text} "), Role::Dim));
    }
    Line::from(spans).render(Rect { height: 1, ..area }, buffer);
}

fn instance_row(
    instance: &InstanceView,
    is_next: bool,
    plan: &Plan,
    look: &Look<'_>,
) -> Vec<Span<'static>> {
    let symbols = look.symbols;
    let mark = if is_next { symbols.next } else { " " };
    let mut spans = vec![look.span(format!("{mark} "), Role::Accent)];
    let faint = if instance.enabled {
        Role::Text
    } else {
        Role::Dim
    };
    for (column, width) in &plan.columns {
        let cell = |text: String, role| {
            let text = if column.is_number() {
                text::align_right(&text, *width)
            } else {
                text::pad(&text, *width)
            };
            look.span(text, role)
        };
        match column {
            Column::Name => {
                spans.push(cell(text::display_safe(instance.name.as_str()), faint));
            }
            Column::Type => spans.push(cell(instance.provider_type.to_string(), Role::Dim)),
            Column::State => {
                let (symbol, words, role) = state_word::of(&instance.state, symbols.ascii);
                spans.push(cell(format!("{symbol} {words}"), role));
            }
            Column::Permits => {
                let bar = bar(
                    instance.in_flight,
                    instance.permits,
                    plan.bar,
                    look.theme,
                    symbols.ascii,
                );
                spans.extend(bar.spans);
                let digits = plan.digits;
                let figures = format!(
                    " {:>digits$}/{:<digits$}",
                    instance.in_flight, instance.permits
                );
                let rest = width.saturating_sub(usize::from(plan.bar));
                spans.push(look.span(text::pad(&figures, rest), faint));
            }
            Column::Last => {
                let last = instance
                    .last_latency
                    .map_or_else(|| "-".to_owned(), text::duration);
                spans.push(cell(last, faint));
            }
            Column::Success => {
                let rate = instance.metrics.success_rate();
                let role = match rate {
                    Some(rate) if rate < 0.9 => Role::Bad,
                    Some(rate) if rate < 0.99 => Role::Warn,
                    Some(_) => faint,
                    None => Role::Dim,
                };
                spans.push(cell(
                    rate.map_or_else(|| "-".to_owned(), text::percent),
                    role,
                ));
            }
            Column::Requests => {
                spans.push(cell(text::count(instance.metrics.total_requests), faint));
            }
            Column::Weight => spans.push(cell(instance.weight.to_string(), faint)),
        }
        spans.push(Span::raw(" "));
    }
    spans
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
    spans.push(look.span(format!("  {in_flight} in flight"), Role::Dim));
    if let Some(next) = &board.next {
        let next = text::display_safe(next.as_str());
        spans.push(look.span(format!("  {} {next} is next", look.symbols.next), Role::Dim));
    }
    Line::from(spans).render(area, frame.buffer_mut());
}
