//! What a person can set about the console; `[console]` in the config.

use serde::{Deserialize, Serialize};

use super::keymap::KeySettings;
use super::words::LangChoice;

/// How something is told when nobody may be looking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    /// On the screen alone.
    Silent,
    /// By the terminal's bell.
    #[default]
    Bell,
    /// By a notification that the terminal shows on the desktop, where it can.
    Desktop,
}

/// How the console looks and behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A built-in theme's name or a theme file; `None` chooses by what the terminal says.
    pub theme: Option<String>,
    /// Whether the console takes clicks and the wheel; holding Shift selects text in most terminals all the same.
    pub mouse: bool,
    /// Whether only ASCII symbols are drawn.
    pub ascii: bool,
    /// The most frames drawn in a second while something streams, 1 to 60; keys are answered at once.
    pub frames_per_second: u32,
    /// How many earlier questions go along with a new one, with their answers; 0 for none.
    pub history_turns: usize,
    /// Whether terminals that can are asked to report keys exactly (Shift-Enter).
    pub keyboard_enhancement: bool,
    /// How an alert is told beside the screen.
    pub alerts: Notice,
    /// Whether anything on the screen moves by time alone, such as the seconds of an answer that is awaited.
    pub animations: bool,
    /// The language of the interface.
    pub lang: LangChoice,
    /// Keys by context and action, laid over the usual ones.
    pub keys: KeySettings,
}

impl Settings {
    /// Tells whether a theme is named, so that neither the terminal nor what was chosen before decides.
    pub(crate) fn names_theme(&self) -> bool {
        self.theme.as_deref().is_some_and(|name| name != "auto")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: None,
            mouse: true,
            ascii: false,
            frames_per_second: 12,
            history_turns: 30,
            keyboard_enhancement: true,
            alerts: Notice::Bell,
            animations: true,
            lang: LangChoice::Auto,
            keys: KeySettings::new(),
        }
    }
}
