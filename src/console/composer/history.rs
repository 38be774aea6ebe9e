//! What was asked before, and the way through it.

use std::collections::{BTreeMap, VecDeque};

/// How many texts are kept.
const MOST: usize = 1_000;
/// How many bytes they may have together.
const MOST_BYTES: usize = 8 << 20;

/// Texts, oldest first, and where one stands among them.
#[derive(Debug, Default)]
pub(super) struct History {
    texts: VecDeque<String>,
    bytes: usize,
    browsing: Option<Browsing>,
}

#[derive(Debug)]
struct Browsing {
    index: usize,
    /// What was changed on the way, and the draft one came from at the index behind the newest.
    changed: BTreeMap<usize, String>,
}

impl History {
    pub(super) fn push(&mut self, text: &str) {
        self.browsing = None;
        if text.trim().is_empty() || self.texts.back().is_some_and(|last| last == text) {
            return;
        }
        self.bytes += text.len();
        self.texts.push_back(text.to_owned());
        while self.texts.len() > MOST || self.bytes > MOST_BYTES && self.texts.len() > 1 {
            let oldest = self.texts.pop_front();
            self.bytes -= oldest.map_or(0, |text| text.len());
        }
    }

    pub(super) fn is_browsing(&self) -> bool {
        self.browsing.is_some()
    }

    pub(super) fn stop(&mut self) {
        self.browsing = None;
    }

    /// Returns the text before the present one, which is kept as it is now.
    pub(super) fn older(&mut self, present: &str) -> Option<String> {
        let index = self.index().checked_sub(1)?;
        Some(self.go(index, present))
    }

    /// Returns the text after the present one, which is kept as it is now; behind the newest is the draft.
    pub(super) fn newer(&mut self, present: &str) -> Option<String> {
        let index = self.browsing.as_ref()?.index + 1;
        if index > self.texts.len() {
            return None;
        }
        let text = self.go(index, present);
        if index == self.texts.len() {
            self.browsing = None;
        }
        Some(text)
    }

    fn index(&self) -> usize {
        let browsing = self.browsing.as_ref();
        browsing.map_or(self.texts.len(), |browsing| browsing.index)
    }

    fn go(&mut self, index: usize, present: &str) -> String {
        let from = self.index();
        let browsing = self.browsing.get_or_insert_with(|| Browsing {
            index: from,
            changed: BTreeMap::new(),
        });
        if self.texts.get(from).is_none_or(|text| text != present) {
            browsing.changed.insert(from, present.to_owned());
        }
        browsing.index = index;
        let changed = browsing.changed.get(&index);
        changed
            .or(self.texts.get(index))
            .cloned()
            .unwrap_or_default()
    }
}
