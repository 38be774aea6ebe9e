//! Choosing lines of the conversation by keyboard.

use super::scroll::{Anchor, back, forward};

/// The lines that are chosen: from where the mark was set to where one stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Select {
    /// Where one stands; unknown until it was drawn once.
    at: Option<Anchor>,
    /// Where the mark was set.
    mark: Option<Anchor>,
    /// What is to be carried out when heights are known.
    pending: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Lines, down when positive.
    By(isize),
    /// Set the mark, or take it away.
    Mark,
}

/// The most steps kept until the next drawing.
const MOST_STEPS: usize = 1_000;

impl Select {
    /// Moves, down when positive.
    pub(crate) fn step(&mut self, by: isize) {
        self.push(Step::By(by));
    }

    /// Sets the mark here, or takes it away.
    pub(crate) fn toggle_mark(&mut self) {
        self.push(Step::Mark);
    }

    fn push(&mut self, step: Step) {
        if self.pending.len() < MOST_STEPS {
            self.pending.push(step);
        }
    }

    /// Returns the first and the last chosen line.
    pub(crate) fn range(&self) -> Option<(Anchor, Anchor)> {
        let at = self.at?;
        let mark = self.mark.unwrap_or(at);
        Some((at.min(mark), at.max(mark)))
    }

    /// Carries out the moves, and returns where one stands. It begins at the last line of the window.
    pub(crate) fn settle(
        &mut self,
        window: (Anchor, usize),
        turns: usize,
        mut height: impl FnMut(usize) -> usize,
    ) -> Option<Anchor> {
        let heights = &mut height;
        if turns == 0 {
            return None;
        }
        let (top, rows) = window;
        // The last line of a turn is blank; the one before it says something.
        let mut at = match self.at {
            Some(at) => at,
            None => forward(top, rows.saturating_sub(2), turns, heights),
        };
        for step in std::mem::take(&mut self.pending) {
            match step {
                Step::By(by) if by < 0 => at = back(at, by.unsigned_abs(), heights),
                Step::By(by) => at = forward(at, by.unsigned_abs(), turns, heights),
                Step::Mark => self.mark = self.mark.is_none().then_some(at),
            }
        }
        self.at = Some(at);
        self.at
    }
}
