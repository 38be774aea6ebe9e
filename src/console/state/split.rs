//! Where the lines between the panes are, once somebody moved them: as shares, so that they survive another size.

/// A line between panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Between the chat and the figures at its right.
    ChatColumns,
    /// Between the pool and the metrics below it.
    PoolRows,
    /// Between the chat and the figures below it.
    ChatRows,
    /// Between the pool and the metrics at its right.
    PoolColumns,
}

impl Edge {
    /// Tells whether it stands upright, so that columns are what it divides.
    pub(crate) const fn is_upright(self) -> bool {
        matches!(self, Self::ChatColumns | Self::PoolColumns)
    }
}

/// The share of the screen, in thousandths, that lies before each line; `None` where it was never moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Split([Option<u16>; 4]);

impl Split {
    /// Moves a line behind `cells` of `of`.
    pub(crate) fn set(&mut self, edge: Edge, cells: u16, of: u16) {
        let share = (u32::from(cells) * 1000 + u32::from(of) / 2) / u32::from(of.max(1));
        self.0[edge as usize] = Some(share.min(1000) as u16);
    }

    /// Returns how many cells of `of` lie before a line, if it was moved; `least` are left on both sides.
    pub(crate) fn cells(&self, edge: Edge, of: u16, least: (u16, u16)) -> Option<u16> {
        let share = u32::from(self.0[edge as usize]?);
        let cells = ((share * u32::from(of) + 500) / 1000) as u16;
        let most = of.saturating_sub(least.1);
        Some(cells.min(most).max(least.0.min(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_where_it_was_put_and_leaves_room_on_both_sides() {
        let mut split = Split::default();
        assert_eq!(split.cells(Edge::ChatRows, 80, (10, 10)), None);
        for of in 30..300 {
            for cells in 10..of - 10 {
                split.set(Edge::ChatColumns, cells, of);
                assert_eq!(split.cells(Edge::ChatColumns, of, (10, 10)), Some(cells));
            }
        }
        split.set(Edge::PoolRows, 500, 40);
        assert_eq!(split.cells(Edge::PoolRows, 40, (5, 6)), Some(34));
        split.set(Edge::PoolRows, 0, 40);
        assert_eq!(split.cells(Edge::PoolRows, 40, (5, 6)), Some(5));
        assert_eq!(
            split.cells(Edge::PoolRows, 4, (5, 6)),
            Some(0),
            "no room at all"
        );
    }
}
