//! What the console wants done. The app decides, the loop acts.

use super::state::reply::ReplyId;
use super::state::select::Select;
use crate::base::{Change, ChatRequest, Command, ConversationId, MessageId};

/// Something to be done by the loop.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Ask for an answer.
    Send(ReplyId, Box<ChatRequest>),
    /// Stop an answer.
    Cancel(ReplyId),
    /// Give the deck a command.
    Command {
        /// Which one.
        command: Command,
        /// Whether it takes an earlier one back.
        undoing: bool,
    },
    /// Put text on the clipboard.
    Copy(String),
    /// Put lines of the conversation, as they are shown, on the clipboard.
    CopyLines(Box<Select>),
    /// Read files for the question: the command's line, and its path.
    ReadFiles {
        /// The line in the draft.
        line: String,
        /// The path or pattern.
        path: String,
    },
    /// Find what a path can be completed to.
    Complete(String),
    /// Write a new file.
    Save {
        /// Where.
        path: String,
        /// What.
        text: String,
    },
    /// Let the draft be written in an editor.
    Edit(String),
    /// Take the mouse, or give it to the terminal.
    Mouse(bool),
    /// Fetch figures at once: another scope or window was chosen.
    Figures,
    /// Fetch the requests that ended before.
    Requests,
    /// Fetch what is new in the log.
    Log,
    /// Tell something outside the screen: by the bell, or by the desktop.
    Notify(String),
    /// Find the themes there are.
    Themes,
    /// Show a theme.
    Theme {
        /// Its name; `auto` lets the terminal decide.
        name: String,
        /// Whether its background is painted; `None` does as the theme says.
        paint: Option<bool>,
        /// Whether it was chosen, and not only tried.
        keep: bool,
    },
    /// Write down what is to be known in the next run.
    Remember,
    /// Draw the whole screen again.
    Redraw,
    /// Suspend the program.
    Suspend,
    /// Keep a change of a conversation.
    Keep(Change),
    /// Ask for something that is kept.
    Library(Wanted),
    /// Leave.
    Quit,
}

/// What is wanted of what is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// The newest conversations.
    List,
    /// Those in which this was said.
    Search(String),
    /// One of them, to be shown.
    Open(ConversationId),
    /// One of them, to begin another one with all up to a message.
    Fork(ConversationId, MessageId),
    /// The number that tells whether another program has changed something.
    Stamp,
}
