//! What the loop wants done outside the picture, done on the real terminal.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::modes::{self, MOUSE_OFF, MOUSE_ON, Modes};
use super::output::Output;
use super::{editor, notify, watch};
use crate::base::Error;
use crate::console::clipboard;
use crate::console::run::Host;
use crate::console::settings::Notice;
use crate::console::term_env::TermEnv;

/// The real terminal's host.
pub(crate) struct RealHost {
    output: Output,
    modes: Modes,
    env: TermEnv,
    notice: Notice,
}

impl RealHost {
    pub(crate) fn new(output: Output, modes: Modes, env: TermEnv, notice: Notice) -> Self {
        Self {
            output,
            modes,
            env,
            notice,
        }
    }

    /// Lets the last frame leave before the terminal is given back.
    pub(crate) fn settle(&self) {
        const PATIENCE: Duration = Duration::from_millis(300);
        self.output.settle(PATIENCE);
    }

    /// Sends something beside the frames; between two frames, because a frame is handed over whole.
    fn send(&mut self, sequence: &str) {
        // A line that is gone is noticed by the watch.
        let _ = self.output.write_all(sequence.as_bytes());
        let _ = self.output.flush();
    }
}

impl Host for RealHost {
    fn copy(&mut self, text: &str) -> Result<&'static str, Error> {
        let copied = clipboard::osc52(text, &self.env)?;
        self.send(&copied.sequence);
        Ok(copied.route)
    }

    fn mouse(&mut self, take: bool) {
        self.modes.mouse = take;
        self.send(if take { MOUSE_ON } else { MOUSE_OFF });
    }

    fn notify(&mut self, text: &str) {
        let sequence = notify::sequence(text, self.notice, &self.env);
        self.send(&sequence);
    }

    fn suspend(&mut self) -> io::Result<()> {
        /// The stop takes hold a moment after the signal was sent.
        const UNTIL_STOPPED: Duration = Duration::from_millis(20);
        self.settle();
        modes::leave();
        // The whole group, so that the shell also stops whoever started us in the foreground.
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
        thread::sleep(UNTIL_STOPPED);
        modes::take(self.modes)
    }

    /// The editor begins when this is polled, after the keys have been left alone.
    fn edit(&mut self, text: String) -> BoxFuture<'static, Result<String, Error>> {
        self.settle();
        watch::away(true);
        modes::leave();
        editor::run(text).boxed()
    }

    fn edited(&mut self) {
        watch::away(false);
        // If it cannot be taken back, the next frame fails and says so.
        let _ = modes::take(self.modes);
    }

    fn is_ready(&self) -> bool {
        self.output.is_idle()
    }

    async fn ready(&self) {
        self.output.idle().await;
    }

    fn resumed(&mut self) {
        // If it cannot be taken back, the next frame fails and says so.
        let _ = modes::take(self.modes);
    }
}
