//! Asking, stopping, asking again, and what comes in.

use super::{App, Effect, Focus, Tone};
use crate::base::{ChatRequest, Chunk, Error, ErrorKind, Target};
use crate::console::state::chat::TurnId;
use crate::console::state::reply::{LONGEST_ANSWER, Phase, ReplyId};
use crate::console::state::scroll::Move;

impl App {
    /// Sends the draft. Nothing typed is lost: while an answer comes in, the draft stays.
    pub(super) fn send(&mut self) -> Vec<Effect> {
        if let Some(effects) = self.prompt_command() {
            return effects;
        }
        let draft = self.composer.text();
        let question = draft.trim();
        if question.is_empty() {
            return Vec::new();
        }
        if self.chat.running().is_some() {
            self.say(
                "an answer is coming in; Esc stops it, then send",
                Tone::Note,
            );
            return Vec::new();
        }
        let question = question.to_owned();
        self.composer.push(&draft);
        if let Some(editing) = self.editing.take() {
            return self.send_edited(&editing, question);
        }
        self.composer.clear();
        self.ask(question)
    }

    /// Asks a question at the end of the conversation, of whom is chosen.
    pub(super) fn ask(&mut self, question: String) -> Vec<Effect> {
        let targets = self.answerers.targets();
        let persona = self.persona.clone();
        let ids = self.chat.ask(question, persona, targets.len(), self.now);
        self.chat.scroll.push(Move::Bottom);
        self.requests_of_last(&ids, &targets)
    }

    /// Stops the answers that are coming in; what has come stays. `None` when there are none.
    pub(super) fn stop(&mut self) -> Option<Vec<Effect>> {
        let ids: Vec<ReplyId> = self.chat.running_replies().map(|reply| reply.id).collect();
        let now = self.now;
        for &id in &ids {
            if let Some(reply) = self.chat.reply_mut(id) {
                reply.stop(now);
            }
        }
        let effects: Vec<Effect> = ids.into_iter().map(Effect::Cancel).collect();
        (!effects.is_empty()).then_some(effects)
    }

    /// Takes a piece of an answer.
    pub(super) fn piece(&mut self, id: ReplyId, piece: Result<Box<Chunk>, Error>) -> Vec<Effect> {
        let Some(reply) = self.chat.reply_mut(id).filter(|reply| reply.is_running()) else {
            return Vec::new();
        };
        match piece {
            Ok(chunk) => {
                if reply.push(*chunk) {
                    return Vec::new();
                }
                let most = LONGEST_ANSWER >> 20;
                reply.fail(
                    Error::protocol("too_long", format!("the answer grew over {most} MiB"))
                        .with_hint("it was stopped here; ask for less at once"),
                );
                vec![Effect::Cancel(id)]
            }
            Err(error) => {
                reply.fail(error);
                Vec::new()
            }
        }
    }

    /// A stream that is over without a word is a broken promise, and is shown as one.
    pub(super) fn stream_ended(&mut self, id: ReplyId) {
        if let Some(reply) = self.chat.reply_mut(id).filter(|reply| reply.is_running()) {
            reply.fail(Error::protocol(
                "truncated",
                "the answer broke off without an end",
            ));
        }
    }

    /// Starts a new conversation.
    pub(super) fn new_conversation(&mut self) -> Vec<Effect> {
        let mut effects = self.stop().unwrap_or_default();
        effects.extend(self.keep(true));
        self.begin_anew();
        self.focus = Focus::Prompt;
        effects
    }

    /// Makes the requests for answers to the last question.
    pub(super) fn requests_of_last(&mut self, ids: &[ReplyId], targets: &[Target]) -> Vec<Effect> {
        match self.chat.last().map(|turn| turn.id) {
            Some(turn) => self.requests(turn, ids, targets),
            None => Vec::new(),
        }
    }

    /// Makes the requests for answers to a shown question.
    pub(super) fn requests(
        &mut self,
        turn: TurnId,
        ids: &[ReplyId],
        targets: &[Target],
    ) -> Vec<Effect> {
        let place = self.chat.turns().position(|shown| shown.id == turn);
        let messages = self
            .chat
            .messages(place.unwrap_or_default(), self.history_turns);
        let mut effects = Vec::new();
        for (&id, target) in ids.iter().zip(targets) {
            if let (Target::Instance(name), Some(reply)) = (target, self.chat.reply_mut(id)) {
                reply.ask_of(name.clone());
            }
            let request = ChatRequest::new(messages.clone()).with_target(target.clone());
            effects.push(Effect::Send(id, Box::new(request)));
        }
        effects
    }
}

/// Tells whether asking again can help.
pub(crate) fn is_worth_retrying(phase: &Phase) -> bool {
    match phase {
        Phase::Failed(error) => error.kind() != ErrorKind::Config,
        Phase::Stopped => true,
        Phase::Waiting | Phase::Streaming | Phase::Done => false,
    }
}
