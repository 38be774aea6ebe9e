//! Tables whose columns come and go with the width: what does not fit is left out whole, never cut in half.

use ratatui::text::{Line, Span};

use super::Look;
use crate::console::text;
use crate::console::theme::Role;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Col {
    /// What stands above it, in the language that is spoken.
    pub(crate) heading: &'static str,
    pub(crate) width: usize,
    /// Whether figures stand at the right.
    pub(crate) right: bool,
    /// What goes first when there is no room; 0 stays longest.
    pub(crate) rank: u8,
    /// Whether it takes the room that is left.
    pub(crate) grows: bool,
}

impl Col {
    /// Makes a column of text.
    pub(crate) fn text(heading: &'static str, width: usize, rank: u8) -> Self {
        Self {
            heading,
            width: width.max(text::width(heading)),
            right: false,
            rank,
            grows: false,
        }
    }

    /// Makes a column of figures.
    pub(crate) fn figure(heading: &'static str, width: usize, rank: u8) -> Self {
        Self {
            right: true,
            ..Self::text(heading, width, rank)
        }
    }

    /// Lets it take the room that is left.
    pub(crate) fn growing(self) -> Self {
        Self {
            grows: true,
            ..self
        }
    }
}

/// The columns that fit, by their index, with their widths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<(usize, usize)>,
}

impl Grid {
    /// Chooses the columns that fit into `width`, a blank between each two.
    pub(crate) fn fit(cols: &[Col], width: usize) -> Self {
        let mut chosen: Vec<usize> = (0..cols.len()).collect();
        let needed = |chosen: &[usize]| -> usize {
            chosen
                .iter()
                .map(|index| cols[*index].width + 1)
                .sum::<usize>()
                .saturating_sub(1)
        };
        while chosen.len() > 1 && needed(&chosen) > width {
            let worst = chosen.iter().copied().max_by_key(|index| cols[*index].rank);
            chosen.retain(|index| Some(*index) != worst);
        }
        let spare = width.saturating_sub(needed(&chosen));
        let growing = chosen.iter().filter(|index| cols[**index].grows).count();
        let columns = chosen
            .into_iter()
            .map(|index| {
                let col = &cols[index];
                let more = if col.grows { spare / growing } else { 0 };
                (index, (col.width + more).min(width))
            })
            .collect();
        Self { columns }
    }

    /// As [`Grid::fit`], with room for a mark behind the heading of one column, unless another would go for it.
    pub(crate) fn fit_marked(cols: &[Col], marked: Option<usize>, width: usize) -> Self {
        let plain = Self::fit(cols, width);
        let Some(marked) = marked.filter(|marked| *marked < cols.len()) else {
            return plain;
        };
        let mut cols = cols.to_vec();
        let col = &mut cols[marked];
        col.width = col.width.max(text::width(col.heading) + 1);
        let roomy = Self::fit(&cols, width);
        let shown = |grid: &Self| -> Vec<usize> { grid.columns.iter().map(|(i, _)| *i).collect() };
        if shown(&roomy) == shown(&plain) {
            roomy
        } else {
            plain
        }
    }

    /// Makes the line of headings; `marked` has a mark behind it, in the blank after its column if that is full.
    pub(crate) fn headings(
        &self,
        cols: &[Col],
        marked: Option<(usize, &str)>,
        look: &Look<'_>,
    ) -> Vec<Span<'static>> {
        let mut spans = Vec::new();
        let last = self.columns.len().saturating_sub(1);
        for (place, (index, width)) in self.columns.iter().enumerate() {
            let col = &cols[*index];
            let mark = marked.filter(|(of, _)| of == index).map(|(_, mark)| mark);
            let is_full = text::width(col.heading) >= *width;
            let mut gap = Span::raw(" ");
            let (heading, role) = match mark {
                Some(mark) if is_full && place < last => {
                    gap = look.span(mark.to_owned(), Role::Accent);
                    (col.heading.to_owned(), Role::Accent)
                }
                Some(mark) => {
                    let heading = text::prefix(col.heading, width.saturating_sub(1)).0;
                    (format!("{heading}{mark}"), Role::Accent)
                }
                None => (col.heading.to_owned(), Role::Dim),
            };
            spans.push(look.span(put(&heading, *width, col.right), role));
            spans.push(gap);
        }
        spans.pop();
        spans
    }

    /// Makes a row; `cell` is asked for text and role of each column that is shown.
    pub(crate) fn row(
        &self,
        cols: &[Col],
        look: &Look<'_>,
        mut cell: impl FnMut(usize, usize) -> Cell,
    ) -> Line<'static> {
        let mut spans = Vec::new();
        for (index, width) in &self.columns {
            match cell(*index, *width) {
                Cell::Text(text, role) => {
                    spans.push(look.span(put(&text, *width, cols[*index].right), role));
                }
                Cell::Spans(made) => spans.extend(made),
            }
            spans.push(Span::raw(" "));
        }
        spans.pop();
        Line::from(spans)
    }
}

/// What stands in a cell.
pub(crate) enum Cell {
    /// Text, cut or filled to the column's width.
    Text(String, Role),
    /// Pieces that have exactly the column's width.
    Spans(Vec<Span<'static>>),
}

fn put(text: &str, width: usize, right: bool) -> String {
    if right {
        text::align_right(text, width)
    } else {
        text::pad(text, width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::Theme;
    use crate::console::view::chrome::Symbols;

    #[test]
    fn what_matters_least_goes_first_and_the_rest_is_shared_out() {
        let cols = [
            Col::text("name", 6, 0).growing(),
            Col::figure("count", 5, 2),
            Col::figure("rate", 4, 1),
        ];
        let fit = |width| Grid::fit(&cols, width).columns;
        assert_eq!(fit(17), [(0, 6), (1, 5), (2, 4)]);
        assert_eq!(fit(20), [(0, 9), (1, 5), (2, 4)]);
        assert_eq!(fit(16), [(0, 11), (2, 4)]);
        assert_eq!(fit(3), [(0, 3)], "never wider than the screen");
    }

    #[test]
    fn a_heading_with_a_mark_is_whole_and_no_column_goes_for_it() {
        let theme = Theme::no_color();
        let symbols = Symbols::new(false);
        let look = Look {
            theme: &theme,
            symbols: &symbols,
        };
        let cols = [
            Col::text("instance", 4, 0),
            Col::figure("req", 3, 1),
            Col::text("why", 3, 2).growing(),
        ];
        let headings = |marked, width| -> String {
            let grid = Grid::fit_marked(&cols, Some(marked), width);
            let spans = grid.headings(&cols, Some((marked, "↓")), &look);
            spans.iter().map(|span| span.content.as_ref()).collect()
        };
        assert_eq!(headings(0, 18), "instance↓ req why ");
        assert_eq!(headings(1, 18), "instance req↓ why ");
        assert_eq!(headings(0, 16), "instance↓req why");
        assert_eq!(headings(2, 17), "instance req why↓");
        assert_eq!(
            headings(2, 16),
            "instance req wh↓",
            "nothing stands after it"
        );
    }
}
