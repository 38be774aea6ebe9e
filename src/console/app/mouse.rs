//! Clicks choose, the wheel scrolls what is under it, a line between panes can be dragged.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{App, Effect, Focus, Pane, Redraw};
use crate::console::state::dialog::Dialog;
use crate::console::state::scroll::Move;

/// Lines that one notch of the wheel scrolls.
const NOTCH: isize = 3;

impl App {
    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> (Vec<Effect>, Redraw) {
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => self.click(at),
            MouseEventKind::Drag(MouseButton::Left) => {
                let moved = self.drag(at);
                return (Vec::new(), Redraw::soon_if(moved));
            }
            MouseEventKind::Up(MouseButton::Left) => {
                self.let_go();
                return (Vec::new(), Redraw::No);
            }
            MouseEventKind::ScrollUp => self.wheel(at, -1),
            MouseEventKind::ScrollDown => self.wheel(at, 1),
            _ => return (Vec::new(), Redraw::No),
        }
        (Vec::new(), Redraw::Soon)
    }

    fn click(&mut self, at: Position) {
        if self.dialog.is_some() {
            return;
        }
        if let Some(pane) = pane_at(&self.places.tabs, at) {
            self.focus = Focus::of(pane);
            return;
        }
        self.grab(at);
        let Some(pane) = pane_at(&self.places.panes, at) else {
            return;
        };
        self.focus = match pane {
            Pane::Chat if !self.places.prompt.contains(at) => Focus::Transcript,
            other => Focus::of(other),
        };
        if pane.is_page() && self.places.list_rows.contains(at) {
            let row = self.places.list_first + usize::from(at.y - self.places.list_rows.y);
            self.select_on_page(row);
        }
        if pane == Pane::Pool && self.places.pool_rows.contains(at) {
            let row = usize::from(at.y - self.places.pool_rows.y);
            self.pool.select(self.places.pool_first + row);
        }
    }

    fn wheel(&mut self, at: Position, direction: isize) {
        if let Some(Dialog::Help { top }) = &mut self.dialog {
            *top = top.saturating_add_signed(direction * NOTCH);
            return;
        }
        match pane_at(&self.places.panes, at) {
            Some(Pane::Chat) => self.chat.scroll.push(Move::Lines(direction * NOTCH)),
            Some(Pane::Pool) => self.pool.step(direction),
            Some(Pane::Requests | Pane::Errors | Pane::Log) => self.step_page(direction * NOTCH),
            Some(Pane::Metrics) | None => {}
        }
    }
}

fn pane_at(places: &[(Pane, ratatui::layout::Rect)], at: Position) -> Option<Pane> {
    places
        .iter()
        .find(|(_, area)| area.contains(at))
        .map(|(pane, _)| *pane)
}
