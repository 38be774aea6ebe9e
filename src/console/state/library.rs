//! The open list of conversations: what is looked for, what was found, and which one is meant.

use jiff::Timestamp;

use crate::base::{ConversationId, Found, MessageId, Page, Summary, clean_line};

/// The longest search or title, in characters.
const LONGEST: usize = 200;

/// What the typed text is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Typing {
    /// It is looked for.
    Search,
    /// It is the new title.
    Title(ConversationId),
    /// They are the new tags.
    Tags(ConversationId),
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) summary: Summary,
    /// Where the search found something: the line, and what matches in it, in bytes.
    pub(crate) line: Option<(String, Option<(usize, usize)>)>,
    pub(crate) message: Option<MessageId>,
}

/// The open list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Library {
    pub(crate) query: String,
    /// What is typed over the query: a title or tags.
    pub(crate) edited: String,
    pub(crate) typing: Typing,
    pub(crate) rows: Vec<Row>,
    pub(crate) selected: usize,
    /// All conversations there are; with a search, how many it found.
    pub(crate) total: u64,
    /// Whether a search may have found more.
    pub(crate) more: bool,
    /// Whether an answer has come.
    pub(crate) is_there: bool,
    /// When it was opened, by the wall clock: ages are told from it.
    pub(crate) now: Timestamp,
    /// The store's number at the last look.
    pub(crate) stamp: Option<i64>,
}

impl Library {
    /// Opens it, with nothing in it yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            query: String::new(),
            edited: String::new(),
            typing: Typing::Search,
            rows: Vec::new(),
            selected: 0,
            total: 0,
            more: false,
            is_there: false,
            now,
            stamp: None,
        }
    }

    /// Returns the one that is meant.
    pub(crate) fn chosen(&self) -> Option<&Row> {
        self.rows.get(self.selected)
    }

    /// Moves the selection, staying within the list.
    pub(crate) fn step(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }

    /// Returns the text that keys change.
    pub(crate) fn text(&self) -> &str {
        match self.typing {
            Typing::Search => &self.query,
            Typing::Title(_) | Typing::Tags(_) => &self.edited,
        }
    }

    /// Changes the text that is typed.
    pub(crate) fn set_text(&mut self, text: &str) {
        let text: String = clean_line_keeping_end(text).chars().take(LONGEST).collect();
        match self.typing {
            Typing::Search => self.query = text,
            Typing::Title(_) | Typing::Tags(_) => self.edited = text,
        }
    }

    /// Shows a list; the selection stays with its conversation.
    pub(crate) fn list(&mut self, page: Page) {
        let rows = page.conversations.into_iter().map(|summary| Row {
            summary,
            line: None,
            message: None,
        });
        self.show(rows.collect());
        self.total = page.total;
        self.more = false;
    }

    /// Shows what a search found.
    pub(crate) fn found(&mut self, found: Found) {
        let rows = found.hits.into_iter().map(|hit| Row {
            line: hit.message.map(|_| (hit.line, hit.matched)),
            message: hit.message,
            summary: hit.conversation,
        });
        self.show(rows.collect());
        self.total = self.rows.len() as u64;
        self.more = found.more;
    }

    fn show(&mut self, rows: Vec<Row>) {
        let before = self.chosen().map(|row| row.summary.id);
        self.rows = rows;
        self.is_there = true;
        let same = self
            .rows
            .iter()
            .position(|row| Some(row.summary.id) == before);
        self.selected = match same {
            Some(at) => at,
            None => self.selected.min(self.rows.len().saturating_sub(1)),
        };
    }
}

/// A blank at the end is the beginning of a next word.
fn clean_line_keeping_end(text: &str) -> String {
    let cleaned = clean_line(text);
    if text.ends_with(' ') && !cleaned.is_empty() {
        return cleaned + " ";
    }
    cleaned
}
