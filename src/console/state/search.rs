//! Looking for words in the conversation: what is looked for, where it is, which one is looked at.

use regex::{Regex, RegexBuilder};

use super::chat::{Chat, Turn, TurnId};
use super::scroll::Anchor;

/// The most places that are counted.
pub(crate) const MOST_FOUND: usize = 9_999;

/// One place: in which turn, and the how manieth one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) turn: TurnId,
    pub(crate) nth: usize,
}

/// What is looked for, and what was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    query: String,
    pattern: Option<Regex>,
    places: Vec<Place>,
    at: usize,
    /// The line of that place, once it was drawn, and the how manieth one there it is.
    pub(crate) line: Option<(Anchor, usize)>,
    /// Whether the place is still to be brought into the window.
    pub(crate) jump: bool,
}

impl Search {
    /// Returns what is looked for.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// Looks for something else; the first place from a turn on is looked at. Letters match in both cases unless
    /// one of them is a capital; a blank matches any number, as text is wrapped.
    pub(crate) fn look_for(&mut self, query: &str, chat: &Chat, from: usize) {
        query.clone_into(&mut self.query);
        let words: Vec<String> = query.split_whitespace().map(regex::escape).collect();
        self.pattern = (!words.is_empty())
            .then(|| {
                RegexBuilder::new(&words.join(r"\s+"))
                    .case_insensitive(!query.chars().any(char::is_uppercase))
                    .build()
                    .ok()
            })
            .flatten();
        self.count(chat);
        let first = self.places.iter().position(|place| {
            let index = chat.turns().position(|turn| turn.id == place.turn);
            index.is_some_and(|index| index >= from)
        });
        self.at = first.unwrap_or(0);
        self.jump = !self.places.is_empty();
    }

    /// Goes to the next or previous place, round at the ends; `false` when there is none.
    pub(crate) fn step(&mut self, by: isize, chat: &Chat) -> bool {
        let before = self.place();
        self.count(chat);
        if self.places.is_empty() {
            return false;
        }
        let at = before.and_then(|old| self.places.iter().position(|place| *place == old));
        let count = self.places.len().cast_signed();
        let next = at.unwrap_or(self.at).cast_signed() + by;
        self.at = next.rem_euclid(count).unsigned_abs();
        self.jump = true;
        true
    }

    /// Returns the place that is looked at.
    pub(crate) fn place(&self) -> Option<Place> {
        self.places.get(self.at).copied()
    }

    /// Returns which place of how many is looked at, from 1.
    pub(crate) fn position(&self) -> (usize, usize) {
        let count = self.places.len();
        ((self.at + 1).min(count), count)
    }

    /// Returns the byte ranges of what is looked for in a line.
    pub(crate) fn in_line(&self, line: &str) -> Vec<std::ops::Range<usize>> {
        self.pattern.as_ref().map_or_else(Vec::new, |pattern| {
            pattern.find_iter(line).map(|found| found.range()).collect()
        })
    }

    fn count(&mut self, chat: &Chat) {
        self.places.clear();
        let Some(pattern) = &self.pattern else {
            return;
        };
        for turn in chat.turns() {
            let found: usize = texts(turn)
                .map(|text| pattern.find_iter(text).count())
                .sum();
            let room = MOST_FOUND - self.places.len();
            let id = turn.id;
            self.places
                .extend((0..found.min(room)).map(|nth| Place { turn: id, nth }));
        }
    }
}

/// What of a turn is on the screen and can be found.
fn texts(turn: &Turn) -> impl Iterator<Item = &str> {
    let shown = turn.replies.iter().enumerate();
    let answers = shown
        .filter(|(place, _)| turn.compared || *place == turn.shown)
        .map(|(_, reply)| reply.response().text.as_str());
    std::iter::once(turn.question.as_str()).chain(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[test]
    fn n_and_shift_n_go_round_and_blanks_match_line_ends() {
        let mut chat = Chat::default();
        for question in ["alpha beta", "Alpha\nbeta gamma alpha", "delta"] {
            chat.ask(question.to_owned(), None, 1, Instant::now());
        }
        let mut search = Search::default();
        search.look_for("alpha", &chat, 1);
        assert_eq!(search.position(), (2, 3), "the first one from there on");
        assert!(search.step(1, &chat));
        assert!(search.step(1, &chat));
        assert_eq!(search.position(), (1, 3));
        assert!(search.step(-1, &chat));
        assert_eq!(search.position(), (3, 3));
        search.look_for("alpha beta", &chat, 0);
        assert_eq!(search.position(), (1, 2));
        search.look_for("Alpha", &chat, 0);
        assert_eq!(search.position(), (1, 1), "a capital is meant");
        search.look_for("(", &chat, 0);
        assert_eq!(search.position(), (0, 0));
        assert!(!search.step(1, &chat));
    }
}
