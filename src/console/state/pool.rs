//! The pool pane: which instance is selected, what can be undone.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::pool_table::Sort;

use crate::base::{Board, Command, InstanceName, InstanceState, InstanceView, Series};

/// The most changes that can be taken back.
const MOST_UNDO: usize = 100;

/// What the pool pane knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    /// The picture that is shown.
    pub(crate) board: Arc<Board>,
    /// The selected instance, by name, so that it stays selected whatever moves.
    selected: Option<InstanceName>,
    /// Marked for a common action.
    pub(crate) marked: BTreeSet<InstanceName>,
    pub(crate) sort: Sort,
    /// How to take changes back; those that were made together are taken back together.
    undo: Vec<Vec<Command>>,
    /// How many commands of the last change are still out, and whether one of them came back.
    together: usize,
    begun: bool,
    /// When the board was read.
    pub(crate) read_at: Option<Instant>,
    /// The figures of the selected one, while it is shown in full.
    pub(crate) series: Option<Series>,
    /// Whether the selected one is shown in full.
    pub(crate) open: bool,
}

impl Pool {
    /// Takes a new picture; `true` when something in it is different.
    pub(crate) fn show(&mut self, board: Arc<Board>, at: Instant) -> bool {
        self.read_at = Some(at);
        let changed = !same_to_the_eye(&self.board, &board);
        self.board = board;
        changed
    }

    /// Returns the places of the instances on the board, in the order in which they stand in the table.
    pub(crate) fn order(&self) -> Vec<usize> {
        self.sort.order(&self.board.instances)
    }

    /// Returns the place of the selected instance in the table, the first one when none was chosen.
    pub(crate) fn selected_place(&self) -> usize {
        let order = self.order();
        let is_selected =
            |index: &usize| Some(&self.board.instances[*index].name) == self.selected.as_ref();
        order.iter().position(is_selected).unwrap_or(0)
    }

    /// Returns the selected instance.
    pub(crate) fn selected(&self) -> Option<&InstanceView> {
        let order = self.order();
        let index = order.get(self.selected_place())?;
        self.board.instances.get(*index)
    }

    /// Selects an instance by its place in the table; too large means the last.
    pub(crate) fn select(&mut self, place: usize) {
        let order = self.order();
        let last = order.len().saturating_sub(1);
        self.selected = order
            .get(place.min(last))
            .map(|index| self.board.instances[*index].name.clone());
    }

    /// Moves the selection.
    pub(crate) fn step(&mut self, by: isize) {
        self.select(self.selected_place().saturating_add_signed(by));
    }

    /// Sorts by another column, or the other way round; the selected instance stays selected.
    pub(crate) fn resort(&mut self, change: impl FnOnce(&mut Sort)) {
        self.selected = self.selected().map(|instance| instance.name.clone());
        change(&mut self.sort);
    }

    /// Marks the selected instance, or takes its mark away, and goes to the next.
    pub(crate) fn mark(&mut self) {
        let Some(name) = self.selected().map(|instance| instance.name.clone()) else {
            return;
        };
        if !self.marked.remove(&name) {
            self.marked.insert(name);
        }
        self.step(1);
    }

    /// Marks all instances, or none when all are marked.
    pub(crate) fn mark_all(&mut self) {
        let all = self
            .board
            .instances
            .iter()
            .map(|instance| instance.name.clone());
        let all: BTreeSet<InstanceName> = all.collect();
        self.marked = if self.marked == all {
            BTreeSet::new()
        } else {
            all
        };
    }

    /// Returns what an action is for: the marked instances, else the selected one.
    pub(crate) fn meant(&self) -> Vec<InstanceName> {
        let marked: Vec<InstanceName> = self
            .board
            .instances
            .iter()
            .filter(|instance| self.marked.contains(&instance.name))
            .map(|instance| instance.name.clone())
            .collect();
        if marked.is_empty() {
            self.selected()
                .map(|instance| instance.name.clone())
                .into_iter()
                .collect()
        } else {
            marked
        }
    }

    /// Counts the instances that are switched on.
    pub(crate) fn enabled(&self) -> usize {
        self.board.instances.iter().filter(|i| i.enabled).count()
    }

    /// Shows what a command will do before it is done, so that the next key press builds on it.
    pub(crate) fn expect(&mut self, name: &InstanceName, change: impl FnOnce(&mut InstanceView)) {
        let board = Arc::make_mut(&mut self.board);
        if let Some(instance) = board.instances.iter_mut().find(|i| i.name == *name) {
            change(instance);
        }
    }

    /// The next so many commands belong together, and are taken back together.
    pub(crate) fn begin(&mut self, commands: usize) {
        self.together = commands;
        self.begun = false;
    }

    /// Remembers how to take a change back.
    pub(crate) fn can_undo(&mut self, command: Command) {
        let belongs = self.begun && self.together > 0;
        self.together = self.together.saturating_sub(1);
        self.begun = true;
        match self.undo.last_mut() {
            Some(last) if belongs => last.push(command),
            Some(_) | None => {
                if self.undo.len() >= MOST_UNDO {
                    self.undo.remove(0);
                }
                self.undo.push(vec![command]);
            }
        }
    }

    /// Returns the commands that take the last change back, and forgets them.
    pub(crate) fn take_undo(&mut self) -> Vec<Command> {
        self.undo.pop().unwrap_or_default()
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
        && same_alerts(a, b)
        && a.instances == b.instances
}

/// Alerts are the same when they say the same; their age is not shown.
fn same_alerts(a: &Board, b: &Board) -> bool {
    let said = |board: &Board| -> Vec<_> {
        let alerts = board.alerts.iter();
        alerts
            .map(|alert| (alert.state, alert.message.clone(), alert.silenced.is_some()))
            .collect()
    };
    said(a) == said(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection_stays_on_a_name_and_inside_the_list() {
        let mut pool = Pool::default();
        pool.step(1);
        assert_eq!(pool.selected_place(), 0);
        assert!(pool.selected().is_none());
    }
}
