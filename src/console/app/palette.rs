//! Calling an action by its name.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{App, Effect, Focus};
use crate::console::action::Action;
use crate::console::keymap;
use crate::console::state::dialog::Dialog;
use crate::console::state::palette::{Entry, Palette};
use crate::console::words::t;

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
