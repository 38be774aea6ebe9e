//! The terminal console: chat, pool and metrics in one screen.
//!
//! One loop ([`run`]) waits for keys, streams, deck events and deadlines; the app turns each event into new state
//! and effects; the loop carries the effects out and draws when something is different.
//!
//! ```text
//! action event effect frame theme terminal <- keymap state <- app <- view <- run
//! ```
//! State and app know no theme, no view, no terminal and no clock: times come in with the events.

mod action;
mod app;
mod clipboard;
pub mod composer;
mod effect;
mod event;
mod keymap;
mod run;
mod settings;
mod state;
pub mod term_env;
mod terminal;
pub mod text;
pub mod theme;
pub mod view;

use std::path::PathBuf;

use ratatui::crossterm::event::EventStream;
use tokio::time::Instant;

pub use settings::Settings;

use self::app::App;
use self::theme::Theme;
use self::view::Screen;
use crate::base::Error;
use crate::deck::Deck;

/// What the console is told by whoever starts it.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Where the instances come from, when a person should know: shown in the header (`embedded pool`).
    pub source_note: Option<String>,
    /// A sentence on it for the first screen: what to do for other instances.
    pub source_hint: Option<String>,
    /// Who may answer; the first one does. Without one, questions go without a system message.
    pub personas: Vec<Persona>,
    /// The balancing strategies that can be chosen.
    pub strategies: Vec<Strategy>,
    /// The program's version.
    pub version: String,
    /// Folders in which theme files are looked for.
    pub theme_dirs: Vec<PathBuf>,
}

/// A role that the model plays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Persona {
    /// Its name in lists.
    pub name: String,
    /// The system message.
    pub prompt: String,
    /// What the one who answers is called.
    pub role_name: String,
    /// What the one who asks is called.
    pub you_name: String,
}

/// A balancing strategy that can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strategy {
    /// Its name in the config.
    pub name: String,
    /// One line on it.
    pub about: String,
}

/// Why the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The person left.
    Quit,
    /// A signal asked for it (its number).
    Signal(i32),
    /// The terminal is gone.
    HungUp,
}

/// Runs the console on the real terminal until somebody leaves.
///
/// # Errors
/// When there is no terminal, when the theme is wrong, or when the terminal cannot be drawn on.
pub async fn start(deck: Deck, settings: Settings, context: Context) -> Result<ExitReason, Error> {
    let env = term_env::TermEnv::read();
    let theme = Theme::choose_in(settings.theme.as_deref(), &context.theme_dirs, &env)?;
    let mut session = terminal::open(&settings, env)?;
    let app = App::new(&settings, context, deck.board(), Instant::now());
    let screen = Screen::new(theme, settings.ascii);
    let ended = run::run(
        &mut session.terminal,
        EventStream::new(),
        deck,
        app,
        screen,
        &settings,
        &mut session.host,
        session.signals,
    )
    .await;
    session.host.settle();
    ended
}
