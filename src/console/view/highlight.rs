//! Colours for code.

use ratatui::style::Style;

use crate::console::theme::{Role, Theme};

/// Colours the lines of one block of code, in order.
#[derive(Clone, Debug)]
pub(crate) struct Highlighter {}

impl Highlighter {
    /// Makes one for a language by the name that models give it.
    pub(crate) fn new(_language: &str) -> Self {
        Self {}
    }

    /// Makes one that colours nothing.
    pub(crate) fn plain() -> Self {
        Self {}
    }

    /// Colours the next line.
    pub(crate) fn line(&mut self, line: &str, theme: &Theme) -> Vec<(Style, String)> {
        vec![(theme.style(Role::CodeBlock), line.to_owned())]
    }
}
