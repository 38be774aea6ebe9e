//! Keys that edit: those of a shell's line, and those of everyone's text fields.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::Composer;
use super::buffer::{Kind, Place};
use super::view::Spot;

impl Composer {
    /// Takes a key that edits or moves; tells whether it is one. Enter and Tab are not: who holds the input decides.
    ///
    /// Up on the first row and Down on the last go through the history.
    pub fn input(&mut self, key: &KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match (key.code, control, alt) {
            (KeyCode::Char(c), false, false) => self.type_char(c),
            // Windows reports AltGr as both.
            (KeyCode::Char(c), true, true) if !c.is_ascii_alphanumeric() => self.type_char(c),
            (KeyCode::Char(c), true, false) => return self.control_key(c.to_ascii_lowercase()),
            (KeyCode::Char(c), false, true) => return self.alt_key(c),
            (KeyCode::Left, false, false) => self.step(super::Buffer::before),
            (KeyCode::Right, false, false) => self.step(super::Buffer::after),
            (KeyCode::Left, ..) => self.step(super::Buffer::word_before),
            (KeyCode::Right, ..) => self.step(super::Buffer::word_after),
            (KeyCode::Up, false, false) => self.up(),
            (KeyCode::Down, false, false) => self.down(),
            (KeyCode::Home, true, _) => self.go(Place::default()),
            (KeyCode::End, true, _) => self.go(self.buffer.end()),
            (KeyCode::Home, ..) => self.line_start(),
            (KeyCode::End, ..) => self.line_end(),
            (KeyCode::Backspace, false, false) => self.erase(super::Buffer::before),
            (KeyCode::Delete, false, false) => self.erase(super::Buffer::after),
            (KeyCode::Backspace, ..) => self.cut_to(super::Buffer::word_before),
            (KeyCode::Delete, ..) => self.cut_to(super::Buffer::word_after),
            _ => return false,
        }
        true
    }

    fn control_key(&mut self, key: char) -> bool {
        match key {
            'a' => self.line_start(),
            'e' => self.line_end(),
            'b' => self.step(super::Buffer::before),
            'f' => self.step(super::Buffer::after),
            'p' => self.up(),
            'n' => self.down(),
            'h' => self.erase(super::Buffer::before),
            'd' => self.erase(super::Buffer::after),
            'w' => self.cut_to(super::Buffer::word_before),
            'u' => self.cut_to(|buffer, place| match place.byte {
                0 => buffer.before(place),
                _ => Place { byte: 0, ..place },
            }),
            'k' => self.cut_to(|buffer, place| {
                let end = buffer.line(place.row).len();
                if place.byte == end {
                    return buffer.after(place);
                }
                Place { byte: end, ..place }
            }),
            'y' => self.put_back(),
            // Ctrl-_ and Ctrl-/ are the same byte, which crossterm reports as Ctrl-7.
            '_' | '/' | '7' | '-' => {
                self.undo();
            }
            _ => return false,
        }
        true
    }

    fn alt_key(&mut self, key: char) -> bool {
        match key {
            'b' => self.step(super::Buffer::word_before),
            'f' => self.step(super::Buffer::word_after),
            'd' => self.cut_to(super::Buffer::word_after),
            '<' => self.go(Place::default()),
            '>' => self.go(self.buffer.end()),
            '_' | '/' | '-' => {
                self.redo();
            }
            _ => return false,
        }
        true
    }

    fn type_char(&mut self, c: char) {
        let text = super::chips::fit(c.encode_utf8(&mut [0; 4]));
        self.insert_typed(&text);
    }

    fn step(&mut self, to: impl Fn(&super::Buffer, Place) -> Place) {
        let place = to(&self.buffer, self.buffer.cursor());
        self.go(place);
    }

    fn erase(&mut self, to: impl Fn(&super::Buffer, Place) -> Place) {
        let cursor = self.buffer.cursor();
        let other = to(&self.buffer, cursor);
        self.change(cursor.min(other), cursor.max(other), "", Kind::Erasing);
    }

    fn cut_to(&mut self, to: impl Fn(&super::Buffer, Place) -> Place) {
        let cursor = self.buffer.cursor();
        let other = to(&self.buffer, cursor);
        let (from, to) = (cursor.min(other), cursor.max(other));
        if from < to {
            self.cut = self.buffer.text_between(from, to);
            self.change(from, to, "", Kind::Whole);
        }
    }

    fn put_back(&mut self) {
        let cursor = self.buffer.cursor();
        let text = self.cut.clone();
        self.change(cursor, cursor, &text, Kind::Whole);
    }

    fn line_start(&mut self) {
        self.step(|_, place| Place { byte: 0, ..place });
    }

    fn line_end(&mut self) {
        self.step(|buffer, place| Place {
            byte: buffer.line(place.row).len(),
            ..place
        });
    }

    fn up(&mut self) {
        let cursor = self.buffer.cursor();
        let spot = self.spot(cursor, self.columns.get());
        let at_an_end = cursor == Place::default() || cursor == self.buffer.end();
        let through_history = spot.row == 0 || self.shows_history() && at_an_end;
        if through_history && self.prev() {
            return;
        }
        match spot.row.checked_sub(1) {
            Some(row) => self.go_to_row(row, spot),
            None => self.line_start(),
        }
    }

    fn down(&mut self) {
        let cursor = self.buffer.cursor();
        let spot = self.spot(cursor, self.columns.get());
        let is_last = spot.row + 1 >= self.rows(self.columns.get());
        let at_an_end = cursor == Place::default() || cursor == self.buffer.end();
        let through_history = is_last || self.shows_history() && at_an_end;
        if through_history && self.next() {
            return;
        }
        if is_last {
            self.line_end();
        } else {
            self.go_to_row(spot.row + 1, spot);
        }
    }

    fn go_to_row(&mut self, row: usize, from: Spot) {
        let column = self.goal.unwrap_or(from.column);
        let place = self.buffer_place(Spot { row, column });
        self.go(place);
        self.goal = Some(column);
    }
}
