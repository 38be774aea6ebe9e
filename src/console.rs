//! The terminal console: chat, pool and metrics in one screen.
//!
//! One loop (`run`) waits for keys, streams, deck events and deadlines; the app turns each event into new state
//! and effects; the loop carries the effects out and draws when something is different.
//!
//! ```text
//! action event effect words theme terminal <- keymap state <- app <- view <- run
//! ```
//! State and app know no theme, no view, no terminal and no clock: times come in with the events.

mod action;
mod app;
mod archive;
pub mod clipboard;
pub mod composer;
mod effect;
mod event;
mod keymap;
mod memory;
mod run;
mod settings;
mod state;
pub mod term_env;
mod terminal;
#[cfg(test)]
mod tests;
pub mod text;
pub mod theme;
pub mod view;
mod words;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

pub use archive::{Archive, Kept};

pub use keymap::{KeyProblem, KeySettings, Keys, check_keys, key_actions, key_contexts};
pub use memory::Memory;
pub use settings::{Notice, Settings};
pub use words::LangChoice;

use self::app::App;
use self::run::Face;
use self::run::looks::Looks;
use self::term_env::{Depth, TermEnv};
use self::terminal::Keyboard;
use self::terminal::ask::{self, Background};
use self::theme::Theme;
use self::view::Screen;
use crate::base::{Error, LogSource};
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
    /// The program's version.
    pub version: String,
    /// Folders in which theme files are looked for.
    pub theme_dirs: Vec<PathBuf>,
    /// The last lines of the log, when there is one.
    pub log: Option<Arc<dyn LogSource>>,
    /// A time of the wall clock and its zone, for a screen that must not depend on the system's.
    pub clock: Option<(Timestamp, TimeZone)>,
    /// The name under which others are told of this console's commands, when it is not the usual one.
    pub by: Option<String>,
    /// Where conversations are kept.
    pub kept: Kept,
    /// What is remembered from run to run beside them.
    pub memory: Memory,
    /// Who waits for the first frame.
    pub drawn: Option<Arc<tokio::sync::Notify>>,
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

/// Tells whether light or dark decides the theme, and the terminal can be asked.
fn wants_background(theme: &str, env: &TermEnv) -> bool {
    theme == "auto" && env.depth() > Depth::Ansi16
}

/// The theme that the config names, else the one that was chosen the last time, else what the terminal says.
fn first_theme(settings: &Settings, context: &Context, looks: &mut Looks) -> Result<Theme, Error> {
    let paint = context.memory.notes.paint;
    if settings.names_theme() {
        looks.current = settings.theme.clone().unwrap_or_default();
        return looks.theme(&looks.current, paint);
    }
    if let Some(chosen) = &context.memory.notes.theme
        && let Ok(theme) = looks.theme(chosen, paint)
    {
        looks.current.clone_from(chosen);
        return Ok(theme);
    }
    "auto".clone_into(&mut looks.current);
    looks.theme("auto", paint)
}

/// Runs the console on the real terminal until somebody leaves.
///
/// # Errors
/// When there is no terminal, when the theme is wrong, or when the terminal cannot be drawn on.
pub async fn start(deck: Deck, settings: Settings, context: Context) -> Result<ExitReason, Error> {
    let mut looks = Looks {
        env: TermEnv::read(),
        dirs: context.theme_dirs.clone(),
        current: String::new(),
    };
    // A wrong theme is said before the terminal is taken.
    let mut theme = first_theme(&settings, &context, &mut looks)?;
    let mut session = terminal::open(&settings, &looks.env)?;
    let mut answers_late = false;
    if wants_background(&looks.current, &looks.env) {
        match ask::background() {
            Background::Is(colour) => looks.env.background = Some(colour),
            Background::Unknown => {}
            Background::Late => answers_late = true,
        }
        theme = first_theme(&settings, &context, &mut looks)?;
    }
    words::speak(settings.lang.resolve(|name| std::env::var(name).ok()));
    let log = context.log.clone();
    let face = Face {
        app: App::new(&settings, context, deck.board(), Instant::now()),
        screen: Screen::new(theme, settings.ascii),
        frames_per_second: settings.frames_per_second,
        log,
        looks,
    };
    let run = run::run(
        &mut session.terminal,
        Keyboard::new(answers_late),
        deck,
        face,
        &mut session.host,
        session.signals,
    );
    let ended = AssertUnwindSafe(run).catch_unwind().await;
    session.host.settle();
    drop(session.modes);
    ended.unwrap_or_else(|panic| terminal::die(panic))
}
