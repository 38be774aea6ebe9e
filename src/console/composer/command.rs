//! Commands in the draft: a line that begins with one of their names.

use super::buffer::{Kind, Place};
use super::{Composer, chips};

/// What a line must begin with to be a command and not a part of the question.
const NAMES: [&str; 2] = ["/file", "/save"];

fn is_command(line: &str) -> bool {
    let name = line.split(' ').next().unwrap_or_default();
    NAMES.contains(&name)
}

impl Composer {
    /// Returns the first line that is a command, and its number.
    pub fn command_line(&self) -> Option<(usize, String)> {
        let lines = self.buffer.lines().iter().enumerate();
        lines
            .map(|(row, line)| (row, line.text()))
            .find(|(_, line)| is_command(line))
            .map(|(row, line)| (row, line.trim_end().to_owned()))
    }

    /// Returns the path that is being typed as a command's argument: up to the cursor, when it stands at the end.
    pub fn command_argument(&self) -> Option<String> {
        let cursor = self.buffer.cursor();
        let line = self.buffer.line(cursor.row);
        let (name, path) = line.split_once(' ')?;
        (NAMES.contains(&name) && cursor.byte == line.len()).then(|| path.to_owned())
    }

    /// Takes a command's line away and puts texts in its place, each shown as one word, its label. `false` when there
    /// is no room for them; then nothing is changed.
    pub fn answer_command(&mut self, command: &str, texts: &[(String, String)]) -> bool {
        let found = self.command_line().filter(|(_, line)| line == command);
        let cursor = self.buffer.cursor();
        let (from, to) = match found {
            Some((row, _)) => {
                let byte = self.buffer.line(row).len();
                (Place { row, byte: 0 }, Place { row, byte })
            }
            None => (cursor, cursor),
        };
        let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
        if bytes > self.room(from, to) {
            return false;
        }
        let mut put = String::new();
        for (label, text) in texts {
            if let Some(name) = self.chips.keep_as(label.clone(), chips::fit(text)) {
                put.push(name);
                put.push('\n');
            }
        }
        self.change(from, to, &put, Kind::Whole);
        true
    }
}
