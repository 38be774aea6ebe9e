//! A file that is quoted in a question.

use std::path::Path;

/// A file's name and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quoted {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Quoted {
    /// Writes it as it goes into the question: its name, and the text in a fence that it cannot close.
    pub(crate) fn quote(&self) -> String {
        let ticks = |line: &str| line.trim_start().bytes().take_while(|b| *b == b'`').count();
        let longest = self.text.lines().map(ticks).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let kind = Path::new(&self.name).extension();
        let kind = kind.and_then(|kind| kind.to_str()).unwrap_or_default();
        let text = self.text.trim_end_matches('\n');
        format!("{}:\n{fence}{kind}\n{text}\n{fence}", self.name)
    }
}
