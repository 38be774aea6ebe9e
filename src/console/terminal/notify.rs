//! Telling something when nobody may be looking at the screen: the bell, or a notification that the terminal shows.

use crate::base::{clean_line, shorten};
use crate::console::settings::Notice;
use crate::console::term_env::TermEnv;

/// The longest text of a notification, in characters.
const LONGEST: usize = 200;
const BELL: &str = "\x07";

/// Makes what is sent to the terminal. The text comes from outside: nothing in it can end the sequence.
pub(super) fn sequence(text: &str, notice: Notice, env: &TermEnv) -> String {
    let text = shorten(&clean_line(text), LONGEST).replace(';', ",");
    let sequence = match notice {
        Notice::Silent => return String::new(),
        Notice::Bell => return BELL.to_owned(),
        Notice::Desktop => match env.term.as_str() {
            term if term.contains("kitty") => format!("\x1b]99;;llmdeck: {text}\x1b\\"),
            term if ["rxvt", "foot", "ghostty"]
                .iter()
                .any(|name| term.contains(name)) =>
            {
                format!("\x1b]777;notify;llmdeck;{text}\x1b\\")
            }
            _ => format!("\x1b]9;llmdeck: {text}\x1b\\"),
        },
    };
    if env.tmux {
        // tmux hands on what stands in its own envelope, every escape doubled.
        format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
    } else {
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(term: &str, tmux: bool) -> TermEnv {
        TermEnv {
            term: term.to_owned(),
            tmux,
            ..TermEnv::default()
        }
    }

    #[test]
    fn each_terminal_is_told_in_its_own_way() {
        let sent = |notice, term| sequence("a; b\x1b]0;x\x07", notice, &env(term, false));
        assert_eq!(sent(Notice::Silent, "xterm"), "");
        assert_eq!(sent(Notice::Bell, "xterm"), "\x07");
        assert!(sent(Notice::Desktop, "xterm-256color").starts_with("\x1b]9;llmdeck: a, b"));
        assert!(sent(Notice::Desktop, "xterm-kitty").starts_with("\x1b]99;;"));
        let foot = sent(Notice::Desktop, "foot");
        assert!(foot.starts_with("\x1b]777;notify;llmdeck;a, b"));
        assert_eq!(
            foot.matches('\x1b').count(),
            2,
            "nothing hostile gets through: {foot:?}"
        );
    }

    #[test]
    fn tmux_hands_it_on() {
        let sent = sequence("x", Notice::Desktop, &env("tmux-256color", true));
        assert!(sent.starts_with("\x1bPtmux;\x1b\x1b]9;") && sent.ends_with("\x1b\\"));
    }
}
