//! The terminal's modes: what is switched on at the start is switched off at every end.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::{Once, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};

/// What the console asks of the terminal beside the alternate screen and bracketed paste.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    /// Clicks, wheel and dragging (1000, 1002 with 1006), never every movement (1003).
    pub(crate) mouse: bool,
    /// Keys reported exactly (kitty's first flag): Shift-Enter is not Enter.
    pub(crate) keyboard: bool,
}

/// Clicks, wheel, and movement while a button is held, in the form without limits on columns.
pub(crate) const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
/// The opposite.
pub(crate) const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// How long a slow line has for what gives the terminal back.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Whether the terminal is ours at this moment; one process has one terminal.
static OURS: Mutex<Option<Modes>> = Mutex::new(None);
static PANIC_HOOK: Once = Once::new();
/// What a panic said while the terminal was ours, and in which thread; it is printed when the terminal is given back.
static LAST_WORDS: Mutex<Option<(ThreadId, String)>> = Mutex::new(None);

/// Gives the terminal back when dropped.
#[derive(Debug)]
pub(crate) struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

impl Modes {
    fn on(self) -> String {
        let mut on = "\x1b[?1049h\x1b[2J\x1b[?2004h".to_owned();
        if self.mouse {
            on.push_str(MOUSE_ON);
        }
        if self.keyboard {
            on.push_str("\x1b[>1u");
        }
        on
    }

    /// Everything off, also what may not have been on: a restored terminal is worth a few bytes. The keyboard
    /// stack is popped twice, in case a stop in between pushed twice.
    fn off(self) -> String {
        let mut off = String::new();
        if self.keyboard {
            off.push_str("\x1b[<u\x1b[<u");
        }
        off.push_str(MOUSE_OFF);
        off.push_str("\x1b[?2004l\x1b[?2026l\x1b[0m\x1b[?1049l\x1b[?25h");
        off
    }
}

/// Takes the terminal, and sees to it that a panic gives it back.
pub(crate) fn enter(modes: Modes) -> io::Result<Guard> {
    PANIC_HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if OURS.lock().is_none() || keep_for_later(info) == Kept::Again {
                leave();
                before(info);
            }
        }));
    });
    take(modes)?;
    Ok(Guard(()))
}

/// Whether a panic came while another one of the same thread was still being dealt with.
#[derive(PartialEq, Eq)]
enum Kept {
    First,
    Again,
}

/// A panic's text would be lost on the alternate screen, and a panic in some background task must not take the
/// screen away from a console that goes on.
fn keep_for_later(info: &PanicHookInfo<'_>) -> Kept {
    let words = info.to_string();
    tracing::error!(panic = words);
    let thread = thread::current().id();
    let mut last = LAST_WORDS.lock();
    let again = last.as_ref().is_some_and(|(before, _)| *before == thread);
    *last = Some((thread, words));
    if again { Kept::Again } else { Kept::First }
}

/// Ends the program as a panic does, its text printed on the restored terminal.
pub(crate) fn die(payload: Box<dyn Any + Send>) -> ! {
    leave();
    if let Some((_, words)) = LAST_WORDS.lock().take() {
        // There is nobody left to tell if this fails.
        let _ = writeln!(io::stderr(), "{words}");
    }
    panic::resume_unwind(payload)
}

/// Takes the terminal again after a stop. The shell may have changed anything meanwhile.
pub(crate) fn take(modes: Modes) -> io::Result<()> {
    let mut ours = OURS.lock();
    if ours.is_some() {
        disable_raw_mode()?;
    }
    enable_raw_mode()?;
    *ours = Some(modes);
    write(&modes.on())
}

/// Gives the terminal back; does nothing when it is not ours. A line that takes nothing any more, with a frame on it
/// that holds standard output, is not waited for: the program ends all the same.
pub(crate) fn leave() {
    let Some(modes) = OURS.lock().take() else {
        return;
    };
    let (written, told) = mpsc::channel();
    let last = thread::Builder::new().name("leave".to_owned());
    // There is nobody left to tell if any of this fails.
    if last
        .spawn(move || written.send(write(&modes.off())))
        .is_ok()
    {
        let _ = told.recv_timeout(LAST_WRITE);
    }
    let _ = disable_raw_mode();
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_that_is_switched_on_is_switched_off() {
        let modes = Modes {
            mouse: true,
            keyboard: true,
        };
        let off = modes.off();
        for mode in modes
            .on()
            .split("\x1b[?")
            .filter_map(|part| part.split('h').next())
        {
            if mode.bytes().all(|b| b.is_ascii_digit()) && !mode.is_empty() {
                assert!(off.contains(&format!("\x1b[?{mode}l")), "{mode}");
            }
        }
        assert!(off.contains("\x1b[<u") && off.contains("\x1b[?25h"));
    }

    #[test]
    fn the_mouse_never_reports_every_movement() {
        let modes = Modes {
            mouse: true,
            keyboard: true,
        };
        assert!(!modes.on().contains("1003"));
    }
}
