//! The palette: every action by its name, found by any letters of it.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::console::keymap::Listed;

/// The longest search, in characters.
const LONGEST_QUERY: usize = 500;

/// The open palette.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Palette {
    query: String,
    entries: Vec<Entry>,
    /// Indexes of the entries that match, the best one first.
    found: Vec<usize>,
    selected: usize,
    /// What is wrong with the order that was written.
    pub(crate) wrong: Option<String>,
}

/// One thing that can be called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) what: Listed,
    /// What it does, as it is shown.
    pub(crate) title: String,
    /// Its name in the config.
    pub(crate) name: String,
}

impl Palette {
    /// Opens a palette over some entries.
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        Self {
            query: String::new(),
            found: (0..entries.len()).collect(),
            entries,
            selected: 0,
            wrong: None,
        }
    }

    /// Returns what is looked for.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// Returns what matches, the best one first.
    pub(crate) fn found(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.found.iter().map(|index| &self.entries[*index])
    }

    /// Returns which of those is selected.
    pub(crate) fn selected(&self) -> usize {
        self.selected
    }

    /// Returns the selected one.
    pub(crate) fn chosen(&self) -> Option<&Entry> {
        self.found
            .get(self.selected)
            .map(|index| &self.entries[*index])
    }

    /// Moves the selection; past an end it comes in at the other one when it moves by one.
    pub(crate) fn step(&mut self, by: isize) {
        let Some(last) = self.found.len().checked_sub(1) else {
            return;
        };
        self.selected = match (by, self.selected) {
            (-1, 0) => last,
            (1, selected) if selected == last => 0,
            (by, selected) => selected.saturating_add_signed(by).min(last),
        };
    }

    /// Adds to what is looked for.
    pub(crate) fn push(&mut self, text: &str) {
        let room = LONGEST_QUERY.saturating_sub(self.query.chars().count());
        let printable = text.chars().filter(|c| !c.is_control());
        self.query.extend(printable.take(room));
        // Whoever came by Ctrl-P and writes an order as the docs do, `:permits 8`, means the same.
        if self.query.starts_with(':') {
            self.query.remove(0);
        }
        self.search();
    }

    /// Takes the last character away.
    pub(crate) fn pop(&mut self) {
        self.query.pop();
        self.search();
    }

    /// Looks for nothing in particular again.
    pub(crate) fn clear(&mut self) {
        self.query.clear();
        self.search();
    }

    fn search(&mut self) {
        self.selected = 0;
        self.wrong = None;
        if super::orders::find(&self.query).is_some() {
            self.found.clear();
            return;
        }
        if self.query.trim().is_empty() {
            self.found = (0..self.entries.len()).collect();
            return;
        }
        let mut matcher = Matcher::new(Config::DEFAULT);
        let pattern = Pattern::parse(&self.query, CaseMatching::Ignore, Normalization::Smart);
        let mut buffer = Vec::new();
        let mut score = |text: &str| pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher);
        let mut scored: Vec<(u32, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let best = score(&entry.title).max(score(&entry.name))?;
                Some((best, index))
            })
            .collect();
        scored.sort_by_key(|(score, index)| (std::cmp::Reverse(*score), *index));
        self.found = scored.into_iter().map(|(_, index)| index).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keymap::{Context, Keymap};

    fn palette() -> Palette {
        let entry = |what: Listed| Entry {
            title: what.action.about().to_owned(),
            name: what.action.name(),
            what,
        };
        let listed = Keymap::default().all(Context::Pool);
        Palette::new(listed.into_iter().map(entry).collect())
    }

    #[test]
    fn letters_in_order_find_it_and_the_best_one_comes_first() {
        let mut palette = palette();
        let all = palette.found().len();
        palette.push("strat");
        assert_eq!(palette.chosen().map(|e| e.name.as_str()), Some("strategy"));
        assert!(palette.found().len() < all);
        palette.clear();
        assert_eq!(palette.found().len(), all);
        palette.push("no such thing at all");
        assert_eq!(palette.chosen(), None);
        palette.step(1);
        palette.pop();
    }

    #[test]
    fn a_colon_in_front_changes_nothing() {
        let mut palette = palette();
        for letter in [":", "s", "t", "r", "a", "t"] {
            palette.push(letter);
        }
        assert_eq!(palette.query(), "strat");
        palette.clear();
        palette.push(":permits 8");
        assert_eq!(palette.query(), "permits 8");
    }

    #[test]
    fn what_the_focused_pane_does_stands_first_and_nothing_twice() {
        let palette = palette();
        let names: Vec<&str> = palette.found().map(|e| e.name.as_str()).collect();
        assert_eq!(names[0], "toggle");
        let unique: std::collections::HashSet<&&str> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn the_selection_goes_round() {
        let mut palette = palette();
        palette.step(-1);
        assert_eq!(palette.selected(), palette.found().len() - 1);
        palette.step(1);
        assert_eq!(palette.selected(), 0);
        palette.step(10_000);
        assert_eq!(palette.selected(), palette.found().len() - 1);
    }
}
