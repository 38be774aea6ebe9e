//! What happens to a conversation, one change at a time.

use super::{Conversation, ConversationId, KeptMessage, MessageId};

/// A change to what is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A conversation begins, or is there again after an undo; its messages come with it.
    Begin(Box<Conversation>),
    /// A message is added and shown; it may still be coming in.
    Say {
        /// Where.
        conversation: ConversationId,
        /// What.
        message: Box<KeptMessage>,
    },
    /// More of a message that is coming in.
    Piece {
        /// Where.
        conversation: ConversationId,
        /// Of which message.
        message: MessageId,
        /// What came.
        piece: Piece,
    },
    /// A message that was coming in has ended; this is all of it.
    Finish {
        /// Where.
        conversation: ConversationId,
        /// All of it.
        message: Box<KeptMessage>,
    },
    /// Another branch is shown.
    Choose {
        /// Where.
        conversation: ConversationId,
        /// The message at which the branches part; `None` at the beginning.
        parent: Option<MessageId>,
        /// The message that begins the branch.
        child: MessageId,
    },
    /// What is typed and not sent yet.
    Draft {
        /// Where.
        conversation: ConversationId,
        /// All of it.
        text: String,
    },
    /// A person gives it a title; an empty one gives it back to the first question.
    Rename {
        /// Which.
        conversation: ConversationId,
        /// The title.
        title: String,
    },
    /// It stands above the others, or not.
    Pin {
        /// Which.
        conversation: ConversationId,
        /// Whether.
        pinned: bool,
    },
    /// The words to find it by.
    Tag {
        /// Which.
        conversation: ConversationId,
        /// All of them.
        tags: Vec<String>,
    },
    /// Who answers from now on.
    Route {
        /// Which.
        conversation: ConversationId,
        /// Which instances may answer.
        target: crate::base::Target,
        /// The model that is asked for.
        model: Option<String>,
        /// The persona's name.
        persona: Option<String>,
        /// The system message.
        system: Option<String>,
    },
    /// It goes, but can be brought back for a while.
    Delete {
        /// Which.
        conversation: ConversationId,
    },
    /// It is brought back.
    Restore {
        /// Which.
        conversation: ConversationId,
    },
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Visible text.
    Text(String),
    /// Reasoning.
    Reasoning(String),
}
