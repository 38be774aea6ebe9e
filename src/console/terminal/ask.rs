//! Asks the terminal for its background colour, for a theme that can be read on it.
//!
//! The question (OSC 11) is followed by one that every terminal answers (DA1), so that one which does not know the
//! first is not waited for. A line that is too slow is not waited for either; what it answers later is taken out of
//! the keys by [`late`].

use std::io::{self, Write};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::time::Instant;

const QUESTION: &[u8] = b"\x1b]11;?\x1b\\\x1b[c";
/// How long the first frame may wait for the answer.
const PATIENCE: Duration = Duration::from_millis(120);
/// The longest answer that is read.
const LONGEST: usize = 256;

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Background {
    /// Red, green, blue.
    Is((u8, u8, u8)),
    /// The terminal does not say.
    Unknown,
    /// Nothing came in time; it may still come.
    Late,
}

/// Asks, and waits a moment. Only before anybody else reads the input.
pub(crate) fn background() -> Background {
    match ask() {
        Ok(background) => background,
        Err(_) => Background::Unknown,
    }
}

fn ask() -> io::Result<Background> {
    let mut out = io::stdout().lock();
    out.write_all(QUESTION)?;
    out.flush()?;
    drop(out);
    let stdin = io::stdin();
    let until = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    while answer.len() < LONGEST {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Background::Late);
        }
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
        if poll(&mut watched, Some(&timeout))? == 0 {
            return Ok(Background::Late);
        }
        let mut bytes = [0; 64];
        match rustix::io::read(&stdin, &mut bytes)? {
            0 => return Ok(Background::Unknown),
            read => answer.extend_from_slice(&bytes[..read]),
        }
        if has_device_attributes(&answer) {
            break;
        }
    }
    Ok(colour(&answer).map_or(Background::Unknown, Background::Is))
}

/// Tells whether the answer to the second question is there: `ESC [ ? ... c`.
fn has_device_attributes(answer: &[u8]) -> bool {
    answer
        .windows(3)
        .position(|window| window == b"\x1b[?")
        .is_some_and(|at| answer[at..].contains(&b'c'))
}

/// Reads `ESC ] 11 ; rgb:RRRR/GGGG/BBBB`, with one to four digits a part.
fn colour(answer: &[u8]) -> Option<(u8, u8, u8)> {
    let text = String::from_utf8_lossy(answer);
    let (_, rest) = text.split_once("]11;")?;
    let (_, rest) = rest.split_once(':')?;
    let mut parts = rest.split('/').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_hexdigit).collect();
        let most = 16_u32.checked_pow(u32::try_from(digits.len()).ok()?)? - 1;
        let value = u32::from_str_radix(&digits, 16).ok()?;
        u8::try_from(value * 255 / most.max(1)).ok()
    });
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// Takes a late answer out of the keys. crossterm reads it as Alt-] and what follows as typed text.
pub(crate) fn late(
    input: impl Stream<Item = io::Result<Event>> + Unpin,
    expected: bool,
) -> impl Stream<Item = io::Result<Event>> + Unpin {
    /// How long after the start an answer may come.
    const LATEST: Duration = Duration::from_secs(5);
    let until = Instant::now() + LATEST;
    let mut left = 0_usize;
    let mut expected = expected;
    input.filter(move |event| {
        let keep = match event {
            Ok(Event::Key(key)) if expected && Instant::now() < until => {
                if left == 0 && begins(key) {
                    left = 32;
                    false
                } else if left > 0 {
                    left -= 1;
                    if ends(key) || left == 0 {
                        (left, expected) = (0, false);
                    }
                    false
                } else {
                    true
                }
            }
            _ => true,
        };
        std::future::ready(keep)
    })
}

fn begins(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char(']') && key.modifiers.contains(KeyModifiers::ALT)
}

/// The answer ends with `ESC \` (Alt-\) or BEL (Ctrl-G).
fn ends(key: &KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('\\') => key.modifiers.contains(KeyModifiers::ALT),
        KeyCode::Char('g') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_read_in_every_length_and_with_both_ends() {
        assert_eq!(
            colour(b"\x1b]11;rgb:ffff/8080/0000\x1b\\"),
            Some((255, 128, 0))
        );
        assert_eq!(colour(b"\x1b]11;rgb:ff/80/00\x07"), Some((255, 128, 0)));
        assert_eq!(colour(b"\x1b]11;rgba:f/0/0/f\x07"), Some((255, 0, 0)));
        assert_eq!(colour(b"\x1b]11;rgb:zz/80/00\x07"), None);
        assert_eq!(colour(b"\x1b[?62;c"), None);
        assert_eq!(colour(b"\x1b]11;rgb:ffffffffff/0/0"), None);
    }

    #[test]
    fn a_terminal_that_knows_no_colours_is_not_waited_for() {
        assert!(has_device_attributes(b"\x1b[?62;22c"));
        assert!(!has_device_attributes(b"\x1b]11;rgb:ffff/ffff/cccc"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_not_typed_into_the_prompt() {
        let key = |c, modifiers| Ok(Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers)));
        let plain = KeyModifiers::NONE;
        let mut events = vec![key('a', plain), key(']', KeyModifiers::ALT)];
        events.extend("11;rgb:1c1c/1c1c/1c1c".chars().map(|c| key(c, plain)));
        events.push(key('\\', KeyModifiers::ALT));
        events.push(key('b', plain));
        events.push(key(']', KeyModifiers::ALT));
        let kept: Vec<_> = late(futures_util::stream::iter(events), true)
            .filter_map(|event| async move {
                match event {
                    Ok(Event::Key(key)) => Some(key.code),
                    _ => None,
                }
            })
            .collect()
            .await;
        let expected = ['a', 'b', ']'].map(KeyCode::Char);
        assert_eq!(kept, expected);
    }
}
