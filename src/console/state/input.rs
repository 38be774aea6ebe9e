//! A line of text that is typed at its end: what a list is narrowed by.

/// The longest text, in characters.
const LONGEST: usize = 120;

/// One line, typed at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    text: String,
}

impl Input {
    /// Returns what was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Tells whether nothing was typed.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Adds text; control characters and what is too long are left out.
    pub(crate) fn push(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text.chars().count());
        let printable = text.chars().filter(|c| !c.is_control());
        self.text.extend(printable.take(room));
    }

    /// Takes the last character away.
    pub(crate) fn pop(&mut self) {
        self.text.pop();
    }

    /// Takes the last word away.
    pub(crate) fn pop_word(&mut self) {
        let kept = self.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
        self.text.truncate(kept);
    }

    /// Takes everything away.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
    }

    /// Returns the words, in lower case.
    pub(crate) fn words(&self) -> Vec<String> {
        self.text
            .split_whitespace()
            .map(str::to_lowercase)
            .collect()
    }
}
