//! The conversation: questions, and to each one or more answers of which one is shown.

use tokio::time::Instant;

use super::reply::{Reply, ReplyId};
use super::scroll::Scroll;
use crate::base::Message;

/// The most turns kept; the oldest go first, and the conversation says so.
const MOST_TURNS: usize = 2000;

/// A question and its answers.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// What was asked.
    pub(crate) question: String,
    /// The answers, oldest first; asking again adds one.
    pub(crate) replies: Vec<Reply>,
    /// Which answer is shown.
    pub(crate) shown: usize,
}

impl Turn {
    /// Returns the answer that is shown.
    pub(crate) fn reply(&self) -> Option<&Reply> {
        self.replies.get(self.shown)
    }
}

/// The conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chat {
    pub(crate) turns: Vec<Turn>,
    pub(crate) scroll: Scroll,
    /// How many turns were dropped to bound memory.
    pub(crate) dropped: usize,
    next_reply: u64,
}

impl Chat {
    /// Adds a question and starts its answer.
    pub(crate) fn ask(&mut self, question: String, now: Instant) -> ReplyId {
        if self.turns.len() >= MOST_TURNS {
            self.turns.remove(0);
            self.dropped += 1;
            self.scroll.dropped(1);
        }
        let id = self.new_id();
        self.turns.push(Turn {
            question,
            replies: vec![Reply::new(id, now)],
            shown: 0,
        });
        id
    }

    /// Starts another answer to the last question, and shows it.
    pub(crate) fn ask_again(&mut self, now: Instant) -> Option<ReplyId> {
        let id = self.new_id();
        let turn = self.turns.last_mut()?;
        turn.replies.push(Reply::new(id, now));
        turn.shown = turn.replies.len() - 1;
        Some(id)
    }

    /// Returns an answer that is still running, the newest first.
    pub(crate) fn running(&self) -> Option<&Reply> {
        self.turns
            .iter()
            .rev()
            .take(8)
            .flat_map(|turn| turn.replies.iter().rev())
            .find(|reply| reply.is_running())
    }

    /// Finds an answer to change it. Only the last turns can be running.
    pub(crate) fn reply_mut(&mut self, id: ReplyId) -> Option<&mut Reply> {
        self.turns
            .iter_mut()
            .rev()
            .flat_map(|turn| turn.replies.iter_mut().rev())
            .find(|reply| reply.id == id)
    }

    /// Returns the text of the last answer that has any.
    pub(crate) fn last_answer(&self) -> Option<&str> {
        self.turns
            .iter()
            .rev()
            .filter_map(Turn::reply)
            .map(|reply| reply.response().text.as_str())
            .find(|text| !text.is_empty())
    }

    /// Forgets everything but the numbering.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            next_reply: self.next_reply,
            ..Self::default()
        };
    }

    /// Makes the messages for the last question: the persona, some earlier turns, the question.
    ///
    /// Turns without an answer are left out: a failed question must not be answered in the next one's place.
    pub(crate) fn messages(&self, persona: Option<&str>, history_turns: usize) -> Vec<Message> {
        let mut messages: Vec<Message> = persona.map(Message::system).into_iter().collect();
        let Some((last, earlier)) = self.turns.split_last() else {
            return messages;
        };
        let first = earlier.len().saturating_sub(history_turns);
        for turn in &earlier[first..] {
            if let Some(reply) = turn.reply()
                && !reply.response().text.is_empty()
            {
                messages.push(Message::user(turn.question.clone()));
                messages.push(Message::assistant(reply.response().text.clone()));
            }
        }
        messages.push(Message::user(last.question.clone()));
        messages
    }

    fn new_id(&mut self) -> ReplyId {
        self.next_reply += 1;
        ReplyId(self.next_reply)
    }
}
