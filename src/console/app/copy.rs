//! What can be copied: an answer, one block of code.

use super::{App, Effect, Tone};
use crate::console::state::code::blocks;
use crate::console::state::dialog::{Dialog, Entry, List, Then};
use crate::console::text;

impl App {
    /// Copies the current answer; without a choice, the last one that has any text.
    pub(super) fn copy(&mut self) -> Vec<Effect> {
        match self.answer_text() {
            Some(text) => vec![Effect::Copy(text.to_owned())],
            None => {
                self.say("there is no answer to copy yet", Tone::Note);
                Vec::new()
            }
        }
    }

    /// Copies the block of code in the current answer; asks which one when there are several.
    pub(super) fn copy_code(&mut self) -> Vec<Effect> {
        let mut blocks = self.answer_text().map(blocks).unwrap_or_default();
        match blocks.len() {
            0 => {
                self.say("there is no block of code in this answer", Tone::Note);
                Vec::new()
            }
            1 => vec![Effect::Copy(blocks.remove(0).text)],
            _ => {
                let entries = blocks.into_iter().map(|block| {
                    let first = block.text.lines().find(|line| !line.trim().is_empty());
                    let lines = block.text.lines().count();
                    Entry {
                        name: text::truncate(&text::display_safe(&block.language), 16).into_owned(),
                        about: format!(
                            "{lines:>4}  {}",
                            text::display_safe(first.unwrap_or_default().trim_end())
                        ),
                        current: false,
                        then: Then::Copy(block.text),
                    }
                });
                let mut list = List::new("Which block, and its lines", entries.collect());
                list.selected = list.entries.len() - 1;
                self.dialog = Some(Dialog::Choose(list));
                Vec::new()
            }
        }
    }

    fn answer_text(&self) -> Option<&str> {
        let current = self.chat.current()?;
        self.chat
            .turns()
            .take(current + 1)
            .rev()
            .filter_map(|turn| turn.reply())
            .map(|reply| reply.response().text.as_str())
            .find(|text| !text.is_empty())
    }
}
