//! The multi-line input: editing with the keys of a shell, soft wrap, undo, history, large pastes as one word.
//!
//! It has its own editing core. `tui-textarea` counts characters where a terminal shows graphemes: the cursor
//! stands wrong after an emoji with joiners, backspace cuts one in two, rows begin with a Chinese comma, and every key
//! wraps the whole text again (a quarter of a second in a text of 1 MB).

mod buffer;
mod chips;
mod command;
mod history;
mod keys;
#[cfg(test)]
mod tests;
mod view;

use std::cell::Cell;
use std::collections::BTreeSet;

use self::buffer::{Buffer, Kind, Place};
use self::chips::Chips;
use self::history::History;
use self::view::Spot;

/// The most text held, in bytes, pastes included.
const MOST_BYTES: usize = if cfg!(test) { 2 << 20 } else { 8 << 20 };

/// A text that is set and larger than that is shown as one word, as a large paste is.
const MOST_SET_BYTES: usize = 128 << 10;

/// A multi-line input with its history.
#[derive(Debug)]
pub struct Composer {
    buffer: Buffer,
    chips: Chips,
    history: History,
    /// The buffer's revision when a text of the history was put in: unchanged, Up and Down go on through it.
    recalled: Option<u64>,
    /// What was cut last, for putting it back in.
    cut: String,
    placeholder: String,
    /// The column that Up and Down keep to.
    goal: Option<usize>,
    /// How wide it was drawn last, for Up and Down.
    columns: Cell<usize>,
    /// The first row that was drawn last.
    top: Cell<usize>,
}

impl Default for Composer {
    fn default() -> Self {
        Self::new()
    }
}

impl Composer {
    /// Makes an empty one.
    pub fn new() -> Self {
        Self {
            buffer: Buffer::default(),
            chips: Chips::default(),
            history: History::default(),
            recalled: None,
            cut: String::new(),
            placeholder: String::new(),
            goal: None,
            columns: Cell::new(usize::MAX),
            top: Cell::new(0),
        }
    }

    /// Sets what is shown while it is empty.
    pub fn set_placeholder(&mut self, text: impl Into<String>) {
        self.placeholder = text.into();
    }

    /// Returns the text, with all pastes in it.
    pub fn text(&self) -> String {
        let text = self.buffer.text();
        if self.chips.is_empty() {
            return text;
        }
        self.chips.expand(&text)
    }

    /// Tells whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Replaces the text, the cursor at its end. Can be undone.
    pub fn set_text(&mut self, text: &str) {
        let (text, _) = self.admit(text, Place::default(), self.buffer.end(), |text| {
            text.len() > MOST_SET_BYTES
        });
        self.change(Place::default(), self.buffer.end(), &text, Kind::Whole);
    }

    /// Empties it. Can be undone; the history is left where it is.
    pub fn clear(&mut self) {
        self.history.stop();
        self.change(Place::default(), self.buffer.end(), "", Kind::Whole);
    }

    /// Puts a pasted text in at the cursor: line ends as newlines, no control characters, shown as one word when it
    /// is large. Returns how many bytes were left out because the input is full.
    pub fn insert_str(&mut self, text: &str) -> usize {
        let cursor = self.buffer.cursor();
        let (text, left_out) = self.admit(text, cursor, cursor, Chips::wanted);
        self.change(cursor, cursor, &text, Kind::Whole);
        left_out
    }

    /// Puts a newline in at the cursor.
    pub fn newline(&mut self) {
        self.insert_typed("\n");
    }

    /// Shows the paste before or under the cursor as text that can be edited; tells whether there was one.
    pub fn expand(&mut self) -> bool {
        let cursor = self.buffer.cursor();
        let sides = [
            (self.buffer.before(cursor), cursor),
            (cursor, self.buffer.after(cursor)),
        ];
        for (from, to) in sides {
            let name = self.buffer.text_between(from, to).chars().next();
            let text = name
                .and_then(|name| self.chips.text(name))
                .map(str::to_owned);
            if let Some(text) = text {
                self.change(from, to, &text, Kind::Whole);
                return true;
            }
        }
        false
    }

    /// Returns the cursor's line, from 0.
    pub fn cursor_row(&self) -> usize {
        self.buffer.cursor().row
    }

    /// Returns the cursor's place in its line, in graphemes from 0.
    pub fn cursor_col(&self) -> usize {
        use unicode_segmentation::UnicodeSegmentation as _;
        let Place { row, byte } = self.buffer.cursor();
        let before = self.buffer.line(row).get(..byte).unwrap_or_default();
        before.graphemes(true).count()
    }

    /// Moves the cursor to what is drawn at a column and row of the area it was drawn in last.
    pub fn click(&mut self, column: u16, row: u16) {
        let spot = Spot {
            row: self.top.get() + usize::from(row),
            column: usize::from(column),
        };
        let place = self.buffer_place(spot);
        self.go(place);
    }

    /// Takes the last change back; tells whether there was one.
    pub fn undo(&mut self) -> bool {
        self.goal = None;
        self.buffer.undo()
    }

    /// Does again what was taken back; tells whether there was something.
    pub fn redo(&mut self) -> bool {
        self.goal = None;
        self.buffer.redo()
    }

    /// Adds a text to the history, as the newest. Blank ones and repetitions are not kept.
    pub fn push(&mut self, text: &str) {
        self.history.push(text);
    }

    /// Shows the text before in the history; what is there now is kept as a draft. Tells whether there was one.
    pub fn prev(&mut self) -> bool {
        let text = self.history.older(&self.text());
        self.recall(text)
    }

    /// Shows the text after in the history, behind the newest the draft. Tells whether there was one.
    #[expect(
        clippy::should_implement_trait,
        reason = "the other way of `prev`; it is no iterator"
    )]
    pub fn next(&mut self) -> bool {
        let text = self.history.newer(&self.text());
        self.recall(text)
    }

    fn recall(&mut self, text: Option<String>) -> bool {
        let Some(text) = text else {
            return false;
        };
        self.set_text(&text);
        self.recalled = Some(self.buffer.revision());
        true
    }

    /// Tells whether a text of the history is shown as it was.
    fn shows_history(&self) -> bool {
        self.history.is_browsing() && self.recalled == Some(self.buffer.revision())
    }

    /// Makes a text from outside fit, as far as there is room for it, and a chip of it when it is asked for.
    fn admit(
        &mut self,
        text: &str,
        from: Place,
        to: Place,
        as_chip: impl FnOnce(&str) -> bool,
    ) -> (String, usize) {
        let mut text = chips::fit(text);
        let mut room = self.room(from, to);
        if room < text.len() {
            // What only undo can bring back gives way to what is there.
            self.buffer.forget();
            room = self.room(from, to);
        }
        let room = text.floor_char_boundary(room);
        let left_out = text.len() - room;
        text.truncate(room);
        if !as_chip(&text) {
            return (text, left_out);
        }
        match self.chips.keep(text) {
            Some(name) => (name.to_string(), left_out),
            None => (String::new(), left_out),
        }
    }

    /// Returns how many bytes may be put between two places.
    fn room(&mut self, from: Place, to: Place) -> usize {
        self.forget_unused_chips();
        let replaced = self.buffer.text_between(from, to);
        let replaced_chips: usize = replaced
            .chars()
            .filter_map(|c| Some(self.chips.text(c)?.len()))
            .sum();
        let held = self.buffer.bytes() + self.chips.bytes();
        MOST_BYTES.saturating_sub(held - replaced.len() - replaced_chips)
    }

    fn forget_unused_chips(&mut self) {
        if self.chips.is_empty() {
            return;
        }
        let mut used: BTreeSet<char> = self.cut.chars().filter(|c| chips::is_chip(*c)).collect();
        self.buffer
            .for_each_held(|text| used.extend(text.chars().filter(|c| chips::is_chip(*c))));
        self.chips.retain(&used);
    }

    fn insert_typed(&mut self, text: &str) {
        let cursor = self.buffer.cursor();
        if self.buffer.bytes() + text.len() <= MOST_BYTES {
            self.change(cursor, cursor, text, Kind::Typing);
        }
    }

    fn change(&mut self, from: Place, to: Place, text: &str, kind: Kind) {
        self.goal = None;
        self.buffer.replace(from, to, text, kind);
    }

    fn go(&mut self, place: Place) {
        self.goal = None;
        self.buffer.move_to(place);
    }

    fn buffer_place(&self, spot: Spot) -> Place {
        self.place(spot, self.columns.get())
    }
}
