//! Looks out for what ends the program from outside: signals, and a terminal that vanishes.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::modes;
use crate::console::ExitReason;
use crate::console::run::Signal;

/// How long the loop has for a clean end before it is cut short.
const GRACE: Duration = Duration::from_millis(500);
/// The number that a shell gives to a program ended by SIGHUP is 128 more.
const SIGHUP: i32 = 1;

/// Whether an editor has the terminal: what its keys send to everybody in the foreground is meant for it.
static AWAY: AtomicBool = AtomicBool::new(false);

/// Notes whether an editor has the terminal.
pub(crate) fn away(away: bool) {
    AWAY.store(away, Ordering::SeqCst);
}

/// Tells whether a key sends a signal.
fn by_key(kind: SignalKind) -> bool {
    kind == SignalKind::interrupt() || kind == SignalKind::quit()
}

/// Hears the signals that end or continue a program.
pub(crate) fn signals(tell: &mpsc::Sender<Signal>) -> io::Result<()> {
    for kind in [
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
    ] {
        let mut heard = signal(kind)?;
        let tell = tell.clone();
        tokio::spawn(async move {
            while heard.recv().await.is_some() {
                if AWAY.load(Ordering::SeqCst) && by_key(kind) {
                    continue;
                }
                let number = kind.as_raw_value();
                // A full channel means that the end is on its way.
                let _ = tell.try_send(Signal::Leave(ExitReason::Signal(number)));
                tokio::time::sleep(GRACE).await;
                end_at_once(number);
            }
        });
    }
    let mut continued = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
    let tell = tell.clone();
    tokio::spawn(async move {
        while continued.recv().await.is_some() {
            if tell.send(Signal::Continued).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Waits in a thread of its own until the terminal is gone. crossterm's reader would spin on a dead line, with a
/// whole core.
pub(crate) fn hang_up(tell: mpsc::Sender<Signal>) -> io::Result<()> {
    thread::Builder::new()
        .name("hang-up".to_owned())
        .spawn(move || {
            if terminal_vanishes() {
                let _ = tell.try_send(Signal::Leave(ExitReason::HungUp));
                thread::sleep(GRACE / 10);
                end_at_once(SIGHUP);
            }
        })?;
    Ok(())
}

/// Blocks until the terminal hangs up; `false` when that cannot be seen here.
fn terminal_vanishes() -> bool {
    let stdin = io::stdin();
    loop {
        let mut watched = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(_) => {
                let seen = watched[0].revents();
                if seen.intersects(PollFlags::HUP | PollFlags::ERR) {
                    return true;
                }
                if seen.contains(PollFlags::NVAL) {
                    return false;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn end_at_once(number: i32) {
    modes::leave();
    process::exit(128 + number);
}
