//! A question and its answers: one place in the tree that a conversation is.

use std::sync::Arc;

use super::reply::{Reply, ReplyId};
use crate::console::Persona;

/// The number of a question, unique in one run of the console, growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TurnId(pub(crate) u64);

/// A question and its answers.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) id: TurnId,
    /// The answer that it follows; `None` for a question that a conversation begins with.
    pub(crate) after: Option<ReplyId>,
    /// What was asked.
    pub(crate) question: String,
    /// Who was to answer.
    pub(crate) persona: Option<Arc<Persona>>,
    /// The answers, oldest first; asking again adds one. Never empty.
    pub(crate) replies: Vec<Reply>,
    /// Which answer is shown, and goes on.
    pub(crate) shown: usize,
    /// Whether the answers stand side by side.
    pub(crate) compared: bool,
}

impl Turn {
    /// Returns the answer that is shown.
    pub(crate) fn reply(&self) -> Option<&Reply> {
        self.replies.get(self.shown)
    }

    /// Tells whether an answer is the shown one.
    pub(crate) fn shown_is(&self, reply: &Reply) -> bool {
        self.reply().is_some_and(|shown| shown.id == reply.id)
    }

    /// Tells whether any of its answers is still coming in.
    pub(crate) fn is_running(&self) -> bool {
        self.replies.iter().any(Reply::is_running)
    }
}

/// Which of how many versions of a question, and which of how many answers to it, is shown; both from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Variants {
    pub(crate) question: (usize, usize),
    pub(crate) answer: (usize, usize),
}
