//! What the environment says about the terminal: colours, multiplexers, a remote line. Read once, at start.

use std::env;

/// What is known of the terminal from the environment, and from asking it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermEnv {
    /// `TERM`, empty when it is not set.
    pub term: String,
    /// `COLORTERM`, empty when it is not set.
    pub colorterm: String,
    /// `COLORFGBG`, as rxvt, konsole and others set it: foreground and background number.
    pub colorfgbg: Option<String>,
    /// Whether `NO_COLOR` is set to something.
    pub no_color: bool,
    /// Whether tmux stands between us and the terminal.
    pub tmux: bool,
    /// Whether GNU screen stands between us and the terminal.
    pub screen: bool,
    /// Whether the terminal is at the other end of an SSH line.
    pub ssh: bool,
    /// The terminal's background, if it has been asked (OSC 11): red, green, blue.
    pub background: Option<(u8, u8, u8)>,
}

/// How many colours a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: bold, dim, reverse and underline carry everything.
    Mono,
    /// The 16 colours that the terminal's own palette defines.
    Ansi16,
    /// The 256-colour cube.
    Ansi256,
    /// 24 bits.
    True,
}

impl TermEnv {
    /// Reads the process environment.
    pub fn read() -> Self {
        Self::from_vars(|name| env::var(name).ok())
    }

    /// Reads variables through a function, so that a test can make any environment.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| var(name).is_some_and(|value| !value.is_empty());
        let term = var("TERM").unwrap_or_default();
        let tmux = set("TMUX");
        // TERM alone may say "screen" inside tmux too; STY is screen's own.
        let screen = set("STY") || (!tmux && term.starts_with("screen"));
        Self {
            colorterm: var("COLORTERM").unwrap_or_default(),
            colorfgbg: var("COLORFGBG"),
            no_color: set("NO_COLOR"),
            tmux,
            screen: screen && !tmux,
            ssh: set("SSH_CONNECTION"),
            background: None,
            term,
        }
    }

    /// Tells how many colours may be used.
    pub fn depth(&self) -> Depth {
        let colorterm = self.colorterm.to_ascii_lowercase();
        if self.no_color || self.term == "dumb" {
            Depth::Mono
        } else if colorterm.contains("truecolor")
            || colorterm.contains("24bit")
            || self.term.ends_with("-direct")
        {
            Depth::True
        } else if self.term.contains("256") || !colorterm.is_empty() {
            Depth::Ansi256
        } else if self.term.starts_with("vt") || self.term.is_empty() && !cfg!(windows) {
            Depth::Mono
        } else {
            Depth::Ansi16
        }
    }

    /// Tells whether the background is light, if anything says so: the terminal itself, then `COLORFGBG`.
    pub fn is_light(&self) -> Option<bool> {
        if let Some((red, green, blue)) = self.background {
            let luma = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
            return Some(luma > 127_500);
        }
        let number: u8 = self
            .colorfgbg
            .as_deref()?
            .rsplit(';')
            .next()?
            .parse()
            .ok()?;
        (number < 16).then_some(matches!(number, 7 | 9..=15))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> TermEnv {
        TermEnv::from_vars(|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn depth_follows_what_the_terminal_says() {
        let depth = |vars: &[(&str, &str)]| env(vars).depth();
        assert_eq!(
            depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]),
            Depth::True
        );
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Ansi256);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Ansi16);
        assert_eq!(depth(&[("TERM", "xterm")]), Depth::Ansi16);
        assert_eq!(depth(&[("TERM", "dumb")]), Depth::Mono);
        assert_eq!(
            depth(&[
                ("TERM", "xterm-256color"),
                ("COLORTERM", "truecolor"),
                ("NO_COLOR", "1")
            ]),
            Depth::Mono
        );
        assert_eq!(
            depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]),
            Depth::Ansi256,
            "an empty NO_COLOR does not count"
        );
    }

    #[test]
    fn the_terminals_own_answer_beats_colorfgbg() {
        let mut env = env(&[("COLORFGBG", "15;0")]);
        assert_eq!(env.is_light(), Some(false));
        env.background = Some((250, 250, 240));
        assert_eq!(env.is_light(), Some(true));
    }

    #[test]
    fn colorfgbg_has_two_or_three_parts_and_may_be_nonsense() {
        assert_eq!(env(&[("COLORFGBG", "0;default;15")]).is_light(), Some(true));
        assert_eq!(env(&[("COLORFGBG", "12;8")]).is_light(), Some(false));
        assert_eq!(env(&[("COLORFGBG", "0;default")]).is_light(), None);
        assert_eq!(env(&[]).is_light(), None);
    }

    #[test]
    fn tmux_is_not_taken_for_screen() {
        let tmux = env(&[
            ("TERM", "screen-256color"),
            ("TMUX", "/tmp/tmux-0/default,1,0"),
        ]);
        assert!(tmux.tmux && !tmux.screen);
        assert!(env(&[("TERM", "screen"), ("STY", "1.pts-0")]).screen);
    }
}
