//! Copying to the clipboard of whoever sits at the terminal, also over SSH: the terminal is asked to do it (OSC 52).
//!
//! No terminal answers whether it did, so the caller says which way the text went and what that way needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::{Error, ErrorKind};
use crate::console::term_env::TermEnv;
use crate::console::text;

/// The most that is sent, in bytes after encoding: what xterm and others accept at most (74,994).
pub const MOST_ENCODED: usize = 74_994;

/// How many bytes GNU screen passes on at once.
const SCREEN_PIECE: usize = 200;

/// What to write to the terminal, and how to speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The bytes to write, all at once and between frames.
    pub sequence: String,
    /// Which way it goes, for people, with what that way needs.
    pub route: &'static str,
}

/// Makes the sequence that copies a text, wrapped for what stands between us and the terminal.
///
/// # Errors
/// `invalid_request`: nothing to copy, too much to copy, or a terminal that has no clipboard.
pub fn osc52(text: &str, env: &TermEnv) -> Result<Copied, Error> {
    if text.is_empty() {
        return Err(Error::new(ErrorKind::InvalidRequest, "nothing to copy"));
    }
    if matches!(env.term.as_str(), "linux" | "dumb") {
        let message = format!("a terminal of type '{}' has no clipboard", env.term);
        let error = Error::new(ErrorKind::InvalidRequest, message);
        return Err(error.with_hint("save the answer to a file instead"));
    }
    // Four bytes for every three.
    let encoded_length = text.len().div_ceil(3) * 4;
    if encoded_length > MOST_ENCODED {
        let message = format!(
            "{}B are too much to copy through the terminal, which takes {}B",
            text::count(text.len() as u64),
            text::count(MOST_ENCODED as u64 / 4 * 3),
        );
        let error = Error::new(ErrorKind::InvalidRequest, message);
        return Err(error.with_hint("copy one block of code, or save the answer to a file"));
    }
    let encoded = STANDARD.encode(text);
    let plain = format!("\u{1b}]52;c;{encoded}\u{7}");
    Ok(match (env.tmux, env.screen, env.ssh) {
        (true, ..) => Copied {
            sequence: through_tmux(&plain),
            route: "by OSC 52 through tmux (needs 'set -g set-clipboard on')",
        },
        (_, true, _) => Copied {
            sequence: through_screen(&plain),
            route: "by OSC 52 through screen",
        },
        (.., true) => Copied {
            sequence: plain,
            route: "by OSC 52 to the terminal at your end of the SSH line",
        },
        (.., false) => Copied {
            sequence: plain,
            route: "by OSC 52 to this terminal",
        },
    })
}

/// Asks tmux itself (`set-clipboard on`), and then what it shows on (`allow-passthrough on`): whichever is switched on
/// copies, and both copy the same.
fn through_tmux(plain: &str) -> String {
    let doubled = plain.replace('\u{1b}', "\u{1b}\u{1b}");
    format!("{plain}\u{1b}Ptmux;{doubled}\u{1b}\\")
}

/// Passes the sequence on in device control strings, which screen takes only in pieces.
fn through_screen(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len() * 51 / 50 + 4);
    let mut rest = plain;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(SCREEN_PIECE));
        out.push_str("\u{1b}P");
        out.push_str(piece);
        out.push_str("\u{1b}\\");
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xterm() -> TermEnv {
        TermEnv {
            term: "xterm-256color".to_owned(),
            ..TermEnv::default()
        }
    }

    /// Takes the text out of a sequence again, as the terminal would.
    fn received(sequence: &str) -> String {
        let start = sequence.find("]52;c;").unwrap() + 6;
        let end = start + sequence[start..].find('\u{7}').unwrap();
        String::from_utf8(STANDARD.decode(&sequence[start..end]).unwrap()).unwrap()
    }

    #[test]
    fn a_terminal_gets_the_text_as_it_is() {
        let copied = osc52("héllo, 你好\n", &xterm()).unwrap();
        assert!(copied.sequence.starts_with("\u{1b}]52;c;"));
        assert_eq!(received(&copied.sequence), "héllo, 你好\n");
        assert_eq!(copied.route, "by OSC 52 to this terminal");
    }

    #[test]
    fn the_route_is_said() {
        let ssh = TermEnv {
            ssh: true,
            ..xterm()
        };
        assert!(osc52("x", &ssh).unwrap().route.contains("SSH"));
        let tmux = TermEnv {
            tmux: true,
            ssh: true,
            ..xterm()
        };
        assert!(osc52("x", &tmux).unwrap().route.contains("tmux"));
    }

    #[test]
    fn tmux_is_asked_itself_and_passed_through() {
        let tmux = TermEnv {
            tmux: true,
            ..xterm()
        };
        assert_eq!(
            osc52("hi", &tmux).unwrap().sequence,
            "\u{1b}]52;c;aGk=\u{7}\u{1b}Ptmux;\u{1b}\u{1b}]52;c;aGk=\u{7}\u{1b}\\"
        );
    }

    #[test]
    fn screen_gets_pieces_that_it_takes() {
        let screen = TermEnv {
            screen: true,
            ..xterm()
        };
        let text = "x".repeat(1_000);
        let sequence = osc52(&text, &screen).unwrap().sequence;
        let mut joined = String::new();
        for piece in sequence.split_terminator("\u{1b}\\") {
            let piece = piece.strip_prefix("\u{1b}P").unwrap();
            assert!(piece.len() <= SCREEN_PIECE);
            joined.push_str(piece);
        }
        assert_eq!(received(&joined), text);
    }

    #[test]
    fn too_much_is_refused_with_what_to_do() {
        let most = MOST_ENCODED / 4 * 3;
        let fits = osc52(&"x".repeat(most), &xterm()).unwrap();
        assert!(fits.sequence.len() <= MOST_ENCODED + 8);
        let error = osc52(&"x".repeat(most + 1), &xterm()).unwrap_err();
        assert!(error.message().contains("too much"), "{error}");
        assert!(error.hint().contains("code"));
    }

    #[test]
    fn a_terminal_without_a_clipboard_says_so() {
        let linux = TermEnv {
            term: "linux".to_owned(),
            ..TermEnv::default()
        };
        assert!(
            osc52("x", &linux)
                .unwrap_err()
                .message()
                .contains("'linux'")
        );
        assert!(osc52("", &xterm()).is_err());
    }
}
