//! Everything that can happen to the console.

use std::sync::Arc;

use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use super::state::quoted::Quoted;
use super::state::reply::ReplyId;
use crate::base::{
    Board, Changed, Chunk, Conversation, DeckEvent, Error, Failures, Found, LogLine, MessageId,
    Page, Sample, Series,
};
use crate::deck::Line;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A key was pressed or repeats.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize,
    /// A piece of an answer came.
    Chunk(ReplyId, Result<Box<Chunk>, Error>),
    /// An answer's stream is over; ends one that had no proper end.
    StreamEnded(ReplyId),
    /// Something happened in the deck.
    Deck(DeckEvent),
    /// The line to the pool was lost, is still lost for another reason, or is back.
    Line(Line),
    /// A new picture of the pool.
    Board(Arc<Board>),
    /// New figures: of the pane, and of the last minute for the header.
    Series(Box<Series>, Box<Series>),
    /// The history of the instance that is shown in full.
    Detail(Box<Series>),
    /// What went wrong, as the deck remembers it.
    Failures(Box<Failures>),
    /// Requests that ended before, newest first.
    Requests(Vec<Arc<Sample>>),
    /// New lines of the log, oldest first.
    Log(Vec<Arc<LogLine>>),
    /// A command was carried out, or not.
    Commanded {
        /// What became of it.
        result: Result<Changed, Error>,
        /// Whether it took an earlier one back.
        undoing: bool,
    },
    /// Text was copied (the route it went), or not.
    Copied(Result<&'static str, Error>),
    /// Files were read for a command in the draft, or not.
    FilesRead {
        /// The command's line.
        line: String,
        /// What came of it.
        result: Result<Vec<Quoted>, Error>,
    },
    /// What a path can be completed to.
    Completed(String, Vec<String>),
    /// A file was written (its path), or not.
    Saved(Result<String, Error>),
    /// The draft comes back from the editor, or not.
    Edited(Result<String, Error>),
    /// The themes there are, with a line on each, and the one that is shown.
    Themes(Vec<(String, String)>, String),
    /// A theme is shown, or cannot be.
    Themed {
        /// Which one.
        name: String,
        /// Whether it was chosen, and not only tried.
        keep: bool,
        /// What became of it.
        result: Result<(), Error>,
    },
    /// What is to be known in the next run was written down, or not.
    Remembered(Result<(), Error>),
    /// Code can be drawn in colours now.
    Colours,
    /// The conversations that are kept, or not.
    Listed(Result<Page, Error>),
    /// What a search for this found, or not.
    Found(String, Result<Found, Error>),
    /// A conversation to be shown.
    Opened(Box<Result<Option<Conversation>, Error>>),
    /// A conversation to be forked at a message.
    Forked(MessageId, Box<Result<Option<Conversation>, Error>>),
    /// The number that tells whether another program has changed something.
    Stamped(i64),
    /// Keeping has trouble, or none any more.
    Trouble(String),
    /// Time has passed.
    Time,
}
