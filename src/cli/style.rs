//! Colours on the command line: only where a person sees them, and never the only sign.

use std::io::IsTerminal;

use crate::config::Env;

/// Whether to colour what goes to one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// Never colours.
    pub const PLAIN: Self = Self { coloured: false };

    /// Colours when the stream is a terminal and nobody asked for none (`NO_COLOR`, `TERM=dumb`).
    pub fn of(stream: &impl IsTerminal, env: &Env) -> Self {
        let coloured = stream.is_terminal()
            && env.get("NO_COLOR").is_none()
            && env.get("TERM") != Some("dumb");
        Self { coloured }
    }

    /// Tells whether it colours.
    pub fn is_coloured(self) -> bool {
        self.coloured
    }

    /// For what went wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// For what may go wrong.
    pub fn doubtful(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// For what is well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what helps.
    pub fn helpful(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// For headings.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what matters less.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
