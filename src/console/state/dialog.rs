//! What lies over the panes and takes all keys: the help, a question, a list.

use super::palette::Palette;
use crate::base::Command;

/// An open dialog.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Dialog {
    /// The help, scrolled down by some lines.
    Help { top: usize },
    /// A question with yes and no.
    Confirm(Question),
    /// A list of which one is chosen.
    Choose(List),
    /// Every action by its name.
    Palette(Palette),
}

/// A question with yes and no.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    /// What would happen.
    pub(crate) text: String,
    /// What yes means, as a verb.
    pub(crate) yes: &'static str,
    /// What no means, as a verb.
    pub(crate) no: &'static str,
    /// What is done on yes.
    pub(crate) then: Then,
}

/// What a yes sets off.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Then {
    Command(Command),
    NewConversation,
}

/// A list of which one is chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List {
    pub(crate) title: &'static str,
    pub(crate) entries: Vec<Entry>,
    pub(crate) selected: usize,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) about: String,
    /// Whether it is what holds now.
    pub(crate) current: bool,
    /// What choosing it does.
    pub(crate) command: Command,
}

impl List {
    /// Moves the selection, staying within the list.
    pub(crate) fn step(&mut self, by: isize) {
        let last = self.entries.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }
}
