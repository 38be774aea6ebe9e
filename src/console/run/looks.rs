//! Themes to choose from: those of the program and one's own, and how each looks on this terminal.

use std::path::PathBuf;

use crate::base::Error;
use crate::console::term_env::TermEnv;
use crate::console::theme::Theme;

/// What decides how a theme looks here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks {
    /// What the terminal can.
    pub(crate) env: TermEnv,
    /// Where people keep themes of their own.
    pub(crate) dirs: Vec<PathBuf>,
    /// The one that is shown; `auto` when the terminal decides.
    pub(crate) current: String,
}

impl Looks {
    /// Lists what can be chosen: names, and a line on each.
    pub(crate) fn list(dirs: &[PathBuf]) -> Vec<(String, String)> {
        let auto = ("auto", "dark or light, as the terminal says");
        let auto = (auto.0.to_owned(), auto.1.to_owned());
        [auto].into_iter().chain(Theme::list(dirs)).collect()
    }

    /// Makes a theme as it looks here.
    ///
    /// # Errors
    /// As [`Theme::load`].
    pub(crate) fn theme(&self, name: &str, paint: Option<bool>) -> Result<Theme, Error> {
        let theme = Theme::choose_in(Some(name), &self.dirs, &self.env)?;
        Ok(match paint {
            Some(paint) => theme.painted(paint),
            None => theme,
        })
    }
}
