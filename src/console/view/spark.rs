//! Sparklines that change few cells, and bars.
//!
//! A value stays in its column (`number % width`) and the place of writing moves, like the beam of an oscilloscope:
//! ```text
//!   ▃▅▂▄█▆╷▂▃▂▁▃▄▂    newest value left of the mark, oldest right of it
//! ```
//! Shifting the graph by a column each second would rewrite every cell: eight times the bytes on an SSH line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::console::theme::{Role, Theme};

const BLOCKS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_BLOCKS: [&str; 8] = ["_", ".", ":", "-", "=", "+", "*", "#"];

/// A graph of one value per bucket. No value, zero and failure look different without colour: a gap, a line at the
/// bottom, a cross.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spark<'a> {
    /// Oldest first, the last one is bucket `newest`; `None` is no traffic.
    pub values: &'a [Option<f64>],
    /// The number of the newest bucket since the start; `values` moves through the columns with it.
    pub newest: u64,
    /// What fills the height; `None` takes a round number above the largest value that is shown.
    pub max: Option<f64>,
    /// The style of values.
    pub style: Style,
    /// Which buckets had a failure, in the order of `values`; missing ones had none.
    pub failed: &'a [bool],
    /// The style of failures.
    pub failed_style: Style,
    /// The style of the mark where the next value will be written.
    pub mark_style: Style,
    /// Whether only ASCII may be drawn.
    pub ascii: bool,
}

impl<'a> Spark<'a> {
    /// Makes a graph in a theme's colours.
    pub fn new(values: &'a [Option<f64>], newest: u64, theme: &Theme, role: Role) -> Self {
        Self {
            values,
            newest,
            style: theme.style(role),
            failed_style: theme.style(Role::Bad),
            mark_style: theme.style(Role::GraphMark),
            ..Self::default()
        }
    }

    /// Returns the values that fit beside the mark, with their column and whether they failed.
    fn columns(&self, width: u16) -> impl Iterator<Item = (u16, Option<f64>, bool)> {
        let width_of_ring = u64::from(width);
        let shown = usize::from(width).saturating_sub(1);
        let first = self.values.len().saturating_sub(shown);
        let last = self.values.len().saturating_sub(1);
        self.values
            .iter()
            .enumerate()
            .skip(first)
            .filter_map(move |(index, value)| {
                let number = self.newest.checked_sub((last - index) as u64)?;
                let failed = self.failed.get(index).copied().unwrap_or(false);
                let value = value.filter(|value| value.is_finite());
                Some(((number % width_of_ring) as u16, value, failed))
            })
    }

    fn scale(&self, width: u16) -> f64 {
        let largest = self
            .columns(width)
            .filter_map(|(_, value, _)| value)
            .fold(0.0, f64::max);
        self.max
            .filter(|max| *max > 0.0)
            .unwrap_or(round_up(largest))
    }

    fn symbol(&self, eighths: usize) -> &'static str {
        let blocks = if self.ascii { ASCII_BLOCKS } else { BLOCKS };
        eighths
            .checked_sub(1)
            .map_or(" ", |index| blocks[index.min(7)])
    }
}

impl Widget for Spark<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let mut put = |column: u16, row: u16, symbol: &str, style: Style| {
            if let Some(cell) = buffer.cell_mut((area.x + column, area.bottom() - 1 - row)) {
                cell.set_symbol(symbol).set_style(style);
            }
        };
        let scale = self.scale(area.width);
        for column in 0..area.width {
            for row in 0..area.height {
                put(column, row, " ", Style::new());
            }
        }
        for (column, value, failed) in self.columns(area.width) {
            let eighths = value.map_or(0, |value| eighths(value / scale, area.height));
            for row in 0..area.height {
                let here = eighths.saturating_sub(usize::from(row) * 8).min(8);
                put(column, row, self.symbol(here), self.style);
            }
            if failed {
                let cross = if self.ascii { "x" } else { "×" };
                put(column, 0, cross, self.failed_style);
            }
        }
        if area.width > 1 && !self.values.is_empty() {
            let mark = if self.ascii { "|" } else { "╷" };
            let column = ((self.newest + 1) % u64::from(area.width)) as u16;
            put(column, 0, mark, self.mark_style);
        }
    }
}

/// Returns how many eighths of rows a share fills: one for zero, two and more for anything else, so that they differ.
fn eighths(share: f64, rows: u16) -> usize {
    if share <= 0.0 {
        return 1;
    }
    let most = usize::from(rows) * 8;
    let over_zero = (share.min(1.0) * (most - 1) as f64).ceil() as usize;
    (1 + over_zero).min(most)
}

/// Rounds up to 1, 2 or 5 times a power of ten, so that the scale, and with it every cell, seldom changes.
pub(super) fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= value)
        .unwrap_or(value)
}

/// Draws permits as a bar of exactly `columns`: one cell each when they fit, in proportion when they do not.
///
/// Anything used shows at least one cell, and a bar is full only when everything is used. `allowed` of 0 is no limit.
pub fn bar(used: usize, allowed: usize, columns: u16, theme: &Theme, ascii: bool) -> Line<'static> {
    let columns = usize::from(columns);
    let (taken_symbol, free_symbol) = if ascii { ("#", "-") } else { ("■", "□") };
    let cells = if allowed == 0 {
        columns
    } else {
        allowed.min(columns)
    };
    let taken = if allowed == 0 {
        used.min(cells.saturating_sub(1))
    } else if used >= allowed {
        cells
    } else if allowed <= columns {
        used
    } else {
        let share = (used * cells).div_ceil(allowed);
        share.min(cells.saturating_sub(1))
    };
    let full = allowed > 0 && used >= allowed;
    let role = if full { Role::BarFull } else { Role::Bar };
    Line::from(vec![
        Span::styled(taken_symbol.repeat(taken), theme.style(role)),
        Span::styled(
            free_symbol.repeat(cells - taken),
            theme.style(Role::BarEmpty),
        ),
        Span::raw(" ".repeat(columns - cells)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(spark: Spark<'_>, width: u16, height: u16) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        spark.render(buffer.area, &mut buffer);
        (0..height)
            .map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect())
            .collect()
    }

    fn line(values: &[Option<f64>], newest: u64, width: u16) -> String {
        let spark = Spark {
            values,
            newest,
            max: Some(10.0),
            ..Spark::default()
        };
        draw(spark, width, 1).concat()
    }

    #[test]
    fn a_value_stays_in_its_column() {
        let values: Vec<Option<f64>> = (0..40_u32).map(|n| Some(f64::from(n * 7 % 11))).collect();
        let mut before: Option<String> = None;
        for newest in 12..40_u64 {
            let shown = line(&values[newest as usize - 10..=newest as usize], newest, 12);
            if let Some(before) = before {
                let changed = before
                    .chars()
                    .zip(shown.chars())
                    .filter(|(old, new)| old != new)
                    .count();
                assert!(
                    changed <= 2,
                    "the new value and the mark:\n{before}\n{shown}"
                );
            }
            before = Some(shown);
        }
    }

    #[test]
    fn the_newest_stands_left_of_the_mark_and_the_oldest_right_of_it() {
        let values = [Some(1.0), Some(5.0), Some(10.0)];
        assert_eq!(line(&values, 5, 8), "   ▂▅█╷ ");
        assert_eq!(line(&values, 7, 8), "╷    ▂▅█");
        assert_eq!(line(&values, 8, 4), "█╷▂▅");
    }

    #[test]
    fn no_traffic_zero_and_failure_look_different_without_colour() {
        let values = [None, Some(0.0), None, Some(0.001), Some(10.0)];
        let spark = Spark {
            values: &values,
            newest: 4,
            max: Some(10.0),
            failed: &[false, false, true],
            ..Spark::default()
        };
        assert_eq!(draw(spark, 6, 1), [" ▁×▂█╷"]);
        let ascii = Spark {
            ascii: true,
            ..spark
        };
        assert_eq!(draw(ascii, 6, 1), [" _x.#|"]);
    }

    #[test]
    fn a_higher_graph_has_finer_steps() {
        let values = [Some(0.0), Some(5.0), Some(10.0)];
        let spark = Spark {
            values: &values,
            newest: 2,
            max: Some(10.0),
            ..Spark::default()
        };
        assert_eq!(draw(spark, 4, 2), [" ▁█ ", "▁██╷"]);
    }

    #[test]
    fn the_scale_is_round_so_that_it_seldom_changes() {
        assert_eq!(round_up(0.0), 1.0);
        assert_eq!(round_up(1.0), 1.0);
        assert_eq!(round_up(3.2), 5.0);
        assert_eq!(round_up(730.0), 1_000.0);
        assert_eq!(round_up(0.03), 0.05);
    }

    #[test]
    fn odd_input_draws_nothing_odd() {
        assert_eq!(line(&[], 3, 4), "    ");
        assert_eq!(line(&[Some(f64::NAN), Some(f64::INFINITY)], 1, 3), "  ╷");
        assert_eq!(line(&[Some(-3.0), Some(99.0)], 1, 3), "▁█╷");
        assert_eq!(line(&[Some(1.0); 9], 2, 1), " ");
        assert_eq!(
            line(&[Some(10.0); 9], 1, 12),
            "██╷         ",
            "buckets before the start are not there"
        );
        let mut buffer = Buffer::empty(Rect::new(0, 0, 2, 1));
        Spark::default().render(Rect::new(0, 0, 9, 9), &mut buffer);
    }

    #[test]
    fn permits_are_cells_while_they_fit() {
        let theme = Theme::no_color();
        let text = |used, allowed, columns| bar(used, allowed, columns, &theme, false).to_string();
        assert_eq!(text(2, 4, 6), "■■□□  ");
        assert_eq!(text(4, 4, 6), "■■■■  ");
        assert_eq!(text(1, 1000, 6), "■□□□□□", "anything used shows");
        assert_eq!(text(999, 1000, 6), "■■■■■□", "full is full");
        assert_eq!(text(1000, 1000, 6), "■■■■■■");
        assert_eq!(text(9, 4, 6), "■■■■  ", "lowered while in flight");
        assert_eq!(text(3, 0, 6), "■■■□□□", "no limit");
        assert_eq!(text(0, 0, 0), "");
        assert_eq!(bar(1, 2, 3, &theme, true).to_string(), "#- ");
    }
}
