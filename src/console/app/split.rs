//! Moving the lines between the panes, by mouse and by key. Where they are holds until the console is left.

use ratatui::layout::Position;

use super::{App, Pane, Tone};
use crate::console::state::split::Edge;
use crate::console::words::t;

impl App {
    /// Takes hold of the line that is at a place.
    pub(super) fn grab(&mut self, at: Position) {
        let edges = &self.places.edges;
        let found = edges.iter().find(|(_, area)| area.contains(at));
        self.held = found.map(|(edge, _)| *edge);
    }

    /// Moves the line that is held; `false` when none is.
    pub(super) fn drag(&mut self, at: Position) -> bool {
        let Some(edge) = self.held else {
            return false;
        };
        self.move_edge(edge, |body| {
            if edge.is_upright() {
                at.x.saturating_sub(body.x)
            } else {
                at.y.saturating_sub(body.y)
            }
        });
        true
    }

    /// Lets go of it.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// Gives the focused pane more room, or less.
    pub(super) fn grow_pane(&mut self, by: i16) {
        let has = |edge| self.places.edges.iter().any(|(known, _)| *known == edge);
        let found = match self.focus.pane() {
            Pane::Chat => [(Edge::ChatColumns, by * 2), (Edge::ChatRows, by)],
            Pane::Pool => [(Edge::PoolRows, by), (Edge::PoolColumns, by * 2)],
            Pane::Metrics => [(Edge::PoolRows, -by), (Edge::PoolColumns, -by * 2)],
            Pane::Requests | Pane::Errors | Pane::Log => {
                [(Edge::ChatColumns, 0), (Edge::ChatRows, 0)]
            }
        };
        let found = found.into_iter().find(|(edge, by)| *by != 0 && has(*edge));
        let Some((edge, by)) = found.filter(|_| !self.zoomed) else {
            self.say(t("this pane has no neighbour here"), Tone::Note);
            return;
        };
        let places = &self.places.edges;
        let line = places.iter().find(|(known, _)| *known == edge);
        let Some((_, area)) = line.copied() else {
            return;
        };
        self.move_edge(edge, |body| {
            let now = if edge.is_upright() {
                (area.right() - 1).saturating_sub(body.x)
            } else {
                area.y.saturating_sub(body.y)
            };
            now.saturating_add_signed(by)
        });
    }

    fn move_edge(&mut self, edge: Edge, to: impl Fn(ratatui::layout::Rect) -> u16) {
        let body = self.places.body;
        let of = if edge.is_upright() {
            body.width
        } else {
            body.height
        };
        let cells = to(body).min(of);
        self.split.set(edge, cells, of);
        // Keys that come before the next drawing go on from here.
        for (known, area) in &mut self.places.edges {
            if *known == edge {
                (area.x, area.y) = if edge.is_upright() {
                    ((body.x + cells + 1).saturating_sub(area.width), area.y)
                } else {
                    (area.x, body.y + cells)
                };
            }
        }
    }
}
