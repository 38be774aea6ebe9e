//! The three hints of a first run. What was given is remembered, so that there is silence afterwards.

use std::time::Duration;

use super::{App, Effect, Focus, Tone};
use crate::console::action::Action;
use crate::console::keymap::Context;
use crate::console::state::hints::Hint;
use crate::console::state::reply::Phase;
use crate::console::state::toast::Toast;
use crate::console::words::phrase;

/// How long a hint stays.
const STAYS: Duration = Duration::from_secs(12);

impl App {
    /// Gives the hint whose moment has come, unless something else is being said; it comes at its next moment then.
    pub(super) fn teach(&mut self) -> Option<Effect> {
        let memory = &self.context.memory;
        let is_silent = !memory.lasts() || memory.notes.hints.len() >= Hint::COUNT;
        if is_silent || self.toast.is_some() || self.dialog.is_some() {
            return None;
        }
        let hint = self.hint_of_now()?;
        let text = self.hint_words(hint);
        self.toast = Some(Toast::lasting(text, Tone::Note, self.now, STAYS));
        let known = &mut self.context.memory.notes.hints;
        known.insert(hint.name().to_owned());
        Some(Effect::Remember)
    }

    fn hint_of_now(&self) -> Option<Hint> {
        let last = self.chat.last().and_then(|turn| turn.reply());
        let phase = last.map(|reply| &reply.phase);
        let moments = [
            (Hint::Failure, matches!(phase, Some(Phase::Failed(_)))),
            (Hint::Pool, self.focus == Focus::Pool),
            (Hint::Answer, matches!(phase, Some(Phase::Done))),
        ];
        let known = &self.context.memory.notes.hints;
        moments
            .into_iter()
            .find(|(hint, has_come)| *has_come && !known.contains(hint.name()))
            .map(|(hint, _)| hint)
    }

    fn hint_words(&self, hint: Hint) -> String {
        let key = |context, action| self.keymap.key_for(context, action).unwrap_or_default();
        match hint {
            Hint::Answer => phrase!(
                "{} leaves the prompt; there {} copies, {} asks again, {} shows all keys",
                key(Context::Prompt, Action::Back),
                key(Context::Transcript, Action::Copy),
                key(Context::Transcript, Action::Retry),
                key(Context::Transcript, Action::Help),
            ),
            Hint::Pool => phrase!(
                "{} switches an instance on or off, {} shows all of it, {} undoes",
                key(Context::Pool, Action::Toggle),
                key(Context::Pool, Action::Details),
                key(Context::Pool, Action::Undo),
            ),
            Hint::Failure => phrase!(
                "{} tells what went wrong and what to do, {} shows every attempt",
                key(Context::Prompt, Action::FocusErrors),
                key(Context::Prompt, Action::FocusRequests),
            ),
        }
    }
}
