//! Which pane is where.
//!
//! ```text
//! wide (100 columns and more)    stacked (76 and more)     single (less)
//! header                         header                    header
//! ━ 1 Chat ━━━━━━┬─ 2 Pool ──    ━ 1 Chat ━━━━━━━━━━━━     1 Chat  2 Pool  3 Metrics
//!                │                                         one pane
//!                ├─ 3 Metrics    ─ 2 Pool ──┬─ 3 Metrics
//!  > prompt      │                          │              ●●●○ 3/14 in flight
//! footer                         footer                    footer
//! ```

use ratatui::layout::Rect;

use crate::console::state::focus::Pane;
use crate::console::state::split::{Edge, Split};

/// The fewest rows of a pane, its title included.
const LEAST_ROWS: u16 = 5;
/// The smallest screen on which anything is of use.
const SMALLEST: (u16, u16) = (36, 9);
/// The smallest screen with the panes side by side.
const WIDE: (u16, u16) = (100, 22);
/// The smallest screen with pool and metrics below the chat.
const STACKED: (u16, u16) = (76, 22);

/// How the screen is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Wide,
    Stacked,
    Single,
    Zoomed,
    TooSmall,
}

/// Where everything is. Empty areas are not drawn.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) shape: Shape,
    pub(crate) header: Rect,
    pub(crate) footer: Rect,
    pub(crate) tabs: Option<Rect>,
    pub(crate) strip: Option<Rect>,
    /// The column between two panes.
    pub(crate) divider: Option<Rect>,
    /// Where the divider meets the title of a pane at its right.
    pub(crate) branch: Option<u16>,
    /// The lines that can be moved.
    pub(crate) edges: Vec<(Edge, Rect)>,
    /// All between header and footer.
    pub(crate) body: Rect,
    panes: [Rect; Pane::ALL.len()],
}

impl Layout {
    /// Divides a screen; `zoomed` is the pane that has it for itself.
    pub(crate) fn of(area: Rect, zoomed: Option<Pane>, instances: usize, split: Split) -> Self {
        let body = Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(2),
            ..area
        };
        let mut layout = Self {
            shape: Shape::TooSmall,
            header: Rect { height: 1, ..area },
            footer: Rect {
                y: area.bottom().saturating_sub(1),
                height: 1,
                ..area
            },
            tabs: None,
            strip: None,
            divider: None,
            branch: None,
            edges: Vec::new(),
            body,
            panes: [Rect::ZERO; Pane::ALL.len()],
        };
        if fits(area, SMALLEST) {
            match zoomed {
                Some(pane) if fits(area, STACKED) => layout.zoom(body, pane),
                _ if fits(area, WIDE) => layout.wide(body, instances, split),
                _ if fits(area, STACKED) => layout.stacked(body, instances, split),
                _ => layout.single(body),
            }
        }
        layout
    }

    /// Returns a pane's area, its title included.
    pub(crate) fn area(&self, pane: Pane) -> Rect {
        self.panes[usize::from(pane.number()) - 1]
    }

    fn split(&mut self, areas: [Rect; Pane::SPLIT.len()]) {
        self.panes[..areas.len()].copy_from_slice(&areas);
    }

    fn zoom(&mut self, body: Rect, pane: Pane) {
        self.shape = Shape::Zoomed;
        self.panes[usize::from(pane.number()) - 1] = body;
    }

    fn wide(&mut self, body: Rect, instances: usize, split: Split) {
        self.shape = Shape::Wide;
        // Figures need 50 columns, text is read best in 60 to 80.
        let usual = body.width - (body.width * 45 / 100).clamp(50, 76) - 1;
        let left = split
            .cells(Edge::ChatColumns, body.width, (30, 33))
            .unwrap_or(usual);
        let right = body.width - left - 1;
        let at = body.x + left;
        let rows = instances as u16 + 2;
        let pool = split
            .cells(Edge::PoolRows, body.height, (LEAST_ROWS, LEAST_ROWS))
            .unwrap_or(rows.clamp(LEAST_ROWS, body.height * 2 / 5));
        self.split([
            Rect {
                width: left,
                ..body
            },
            Rect::new(at + 1, body.y, right, pool),
            Rect::new(at + 1, body.y + pool, right, body.height - pool),
        ]);
        self.divider = Some(Rect {
            x: at,
            width: 1,
            ..body
        });
        self.branch = Some(body.y + pool);
        let title = Rect::new(at + 1, body.y + pool, right, 1);
        self.edges = vec![
            // The column before it is blank: a click that is one off still takes hold.
            (Edge::ChatColumns, Rect::new(at - 1, body.y, 2, body.height)),
            (Edge::PoolRows, title),
        ];
    }

    fn stacked(&mut self, body: Rect, instances: usize, split: Split) {
        self.shape = Shape::Stacked;
        let rows = instances as u16 + 2;
        let usual = body.height - rows.clamp(8, (body.height * 2 / 5).max(8));
        let chat = split
            .cells(Edge::ChatRows, body.height, (LEAST_ROWS + 1, LEAST_ROWS))
            .unwrap_or(usual);
        let below = body.height - chat;
        let pool = split
            .cells(Edge::PoolColumns, body.width, (30, 27))
            .unwrap_or(body.width * 60 / 100);
        let y = body.y + chat;
        self.split([
            Rect {
                height: chat,
                ..body
            },
            Rect::new(body.x, y, pool, below),
            Rect::new(body.x + pool + 1, y, body.width - pool - 1, below),
        ]);
        let divider = Rect::new(body.x + pool, y, 1, below);
        self.divider = Some(divider);
        let title = Rect {
            y,
            height: 1,
            ..body
        };
        let under = Rect {
            y: y + 1,
            height: below - 1,
            ..divider
        };
        self.edges = vec![(Edge::PoolColumns, under), (Edge::ChatRows, title)];
    }

    fn single(&mut self, body: Rect) {
        self.shape = Shape::Single;
        self.tabs = Some(Rect { height: 1, ..body });
        self.strip = Some(Rect {
            y: body.bottom() - 1,
            height: 1,
            ..body
        });
        let pane = Rect {
            y: body.y + 1,
            height: body.height - 2,
            ..body
        };
        self.panes = [pane; Pane::ALL.len()];
    }
}

fn fits(area: Rect, (width, height): (u16, u16)) -> bool {
    area.width >= width && area.height >= height
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_lie_inside_any_screen_and_never_over_each_other() {
        for width in 0..200 {
            for height in 0..70 {
                for instances in [0, 1, 6, 40] {
                    let area = Rect::new(0, 0, width, height);
                    let mut split = Split::default();
                    if (width + height) % 3 > 0 {
                        // Moved somewhere, near an end or far.
                        for edge in [
                            Edge::ChatColumns,
                            Edge::PoolRows,
                            Edge::ChatRows,
                            Edge::PoolColumns,
                        ] {
                            split.set(edge, height * 7 % 100, 100);
                        }
                    }
                    let layout = Layout::of(area, None, instances, split);
                    if layout.shape == Shape::Single || layout.shape == Shape::TooSmall {
                        continue;
                    }
                    for pane in Pane::SPLIT {
                        let one = layout.area(pane);
                        assert_eq!(area.intersection(one), one, "{width}x{height} {pane:?}");
                        assert!(one.height >= 5, "{width}x{height} {pane:?} {one:?}");
                        for other in Pane::SPLIT {
                            let shared = one.intersection(layout.area(other));
                            assert!(pane == other || shared.is_empty(), "{width}x{height}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_usual_screens_have_their_shapes() {
        let shape = |width, height| {
            Layout::of(Rect::new(0, 0, width, height), None, 6, Split::default()).shape
        };
        assert_eq!(shape(120, 40), Shape::Wide);
        assert_eq!(shape(80, 24), Shape::Stacked);
        assert_eq!(shape(60, 18), Shape::Single);
        assert_eq!(shape(10, 3), Shape::TooSmall);
    }
}
