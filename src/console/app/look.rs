//! Choosing a theme: the arrows try one on, Enter keeps it, Esc goes back to the one before.

use super::{App, Effect, Tone};
use crate::base::Error;
use crate::console::state::dialog::{Dialog, Entry, List, Then};
use crate::console::words::phrase;

impl App {
    /// Opens the list of themes: names, and a line on each.
    pub(super) fn themes(&mut self, themes: Vec<(String, String)>, current: &str) {
        let entries = themes.into_iter().map(|(name, about)| Entry {
            current: name == current,
            name: name.clone(),
            about,
            then: Then::Theme(name),
        });
        let mut list = List::new("Theme (Space paints its background)", entries.collect());
        if !list.entries.iter().any(|entry| entry.current) {
            // A file by its path is not in the list; Esc goes back to it all the same.
            list.before = Some(current.to_owned());
        }
        self.dialog = Some(Dialog::Choose(list));
    }

    /// Shows the theme that is selected in an open list of themes.
    pub(super) fn try_theme(&self) -> Vec<Effect> {
        let Some(Dialog::Choose(list)) = &self.dialog else {
            return Vec::new();
        };
        let selected = list.entries.get(list.selected);
        match selected.map(|entry| &entry.then) {
            Some(Then::Theme(name)) => vec![Effect::Theme {
                name: name.clone(),
                paint: self.paint,
                keep: false,
            }],
            _ => Vec::new(),
        }
    }

    /// Paints the background of the theme that is tried, or keeps the terminal's own.
    pub(super) fn toggle_paint(&mut self) -> Vec<Effect> {
        let before = self.paint.replace(self.paint != Some(true));
        let effects = self.try_theme();
        if effects.is_empty() {
            // Another list, in which nothing is marked.
            self.paint = before;
        }
        effects
    }

    /// Goes back to the theme that was there before the list was opened.
    pub(super) fn leave_themes(&mut self, list: &List) -> Vec<Effect> {
        let is_themes = list
            .entries
            .iter()
            .any(|entry| matches!(entry.then, Then::Theme(_)));
        if !is_themes {
            return Vec::new();
        }
        let current = list.entries.iter().find(|entry| entry.current);
        let name = current.map(|entry| entry.name.clone());
        self.paint = self.context.memory.notes.paint;
        name.or_else(|| list.before.clone())
            .map(|name| Effect::Theme {
                name,
                paint: self.paint,
                keep: false,
            })
            .into_iter()
            .collect()
    }

    /// Takes what became of a theme that was to be shown.
    pub(super) fn themed(
        &mut self,
        name: &str,
        keep: bool,
        result: Result<(), Error>,
    ) -> Vec<Effect> {
        if let Err(error) = result {
            self.say_error(&error);
            return Vec::new();
        }
        if !keep {
            return Vec::new();
        }
        let notes = &mut self.context.memory.notes;
        notes.theme = (name != "auto").then(|| name.to_owned());
        notes.paint = self.paint;
        let said = if self.config_has_theme {
            phrase!("{} until you leave; the config names another one", name)
        } else if self.context.memory.lasts() {
            phrase!("{} from now on", name)
        } else {
            phrase!("{} until you leave", name)
        };
        self.say(said, Tone::Done);
        vec![Effect::Remember]
    }

    /// Tells that what was to be remembered could not be written.
    pub(super) fn remembered(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.say_error(&error);
        }
    }
}
