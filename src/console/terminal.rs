//! The real terminal: taken at the start, given back at the end, whatever the end is.
//!
//! Exit, error, panic, SIGTERM, SIGHUP, SIGINT and SIGQUIT restore it; when it vanishes the program ends at once
//! instead of spinning on a dead line.

pub(crate) mod ask;
mod editor;
mod host;
mod keyboard;
mod modes;
mod notify;
mod output;
mod paint;
mod quiet;
mod watch;

use std::io::{self, IsTerminal};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc;

pub(crate) use host::RealHost;
pub(crate) use keyboard::Keyboard;
pub(crate) use modes::die;
pub(crate) use quiet::Quiet;

use self::modes::Modes;
use self::output::Output;
use super::run::Signal;
use super::settings::Settings;
use super::term_env::TermEnv;
use crate::base::{Error, ErrorKind};

/// The terminal while it is ours.
pub(crate) struct Session {
    pub(crate) terminal: Terminal<Quiet<Output>>,
    pub(crate) host: RealHost,
    pub(crate) signals: mpsc::Receiver<Signal>,
    /// Gives the terminal back when dropped.
    pub(crate) modes: modes::Guard,
}

/// Takes the terminal.
///
/// # Errors
/// When input or output is not a terminal, or the terminal cannot be switched.
pub(crate) fn open(settings: &Settings, env: &TermEnv) -> Result<Session, Error> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Error::new(
            ErrorKind::Config,
            "the console needs a terminal, and this is not one",
        )
        .with_hint("use 'llmdeck chat \"question\"' in pipes and scripts"));
    }
    if env.term == "dumb" {
        return Err(Error::new(
            ErrorKind::Config,
            "this terminal (TERM=dumb) cannot draw a screen",
        )
        .with_hint("use 'llmdeck chat \"question\"'"));
    }
    let modes = Modes {
        mouse: settings.mouse,
        keyboard: settings.keyboard_enhancement && env.term != "linux",
    };
    // NO_COLOR is honoured by the theme; crossterm's own way would also take bold and reverse.
    ratatui::crossterm::style::force_color_output(true);
    let guard = modes::enter(modes).map_err(|error| cannot_take(&error))?;
    let output = Output::start().map_err(|error| cannot_take(&error))?;
    let (sender, signals) = mpsc::channel(8);
    watch::signals(&sender).map_err(|error| cannot_take(&error))?;
    watch::hang_up(sender).map_err(|error| cannot_take(&error))?;
    let terminal = Terminal::new(Quiet::new(CrosstermBackend::new(output.clone())))
        .map_err(|error| cannot_take(&error))?;
    Ok(Session {
        terminal,
        host: RealHost::new(output, modes, env.clone(), settings.alerts),
        signals,
        modes: guard,
    })
}

fn cannot_take(error: &io::Error) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("cannot take the terminal: {error}"),
    )
    .with_hint("'llmdeck chat \"question\"' works without a screen")
}
