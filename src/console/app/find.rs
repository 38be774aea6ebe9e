//! A line that is asked for: words to look for, a file to save in. And lines of the conversation, chosen by keyboard.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{App, Effect, Focus, Tone};
use crate::console::action::Action;
use crate::console::state::dialog::Dialog;
use crate::console::state::export;
use crate::console::state::line::{Line, Wanted};
use crate::console::state::search::Search;
use crate::console::state::select::Select;
use crate::console::words::{phrase, t};

/// More lines than any conversation has.
const ALL_LINES: isize = isize::MAX / 4;

impl App {
    /// Asks for words to look for.
    pub(super) fn open_search(&mut self) {
        if self.chat.is_empty() {
            self.say(t("nothing has been asked yet"), Tone::Note);
            return;
        }
        self.focus = Focus::Transcript;
        self.search = None;
        self.dialog = Some(Dialog::Line(Line {
            wanted: Wanted::Words,
            text: String::new(),
        }));
    }

    /// Goes to the next or previous place where the words are.
    pub(super) fn step_search(&mut self, by: isize) {
        let Some(search) = &mut self.search else {
            self.open_search();
            return;
        };
        if !search.step(by, &self.chat) {
            let said = phrase!("'{}' is nowhere in the conversation", search.query());
            self.say(said, Tone::Note);
        }
    }

    /// Asks where to save the conversation.
    pub(super) fn open_save(&mut self) {
        if self.chat.is_empty() {
            self.say(t("there is no conversation to save yet"), Tone::Note);
            return;
        }
        self.dialog = Some(Dialog::Line(Line {
            wanted: Wanted::SavePath,
            text: format!("{}.md", self.title_for_file()),
        }));
    }

    /// Saves the conversation.
    pub(super) fn save(&mut self, path: &str) -> Vec<Effect> {
        let path = path.trim();
        if path.is_empty() || self.chat.is_empty() {
            self.say(t("there is no conversation to save yet"), Tone::Note);
            return Vec::new();
        }
        vec![Effect::Save {
            path: path.to_owned(),
            text: export::markdown(&self.chat),
        }]
    }

    /// A key while a line is asked for.
    pub(super) fn type_into_line(&mut self, key: KeyEvent) {
        let Some(Dialog::Line(line)) = &mut self.dialog else {
            return;
        };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('u') if control => line.text.clear(),
            KeyCode::Char('w') if control => line.pop_word(),
            KeyCode::Char('h') if control => {
                line.pop();
            }
            KeyCode::Char(c) if !control && !alt => line.push(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace if control || alt => line.pop_word(),
            KeyCode::Backspace => {
                if !line.pop() {
                    self.dialog = None;
                    return;
                }
            }
            _ => return,
        }
        self.line_changed();
    }

    /// A paste while a line is asked for.
    pub(super) fn paste_into_line(&mut self, text: &str) {
        if let Some(Dialog::Line(line)) = &mut self.dialog {
            line.push(text);
            self.line_changed();
        }
    }

    /// What the keys of a line do beside typing.
    pub(super) fn act_in_line(&mut self, action: Action) -> Vec<Effect> {
        let Some(Dialog::Line(line)) = &self.dialog else {
            return Vec::new();
        };
        if action != Action::Choose {
            return Vec::new();
        }
        let line = line.clone();
        self.dialog = None;
        match line.wanted {
            Wanted::SavePath => self.save(&line.text),
            Wanted::Words => {
                let nothing = self.search.as_ref().is_none_or(|s| s.position().1 == 0);
                if line.text.trim().is_empty() {
                    self.search = None;
                } else if nothing {
                    let said = phrase!("'{}' is nowhere in the conversation", line.text);
                    self.say(said, Tone::Note);
                    self.search = None;
                }
                Vec::new()
            }
        }
    }

    /// Begins to choose lines.
    pub(super) fn begin_select(&mut self) {
        if self.chat.is_empty() {
            self.say(t("there is nothing to choose from here"), Tone::Note);
            return;
        }
        self.focus = Focus::Transcript;
        self.select = Some(Select::default());
    }

    /// What keys do while lines are chosen; `None` when they mean what they always do.
    pub(super) fn act_in_select(&mut self, action: Action) -> Option<Vec<Effect>> {
        let page = self.places.rows.max(2).cast_signed() - 1;
        let select = self.select.as_mut()?;
        match action {
            Action::ScrollUp => select.step(-1),
            Action::ScrollDown => select.step(1),
            Action::HalfPageUp => select.step(-page / 2),
            Action::HalfPageDown => select.step(page / 2),
            Action::PageUp => select.step(-page),
            Action::PageDown => select.step(page),
            Action::Top => select.step(-ALL_LINES),
            Action::Bottom => select.step(ALL_LINES),
            Action::Mark => select.toggle_mark(),
            Action::Copy => {
                let chosen = self.select.take().unwrap_or_default();
                return Some(vec![Effect::CopyLines(Box::new(chosen))]);
            }
            Action::Back | Action::Interrupt => self.select = None,
            _ => return None,
        }
        Some(Vec::new())
    }

    fn line_changed(&mut self) {
        let Some(Dialog::Line(line)) = &self.dialog else {
            return;
        };
        if line.wanted == Wanted::Words {
            let from = self.chat.scroll.anchor.turn;
            let search = self.search.get_or_insert_with(Search::default);
            search.look_for(&line.text, &self.chat, from);
        }
    }

    /// A name for a file, of the first words that were asked.
    fn title_for_file(&self) -> String {
        let first = self.chat.turn(0).map_or("", |turn| turn.question.as_str());
        let mut name = String::new();
        for word in first.split(|c: char| !c.is_alphanumeric()) {
            if word.is_empty() {
                continue;
            }
            if name.chars().count() + word.chars().count() > 40 {
                break;
            }
            if !name.is_empty() {
                name.push('-');
            }
            name.push_str(&word.to_lowercase());
        }
        if name.is_empty() {
            name.push_str("conversation");
        }
        name
    }
}
