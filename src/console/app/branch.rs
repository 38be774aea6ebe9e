//! The branches of a conversation: asking again, in other words, going on after a cut, and the way between them.

use super::{App, Effect, Focus, Tone};
use crate::base::Target;
use crate::console::state::answerers::Answerers;
use crate::console::state::chat::TurnId;
use crate::console::state::reply::{Phase, Reply};
use crate::console::state::scroll::Move;
use crate::console::words::t;

/// What is sent to have an answer that was cut go on.
const GO_ON: &str = "Go on exactly where your last answer broke off. Do not repeat anything.";

/// An earlier question in the prompt, to be asked in other words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Editing {
    pub(crate) turn: TurnId,
    /// What was in the prompt before.
    draft: String,
}

impl App {
    /// Asks the current question again, of whom is chosen.
    pub(super) fn again(&mut self) -> Vec<Effect> {
        let Some(turn) = self.asked_and_quiet() else {
            return Vec::new();
        };
        match self.answerers.clone() {
            Answerers::One(target) => self.again_by(turn, &target),
            Answerers::Each(_) => {
                let question = self.chat.find(turn).map(|turn| turn.question.clone());
                self.ask_instead(turn, question.unwrap_or_default())
            }
        }
    }

    /// Asks a question again, of these.
    pub(super) fn again_by(&mut self, turn: TurnId, target: &Target) -> Vec<Effect> {
        if let Some(turn) = self.chat.find_mut(turn) {
            turn.persona.clone_from(&self.persona);
        }
        let Some(id) = self.chat.ask_again(turn, self.now) else {
            return Vec::new();
        };
        self.chat.scroll.push(Move::Bottom);
        self.requests(turn, &[id], std::slice::from_ref(target))
    }

    /// Puts the current question into the prompt; the draft comes back afterwards.
    pub(super) fn edit_question(&mut self) {
        let Some(turn) = self.asked_and_quiet().and_then(|id| self.chat.find(id)) else {
            return;
        };
        let draft = match self.editing.take() {
            Some(editing) => editing.draft,
            None => self.composer.text(),
        };
        self.editing = Some(Editing {
            turn: turn.id,
            draft,
        });
        let question = turn.question.clone();
        self.chat.selected = Some(turn.id);
        self.composer.set_text(&question);
        self.focus = Focus::Prompt;
    }

    /// Leaves the question as it was, and brings the draft back; `false` when none was being changed.
    pub(super) fn leave_editing(&mut self) -> bool {
        let Some(editing) = self.editing.take() else {
            return false;
        };
        let text = self.composer.text();
        self.composer.push(&text);
        self.composer.set_text(&editing.draft);
        self.chat.selected = None;
        true
    }

    /// Asks the question that was changed.
    pub(super) fn send_edited(&mut self, editing: &Editing, question: String) -> Vec<Effect> {
        self.composer.set_text(&editing.draft);
        self.ask_instead(editing.turn, question)
    }

    /// Has an answer that was cut go on: a question of its own, so that everybody sees what was sent.
    pub(super) fn go_on(&mut self) -> Vec<Effect> {
        if self.asked_and_quiet().is_none() {
            return Vec::new();
        }
        self.chat.selected = None;
        let reply = self.chat.last().and_then(|turn| turn.reply());
        if !reply.is_some_and(was_cut) {
            self.say("the last answer is whole", Tone::Note);
            return Vec::new();
        }
        self.ask(t(GO_ON).to_owned())
    }

    /// Shows another answer, or another version of the question.
    pub(super) fn step_variant(&mut self, by: isize) {
        let Some(index) = self.chat.current() else {
            return;
        };
        let variants = self.chat.variants(index);
        if variants.question.1 + variants.answer.1 <= 2 {
            self.say(
                "there is one version; asking again or editing makes another",
                Tone::Note,
            );
            return;
        }
        if !self.chat.step_variant(index, by) {
            let text = if by > 0 {
                "this is the last version"
            } else {
                "this is the first version"
            };
            self.say(text, Tone::Note);
            return;
        }
        if self.chat.selected.is_none() && index + 1 < self.chat.len() {
            self.chat.selected = self.chat.turn(index).map(|turn| turn.id);
        }
        if self.chat.turn(index).is_some_and(|turn| !turn.compared) {
            self.chat.scroll.push(Move::ToTurn(index));
        }
    }

    /// Goes on with the marked one of several answers: it alone is shown from now on.
    pub(super) fn pick(&mut self) {
        let Some(turn) = self.chat.current_turn().filter(|turn| turn.compared) else {
            self.say("there is nothing to choose from here", Tone::Note);
            return;
        };
        let id = turn.id;
        let who = turn.reply().and_then(|reply| {
            let name = reply.response().instance.as_ref();
            name.or(reply.asked_of()).map(ToString::to_string)
        });
        if let Some(turn) = self.chat.find_mut(id) {
            turn.compared = false;
        }
        if let Some(who) = who {
            self.say(format!("the answer of {who} goes on"), Tone::Done);
        }
    }

    /// Goes to the next or previous question.
    pub(super) fn jump(&mut self, by: isize) {
        let Some(current) = self.chat.current() else {
            return;
        };
        let next = if self.chat.selected.is_none() && by < 0 {
            current
        } else {
            current.saturating_add_signed(by)
        };
        if next >= self.chat.len() {
            self.chat.selected = None;
            self.chat.scroll.push(Move::Bottom);
            return;
        }
        self.chat.selected = self.chat.turn(next).map(|turn| turn.id);
        self.chat.scroll.push(Move::ToTurn(next));
    }

    /// Returns the current turn when nothing is running that its branch would hide.
    pub(super) fn asked_and_quiet(&mut self) -> Option<TurnId> {
        if self.chat.running().is_some() {
            self.say("an answer is coming in; Esc stops it", Tone::Note);
            return None;
        }
        let turn = self.chat.current_turn().map(|turn| turn.id);
        if turn.is_none() {
            self.say("nothing has been asked yet", Tone::Note);
        }
        turn
    }

    fn ask_instead(&mut self, of: TurnId, question: String) -> Vec<Effect> {
        let targets = self.answerers.targets();
        let persona = self.persona.clone();
        let ids = self
            .chat
            .ask_instead(of, question, persona, targets.len(), self.now);
        self.chat.scroll.push(Move::Bottom);
        self.requests_of_last(&ids, &targets)
    }
}

/// Tells whether an answer has some text and no proper end.
pub(crate) fn was_cut(reply: &Reply) -> bool {
    use crate::base::FinishReason;
    let response = reply.response();
    let ended = match reply.phase {
        Phase::Done => response.finish_reason == Some(FinishReason::Length),
        Phase::Stopped | Phase::Failed(_) => true,
        Phase::Waiting | Phase::Streaming => false,
    };
    ended && !response.text.trim().is_empty()
}
