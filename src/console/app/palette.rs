//! Calling an action by its name.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{App, Effect, Focus};
use crate::base::{Command, InstanceView};
use crate::console::action::Action;
use crate::console::keymap;
use crate::console::state::dialog::{Dialog, Question, Then};
use crate::console::state::orders;
use crate::console::state::palette::{Entry, Palette};
use crate::console::words::{phrase, t};

impl App {
    /// Opens the palette.
    pub(super) fn open_palette(&mut self) {
        let mut listed = self.keymap.all(self.focus_context());
        // Nobody looks for the arrow keys here.
        listed.sort_by_key(|listed| listed.action.is_movement());
        let entries = listed
            .into_iter()
            .filter(|listed| listed.action != Action::Palette)
            .map(|what| Entry {
                title: t(what.action.about()).to_owned(),
                name: what.action.name(),
                what,
            })
            .collect();
        self.dialog = Some(Dialog::Palette(Palette::new(entries)));
    }

    /// Does what is selected in the palette, where it belongs.
    pub(super) fn call_chosen(&mut self) -> Vec<Effect> {
        let Some(Dialog::Palette(palette)) = &self.dialog else {
            return Vec::new();
        };
        let written = palette.query().to_owned();
        if orders::find(&written).is_some() {
            return self.order(&written);
        }
        let Some(what) = palette.chosen().map(|entry| entry.what.clone()) else {
            return Vec::new();
        };
        self.dialog = None;
        match what.context {
            keymap::Context::Prompt => self.focus = Focus::Prompt,
            keymap::Context::Transcript => self.focus = Focus::Transcript,
            keymap::Context::Pool => self.focus = Focus::Pool,
            keymap::Context::Metrics => self.focus = Focus::Metrics,
            keymap::Context::Requests => self.focus = Focus::Requests,
            keymap::Context::Errors => self.focus = Focus::Errors,
            keymap::Context::Log => self.focus = Focus::Log,
            keymap::Context::Global
            | keymap::Context::Browse
            | keymap::Context::Filter
            | keymap::Context::Help
            | keymap::Context::Confirm
            | keymap::Context::Choose
            | keymap::Context::Library
            | keymap::Context::Palette
            | keymap::Context::Line
            | keymap::Context::Select => {}
        }
        let key = what.chord.map_or_else(
            || KeyEvent::new(KeyCode::Null, KeyModifiers::NONE),
            keymap::Chord::event,
        );
        self.act(what.action, key)
    }

    /// Does what is written with words behind its name. What is wrong with it is said where it can be mended.
    fn order(&mut self, written: &str) -> Vec<Effect> {
        let meant: Vec<InstanceView> = self.meant();
        let selected: Vec<_> = meant.into_iter().map(|view| view.name).collect();
        let board = if self.frozen.is_some() {
            &self.live
        } else {
            &self.pool.board
        };
        let read = orders::read(written, &selected, board);
        let commands = match (read, &mut self.dialog) {
            (Ok(commands), _) => commands,
            (Err(wrong), Some(Dialog::Palette(palette))) => {
                palette.wrong = Some(wrong);
                return Vec::new();
            }
            (Err(_), _) => return Vec::new(),
        };
        self.dialog = None;
        let leaving: Vec<&str> = commands
            .iter()
            .filter_map(|command| match command {
                Command::RemoveInstance { instance } => Some(instance.as_str()),
                _ => None,
            })
            .collect();
        if leaving.is_empty() {
            return self.give(commands);
        }
        // It cannot be taken back: what was set up is forgotten with it.
        self.dialog = Some(Dialog::Confirm(Question {
            text: phrase!(
                "{} takes nothing new, and is gone when its last request has ended. This cannot be taken back.",
                leaving.join(", ")
            ),
            yes: "remove it",
            no: "leave it",
            then: Then::Commands(commands),
        }));
        Vec::new()
    }

    /// A key that is no command of the palette is a part of what is looked for.
    pub(super) fn type_into_palette(&mut self, key: KeyEvent) {
        let Some(Dialog::Palette(palette)) = &mut self.dialog else {
            return;
        };
        let is_plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) if is_plain => palette.push(c.encode_utf8(&mut [0; 4])),
            KeyCode::Char('u' | 'w') => palette.clear(),
            KeyCode::Backspace if palette.query().is_empty() => self.dialog = None,
            KeyCode::Backspace => palette.pop(),
            _ => {}
        }
    }
}
