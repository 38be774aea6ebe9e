//! The text being written: lines, a cursor that stands between graphemes, and undo.

use std::cell::RefCell;
use std::ops::Range;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

/// How many changes can be undone.
const MOST_EDITS: usize = 500;

/// How much text changes may hold for undoing them, in bytes; beyond it the oldest are forgotten.
const MOST_EDIT_BYTES: usize = 16 << 20;

/// A place between two graphemes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) byte: usize,
}

/// What kind of change it is; changes of a kind in a row are undone together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letter by letter.
    Typing,
    /// Letter by letter, away.
    Erasing,
    /// All at once.
    Whole,
}

#[derive(Debug)]
struct Edit {
    kind: Kind,
    at: Place,
    removed: String,
    inserted: String,
    /// Where the cursor was before.
    cursor: Place,
}

impl Edit {
    fn bytes(&self) -> usize {
        self.removed.len() + self.inserted.len()
    }
}

/// A line and where it breaks, which is kept until it changes.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: String,
    breaks: RefCell<Option<(usize, Vec<usize>)>>,
}

impl Line {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            breaks: RefCell::default(),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns where its rows start, in bytes, asking `wrap` only when the line or the width has changed.
    pub(super) fn breaks(
        &self,
        columns: usize,
        wrap: impl FnOnce(&str) -> Vec<usize>,
    ) -> std::cell::Ref<'_, [usize]> {
        let current = matches!(&*self.breaks.borrow(), Some((width, _)) if *width == columns);
        if !current {
            *self.breaks.borrow_mut() = Some((columns, wrap(&self.text)));
        }
        std::cell::Ref::map(self.breaks.borrow(), |breaks| {
            breaks.as_ref().map_or(&[][..], |(_, starts)| starts)
        })
    }

    fn change(&mut self) -> &mut String {
        *self.breaks.get_mut() = None;
        &mut self.text
    }
}

/// Lines, a cursor, and what was done to them.
#[derive(Debug)]
pub(super) struct Buffer {
    lines: Vec<Line>,
    cursor: Place,
    undo: Vec<Edit>,
    redo: Vec<Edit>,
    /// Whether the next change of the same kind belongs to the last one.
    open: bool,
    /// Counts changes.
    revision: u64,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            lines: vec![Line::default()],
            cursor: Place::default(),
            undo: Vec::new(),
            redo: Vec::new(),
            open: false,
            revision: 0,
        }
    }
}

impl Buffer {
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn line(&self, row: usize) -> &str {
        self.lines.get(row).map_or("", Line::text)
    }

    pub(super) fn cursor(&self) -> Place {
        self.cursor
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.len() == 1 && self.line(0).is_empty()
    }

    pub(super) fn text(&self) -> String {
        self.text_between(Place::default(), self.end())
    }

    pub(super) fn bytes(&self) -> usize {
        self.lines
            .iter()
            .map(|line| line.text.len() + 1)
            .sum::<usize>()
            - 1
    }

    pub(super) fn end(&self) -> Place {
        let row = self.lines.len() - 1;
        Place {
            row,
            byte: self.line(row).len(),
        }
    }

    /// Moves the cursor; what is typed after that is undone apart from what was typed before.
    pub(super) fn move_to(&mut self, place: Place) {
        if place != self.cursor {
            self.open = false;
        }
        self.cursor = place;
    }

    /// Returns the place one grapheme before, over the start of a line.
    pub(super) fn before(&self, place: Place) -> Place {
        let Place { row, byte } = place;
        if let Some(byte) = boundary_before(self.line(row), byte) {
            return Place { row, byte };
        }
        row.checked_sub(1).map_or(place, |row| Place {
            row,
            byte: self.line(row).len(),
        })
    }

    /// Returns the place one grapheme after, over the end of a line.
    pub(super) fn after(&self, place: Place) -> Place {
        let Place { row, byte } = place;
        if let Some(byte) = boundary_after(self.line(row), byte) {
            return Place { row, byte };
        }
        if row + 1 < self.lines.len() {
            return Place {
                row: row + 1,
                byte: 0,
            };
        }
        place
    }

    /// Returns the start of the word before, over blanks and marks.
    pub(super) fn word_before(&self, place: Place) -> Place {
        let Place { row, byte } = place;
        if byte == 0 {
            return self.before(place);
        }
        let head = self.line(row).get(..byte).unwrap_or_default();
        let word = head.split_word_bound_indices().rev().find(is_word);
        Place {
            row,
            byte: word.map_or(0, |(at, _)| at),
        }
    }

    /// Returns the end of the word after, over blanks and marks.
    pub(super) fn word_after(&self, place: Place) -> Place {
        let Place { row, byte } = place;
        let line = self.line(row);
        if byte == line.len() {
            return self.after(place);
        }
        let tail = line.get(byte..).unwrap_or_default();
        let word = tail.split_word_bound_indices().find(is_word);
        Place {
            row,
            byte: word.map_or(line.len(), |(at, word)| byte + at + word.len()),
        }
    }

    pub(super) fn text_between(&self, from: Place, to: Place) -> String {
        if from.row == to.row {
            let line = self.line(from.row);
            return line.get(from.byte..to.byte).unwrap_or_default().to_owned();
        }
        let mut out = self
            .line(from.row)
            .get(from.byte..)
            .unwrap_or_default()
            .to_owned();
        for row in from.row + 1..=to.row {
            out.push('\n');
            let line = self.line(row);
            let end = if row == to.row { to.byte } else { line.len() };
            out.push_str(line.get(..end).unwrap_or_default());
        }
        out
    }

    /// Replaces what stands between two places; the cursor goes to the end of the new text.
    pub(super) fn replace(&mut self, from: Place, to: Place, text: &str, kind: Kind) {
        if from == to && text.is_empty() {
            return;
        }
        let cursor = self.cursor;
        let removed = self.apply(from, to, text);
        self.redo.clear();
        self.revision += 1;
        let joined = self.open
            && self
                .undo
                .last_mut()
                .is_some_and(|last| last.join(kind, from, &removed, text));
        if !joined {
            self.undo.push(Edit {
                kind,
                at: from,
                removed,
                inserted: text.to_owned(),
                cursor,
            });
        }
        self.open = kind != Kind::Whole;
        self.forget_oldest();
    }

    /// Takes the last change back.
    pub(super) fn undo(&mut self) -> bool {
        let Some(edit) = self.undo.pop() else {
            return false;
        };
        let end = end_of(edit.at, &edit.inserted);
        self.apply(edit.at, end, &edit.removed);
        self.cursor = edit.cursor;
        self.redo.push(edit);
        self.open = false;
        self.revision += 1;
        true
    }

    /// Does again what was taken back.
    pub(super) fn redo(&mut self) -> bool {
        let Some(edit) = self.redo.pop() else {
            return false;
        };
        let end = end_of(edit.at, &edit.removed);
        self.apply(edit.at, end, &edit.inserted);
        self.undo.push(edit);
        self.open = false;
        self.revision += 1;
        true
    }

    /// Forgets what could be undone.
    pub(super) fn forget(&mut self) {
        self.undo.clear();
        self.redo.clear();
        self.open = false;
    }

    /// Calls with every text that is held: what can be seen, and what undo and redo can bring back.
    pub(super) fn for_each_held(&self, mut call: impl FnMut(&str)) {
        self.lines.iter().for_each(|line| call(&line.text));
        for edit in self.undo.iter().chain(&self.redo) {
            call(&edit.removed);
            call(&edit.inserted);
        }
    }

    fn apply(&mut self, from: Place, to: Place, text: &str) -> String {
        let removed = self.text_between(from, to);
        let tail = self
            .line(to.row)
            .get(to.byte..)
            .unwrap_or_default()
            .to_owned();
        let end = end_of(from, text);
        let mut pieces = text.split('\n');
        if let Some(line) = self.lines.get_mut(from.row) {
            let line = line.change();
            line.truncate(from.byte);
            line.push_str(pieces.next().unwrap_or_default());
        }
        self.lines
            .splice(from.row + 1..=to.row, pieces.map(Line::new));
        if let Some(line) = self.lines.get_mut(end.row) {
            line.change().push_str(&tail);
        }
        self.cursor = end;
        removed
    }

    fn forget_oldest(&mut self) {
        let mut bytes: usize = self.undo.iter().map(Edit::bytes).sum();
        let mut forgotten = 0;
        for edit in &self.undo {
            let left = self.undo.len() - forgotten;
            // The newest stays, however large it is.
            if left == 1 || left <= MOST_EDITS && bytes <= MOST_EDIT_BYTES {
                break;
            }
            bytes -= edit.bytes();
            forgotten += 1;
        }
        self.undo.drain(..forgotten);
    }
}

impl Edit {
    /// Takes a change in that goes on where this one ended, up to the end of a word.
    fn join(&mut self, kind: Kind, at: Place, removed: &str, inserted: &str) -> bool {
        if self.kind != kind {
            return false;
        }
        match kind {
            Kind::Typing => {
                let goes_on = removed.is_empty() && at == end_of(self.at, &self.inserted);
                let new_word = self.inserted.ends_with(char::is_whitespace)
                    && !inserted.starts_with(char::is_whitespace);
                if goes_on && !new_word {
                    self.inserted.push_str(inserted);
                }
                goes_on && !new_word
            }
            Kind::Erasing => {
                let backwards = end_of(at, removed) == self.at;
                let forwards = at == self.at;
                if backwards {
                    self.removed.insert_str(0, removed);
                    self.at = at;
                } else if forwards {
                    self.removed.push_str(removed);
                }
                backwards || forwards
            }
            Kind::Whole => false,
        }
    }
}

/// Returns the place at the end of a text that starts somewhere.
fn end_of(start: Place, text: &str) -> Place {
    match text.rfind('\n') {
        None => Place {
            row: start.row,
            byte: start.byte + text.len(),
        },
        Some(last) => Place {
            row: start.row + text.bytes().filter(|byte| *byte == b'\n').count(),
            byte: text.len() - last - 1,
        },
    }
}

fn is_word(word: &(usize, &str)) -> bool {
    word.1
        .chars()
        .any(|c| c.is_alphanumeric() || super::chips::is_chip(c))
}

fn boundary_before(line: &str, byte: usize) -> Option<usize> {
    GraphemeCursor::new(byte, line.len(), true)
        .prev_boundary(line, 0)
        .ok()?
}

fn boundary_after(line: &str, byte: usize) -> Option<usize> {
    GraphemeCursor::new(byte, line.len(), true)
        .next_boundary(line, 0)
        .ok()?
}

/// Returns the ranges between starts.
pub(super) fn rows_of(
    starts: &[usize],
    length: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..starts.len()).map(move |index| {
        let end = starts.get(index + 1).copied().unwrap_or(length);
        starts[index]..end
    })
}
