//! The pool pane: which instance is selected, what can be undone.

use std::sync::Arc;

use crate::base::{Board, Command, InstanceName, InstanceState, InstanceView};

/// The most changes that can be taken back.
const MOST_UNDO: usize = 100;

/// What the pool pane knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    /// The picture that is shown.
    pub(crate) board: Arc<Board>,
    /// The selected instance, by name, so that it stays selected whatever moves.
    selected: Option<InstanceName>,
    undo: Vec<Command>,
    /// Whether the selected one is shown in full.
    pub(crate) open: bool,
}

impl Pool {
    /// Takes a new picture; `true` when something in it is different.
    pub(crate) fn show(&mut self, board: Arc<Board>) -> bool {
        let changed = !same_to_the_eye(&self.board, &board);
        self.board = board;
        changed
    }

    /// Returns the index of the selected instance, the first one when none was chosen.
    pub(crate) fn selected_index(&self) -> usize {
        self.selected
            .as_ref()
            .and_then(|name| self.board.instances.iter().position(|i| i.name == *name))
            .unwrap_or(0)
    }

    /// Returns the selected instance.
    pub(crate) fn selected(&self) -> Option<&InstanceView> {
        self.board.instances.get(self.selected_index())
    }

    /// Selects an instance by its index; too large means the last.
    pub(crate) fn select(&mut self, index: usize) {
        let last = self.board.instances.len().saturating_sub(1);
        self.selected = self
            .board
            .instances
            .get(index.min(last))
            .map(|instance| instance.name.clone());
    }

    /// Moves the selection.
    pub(crate) fn step(&mut self, by: isize) {
        self.select(self.selected_index().saturating_add_signed(by));
    }

    /// Counts the instances that are switched on.
    pub(crate) fn enabled(&self) -> usize {
        self.board.instances.iter().filter(|i| i.enabled).count()
    }

    /// Tells whether this is the only instance that takes requests by the person's will.
    pub(crate) fn is_last_one_on(&self, instance: &InstanceView) -> bool {
        let takes = |i: &InstanceView| i.enabled && i.state != InstanceState::Draining;
        takes(instance) && self.board.instances.iter().filter(|i| takes(i)).count() == 1
    }

    /// Shows what a command will do before it is done, so that the next key press builds on it.
    pub(crate) fn expect(&mut self, name: &InstanceName, change: impl FnOnce(&mut InstanceView)) {
        let board = Arc::make_mut(&mut self.board);
        if let Some(instance) = board.instances.iter_mut().find(|i| i.name == *name) {
            change(instance);
        }
    }

    /// Remembers how to take a change back.
    pub(crate) fn can_undo(&mut self, command: Command) {
        if self.undo.len() >= MOST_UNDO {
            self.undo.remove(0);
        }
        self.undo.push(command);
    }

    /// Returns the command that takes the last change back, and forgets it.
    pub(crate) fn take_undo(&mut self) -> Option<Command> {
        self.undo.pop()
    }

    /// Tells whether time alone changes the picture (a countdown is shown).
    pub(crate) fn counts_down(&self) -> bool {
        self.board.queue.length > 0
            || self
                .board
                .instances
                .iter()
                .any(|instance| match instance.state {
                    InstanceState::Cooling(_) | InstanceState::Open(_) => true,
                    InstanceState::On
                    | InstanceState::Failing
                    | InstanceState::HalfOpen
                    | InstanceState::Held(_)
                    | InstanceState::Draining
                    | InstanceState::Standby
                    | InstanceState::Off => false,
                })
    }
}

/// Compares two pictures without what runs on by itself and is not shown to such a digit.
fn same_to_the_eye(a: &Board, b: &Board) -> bool {
    a.next == b.next
        && a.strategy == b.strategy
        && a.queue.length == b.queue.length
        && a.queue.limit == b.queue.limit
        && a.totals == b.totals
        && a.instances == b.instances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection_stays_on_a_name_and_inside_the_list() {
        let mut pool = Pool::default();
        pool.step(1);
        assert_eq!(pool.selected_index(), 0);
        assert!(pool.selected().is_none());
    }
}
