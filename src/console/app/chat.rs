//! Asking, stopping, asking again, and what comes in.

use super::{App, Effect, Focus, Tone};
use crate::base::{ChatRequest, Chunk, Error, ErrorKind};
use crate::console::state::reply::{LONGEST_ANSWER, Phase, ReplyId};
use crate::console::state::scroll::Move;

impl App {
    /// Sends the draft. Nothing typed is lost: while an answer comes in, the draft stays.
    pub(super) fn send(&mut self) -> Vec<Effect> {
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
        self.composer.clear();
        let id = self.chat.ask(question, self.now);
        self.chat.scroll.push(Move::Bottom);
        vec![self.request(id)]
    }

    /// Asks the last question again.
    pub(super) fn retry(&mut self) -> Vec<Effect> {
        if self.chat.running().is_some() {
            self.say("an answer is coming in; Esc stops it", Tone::Note);
            return Vec::new();
        }
        let Some(id) = self.chat.ask_again(self.now) else {
            self.say("nothing has been asked yet", Tone::Note);
            return Vec::new();
        };
        self.chat.scroll.push(Move::Bottom);
        vec![self.request(id)]
    }

    /// Stops the answer that is coming in; what has come stays.
    pub(super) fn stop(&mut self) -> Option<Vec<Effect>> {
        let id = self.chat.running()?.id;
        let now = self.now;
        if let Some(reply) = self.chat.reply_mut(id) {
            reply.stop(now);
        }
        Some(vec![Effect::Cancel(id)])
    }

    /// Copies the last answer.
    pub(super) fn copy(&mut self) -> Vec<Effect> {
        match self.chat.last_answer() {
            Some(text) => vec![Effect::Copy(text.to_owned())],
            None => {
                self.say("there is no answer to copy yet", Tone::Note);
                Vec::new()
            }
        }
    }

    /// Takes a piece of an answer.
    pub(super) fn piece(&mut self, id: ReplyId, piece: Result<Box<Chunk>, Error>) -> Vec<Effect> {
        let Some(reply) = self.chat.reply_mut(id).filter(|reply| reply.is_running()) else {
            return Vec::new();
        };
        match piece {
            Ok(chunk) => {
                let before = reply.response().text.len();
                if reply.push(*chunk) {
                    let new_code = !self.has_code && has_fence(&reply.response().text, before);
                    self.has_code |= new_code;
                    return Vec::from_iter(new_code.then_some(Effect::Colours));
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
        let effects = self.stop().unwrap_or_default();
        self.chat.clear();
        self.focus = Focus::Prompt;
        effects
    }

    /// Tells whether any question was answered or asked.
    pub(super) fn has_conversation(&self) -> bool {
        !self.chat.turns.is_empty()
    }

    fn request(&self, id: ReplyId) -> Effect {
        let persona = self.context.personas.first();
        let prompt = persona
            .map(|persona| persona.prompt.as_str())
            .filter(|prompt| !prompt.is_empty());
        let messages = self.chat.messages(prompt, self.history_turns);
        Effect::Send(id, Box::new(ChatRequest::new(messages)))
    }
}

/// Tells whether a block of code begins in what was added to a text.
fn has_fence(text: &str, before: usize) -> bool {
    const FENCE: &str = "```";
    let from = text.floor_char_boundary(before.saturating_sub(FENCE.len() - 1));
    text.get(from..).is_some_and(|new| new.contains(FENCE))
}

/// Tells whether asking again can help.
pub(crate) fn is_worth_retrying(phase: &Phase) -> bool {
    match phase {
        Phase::Failed(error) => error.kind() != ErrorKind::Config,
        Phase::Stopped => true,
        Phase::Waiting | Phase::Streaming | Phase::Done => false,
    }
}
