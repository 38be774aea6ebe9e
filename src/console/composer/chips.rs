//! Large pastes, each shown as one word: a megabyte in the input helps nobody and slows every key.
//!
//! In the text a chip is one character of plane 16, which is for private use and is taken out of everything that
//! comes in. So moving, deleting and undoing need no special case.

use std::collections::{BTreeMap, BTreeSet};

use crate::console::text;

/// A paste with more lines than that becomes a chip.
const MOST_LINES: usize = 30;
/// A paste with more bytes than that becomes a chip.
const MOST_BYTES: usize = 4_096;

const FIRST: char = '\u{100000}';
const LAST: char = '\u{10fffd}';

/// Tells whether a character stands for a paste.
pub(super) fn is_chip(c: char) -> bool {
    (FIRST..=LAST).contains(&c)
}

#[derive(Debug)]
struct Chip {
    label: String,
    text: String,
}

/// The pastes that the text, or undo, refers to.
#[derive(Debug, Default)]
pub(super) struct Chips(BTreeMap<char, Chip>);

impl Chips {
    /// Tells whether a paste is better shown as one word.
    pub(super) fn wanted(text: &str) -> bool {
        text.len() > MOST_BYTES || text.bytes().filter(|byte| *byte == b'\n').count() > MOST_LINES
    }

    /// Keeps a text and returns the character that stands for it; `None` when there is none left.
    pub(super) fn keep(&mut self, text: String) -> Option<char> {
        let lines = 1 + text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        let bytes = text::count(text.len() as u64);
        let label = if lines == 1 {
            format!("[paste: {bytes}B]")
        } else {
            format!("[paste: {} lines, {bytes}B]", text::count(lines))
        };
        self.keep_as(label, text)
    }

    /// Keeps a text under a label of its own.
    pub(super) fn keep_as(&mut self, label: String, text: String) -> Option<char> {
        let name = (FIRST..=LAST).find(|name| !self.0.contains_key(name))?;
        self.0.insert(name, Chip { label, text });
        Some(name)
    }

    /// Forgets what nothing refers to.
    pub(super) fn retain(&mut self, used: &BTreeSet<char>) {
        self.0.retain(|name, _| used.contains(name));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn label(&self, name: char) -> Option<&str> {
        self.0.get(&name).map(|chip| chip.label.as_str())
    }

    pub(super) fn text(&self, name: char) -> Option<&str> {
        self.0.get(&name).map(|chip| chip.text.as_str())
    }

    /// Puts the pastes in where they stand.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match self.text(c) {
                Some(text) => out.push_str(text),
                None => out.push(c),
            }
        }
        out
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.values().map(|chip| chip.text.len()).sum()
    }
}

/// Makes a text from outside fit to be edited: line ends are newlines, no control characters, no colours, no chips.
pub(super) fn fit(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // What a copied terminal screen is full of: ESC [ parameters, then a final byte.
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                chars.next_if(|c| matches!(c, '@'..='~'));
            }
            '\n' | '\r' | '\t' => out.push(c),
            c if c.is_control() => {}
            c if is_chip(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    crate::base::clean(&out)
}
