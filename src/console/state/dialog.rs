//! What lies over the panes and takes all keys: the help, a question, a list.

use std::sync::Arc;

use super::answerers::Answerers;
use super::chat::TurnId;
use super::library::Library;
use super::line::Line;
use super::palette::Palette;
use crate::base::{Command, Target};
use crate::console::Persona;

/// An open dialog.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Dialog {
    /// The help, scrolled down by some lines.
    Help { top: usize },
    /// A question with yes and no.
    Confirm(Question),
    /// A list of which one is chosen.
    Choose(List),
    /// A line of text that is asked for.
    Line(Line),
    /// Every action by its name.
    Palette(Palette),
    /// The conversations that were kept.
    Library(Library),
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

/// What a yes, or a choice, sets off.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Then {
    Command(Command),
    /// Give several commands that are taken back together.
    Commands(Vec<Command>),
    NewConversation,
    /// Ask a question again, of these.
    AgainBy(TurnId, Target),
    /// Ask these from now on.
    Answer(Answerers),
    /// Open the list of instances to compare.
    ChooseCompared,
    /// Ask the marked ones from now on.
    Compare,
    /// Let this one answer from now on.
    Play(Option<Arc<Persona>>),
    /// Copy a text.
    Copy(String),
    /// Show this theme from now on.
    Theme(String),
}

/// A list of which one is chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List {
    pub(crate) title: &'static str,
    pub(crate) entries: Vec<Entry>,
    pub(crate) selected: usize,
    /// How many entries can be marked at once; 0 when one is simply chosen.
    pub(crate) markable: usize,
    /// What was there before, when no entry is it.
    pub(crate) before: Option<String>,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) about: String,
    /// Whether it is what holds now, or is marked.
    pub(crate) current: bool,
    /// What choosing it does.
    pub(crate) then: Then,
}

impl List {
    /// Makes a list of which one is chosen; the one that holds now is selected.
    pub(crate) fn new(title: &'static str, entries: Vec<Entry>) -> Self {
        let selected = entries.iter().position(|entry| entry.current).unwrap_or(0);
        Self {
            title,
            entries,
            selected,
            markable: 0,
            before: None,
        }
    }

    /// Marks the selected entry, or takes its mark away; `false` when no more can be marked.
    pub(crate) fn mark(&mut self) -> bool {
        let marked = self.marked().count();
        let Some(entry) = self.entries.get_mut(self.selected) else {
            return true;
        };
        if !entry.current && marked >= self.markable {
            return false;
        }
        entry.current = !entry.current;
        true
    }

    /// Returns the marked entries.
    pub(crate) fn marked(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.current)
    }

    /// Moves the selection, staying within the list.
    pub(crate) fn step(&mut self, by: isize) {
        let last = self.entries.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }
}
