//! One line of text that is asked for: what to look for, where to save.

/// What the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Words to look for in the conversation.
    Words,
    /// A file to save the conversation in.
    SavePath,
}

/// A line that is being typed; the cursor is at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) wanted: Wanted,
    pub(crate) text: String,
}

/// The longest line, in bytes.
const LONGEST: usize = 4_096;

impl Line {
    /// Adds a text at the end, without line ends and control characters.
    pub(crate) fn push(&mut self, text: &str) {
        let clean = crate::base::clean_line(text);
        if self.text.len() + clean.len() <= LONGEST {
            self.text.push_str(&clean);
        }
    }

    /// Takes the last character away; `false` when there was none.
    pub(crate) fn pop(&mut self) -> bool {
        use unicode_segmentation::UnicodeSegmentation as _;
        let last = self.text.grapheme_indices(true).next_back();
        match last.map(|(at, _)| at) {
            Some(at) => {
                self.text.truncate(at);
                true
            }
            None => false,
        }
    }

    /// Takes the last word away, with the blanks or slashes behind it.
    pub(crate) fn pop_word(&mut self) {
        let is_end = |c: char| c.is_whitespace() || c == '/';
        let text = self.text.trim_end_matches(is_end);
        let start = text.rfind(is_end).map_or(0, |at| at + 1);
        self.text.truncate(start);
    }
}
