//! What of the shown conversation has been handed over to be kept, so that only what is new is.

use std::collections::HashMap;

use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use super::reply::ReplyId;
use super::turn::TurnId;
use crate::base::{ConversationId, MessageId};

/// The kept side of the shown conversation.
#[derive(Debug)]
pub(crate) struct Ledger {
    dice: SmallRng,
    newest: Option<MessageId>,
    /// The conversation, once anything of it is kept.
    pub(crate) conversation: Option<ConversationId>,
    /// Whether it has been begun there, beyond a draft.
    pub(crate) begun: bool,
    /// The draft as it is kept.
    pub(crate) draft: String,
    /// Questions that are kept.
    pub(crate) questions: HashMap<TurnId, MessageId>,
    /// Answers that are kept.
    pub(crate) answers: HashMap<ReplyId, MessageId>,
    /// Answers that are kept and still coming in.
    pub(crate) open: Vec<Open>,
    /// Which message follows which, as it is kept.
    pub(crate) chosen: HashMap<Option<MessageId>, MessageId>,
}

/// An answer that is coming in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) reply: ReplyId,
    pub(crate) turn: TurnId,
    pub(crate) at: Timestamp,
    /// Bytes of text and of reasoning that were handed over.
    pub(crate) text: usize,
    pub(crate) reasoning: usize,
}

impl Ledger {
    /// Makes an empty one.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: SmallRng::seed_from_u64(seed),
            newest: None,
            conversation: None,
            begun: false,
            draft: String::new(),
            questions: HashMap::new(),
            answers: HashMap::new(),
            open: Vec::new(),
            chosen: HashMap::new(),
        }
    }

    /// Forgets everything but its chance: another conversation is shown.
    pub(crate) fn turn_over(&mut self) {
        let dice = self.dice.clone();
        *self = Self {
            dice,
            newest: self.newest,
            ..Self::new(0)
        };
    }

    /// Returns a number for chance.
    pub(crate) fn chance(&mut self) -> u64 {
        self.dice.next_u64()
    }

    /// Returns the conversation's id, made when there is none yet.
    pub(crate) fn id(&mut self) -> ConversationId {
        let dice = &mut self.dice;
        *self
            .conversation
            .get_or_insert_with(|| ConversationId::new(dice))
    }

    /// Makes the id of a message, greater than all before.
    pub(crate) fn message(&mut self, at: Timestamp) -> MessageId {
        let made = MessageId::new(at, &mut self.dice);
        let id = self.newest.map_or(made, |newest| made.max(newest.after()));
        self.newest = Some(id);
        id
    }

    /// Notes the id of a message that is there already.
    pub(crate) fn know(&mut self, id: MessageId) {
        self.newest = self.newest.max(Some(id));
    }
}
