//! The real binary in a pseudo-terminal: what a person sees, and what is left of the terminal afterwards.

use std::io::{Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use portable_pty::{Child, CommandBuilder, ExitStatus, PtyPair, PtySize, native_pty_system};
use tokio::time::Instant;

const SIZE: PtySize = PtySize {
    rows: 30,
    cols: 110,
    pixel_width: 0,
    pixel_height: 0,
};
/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, its terminal, and all that it has written.
pub(crate) struct Console {
    pair: PtyPair,
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    written: Arc<Mutex<Vec<u8>>>,
    /// The line discipline before the program took the terminal.
    before: String,
    home: Option<tempfile::TempDir>,
}

fn line_discipline(pair: &PtyPair) -> String {
    format!("{:?}", pair.master.get_termios())
}

impl Console {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::run(env!("CARGO_BIN_EXE_llmdeck"), arguments)
    }

    /// Runs a program in a terminal of its own.
    pub(crate) fn run(program: &str, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut console = Self::run_in(program, home.path(), arguments, &[]);
        console.home = Some(home);
        console
    }

    /// Starts it in a home that others use too, with more in its environment.
    pub(crate) fn start_in(
        home: &std::path::Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        Self::run_in(env!("CARGO_BIN_EXE_llmdeck"), home, arguments, variables)
    }

    fn run_in(
        program: &str,
        home: &std::path::Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system().openpty(SIZE).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("HOME", home);
        for (name, value) in variables {
            command.env(name, value);
        }
        command.cwd(home);
        let before = line_discipline(&pair);
        let child = pair.slave.spawn_command(command).unwrap();
        let mut output = pair.master.try_clone_reader().unwrap();
        let keyboard = pair.master.take_writer().unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&written);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                seen.lock().extend_from_slice(&bytes[..read]);
            }
        });
        Self {
            pair,
            child,
            keyboard,
            written,
            before,
            home: None,
        }
    }

    /// Presses keys, as bytes of a terminal.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    pub(crate) fn terminal(&self) -> vt100::Parser {
        let mut terminal = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
        terminal.process(&self.written.lock());
        terminal
    }

    pub(crate) fn screen(&self) -> String {
        self.terminal().screen().contents()
    }

    /// Waits until something is on the screen.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}:\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn until_shown(&self, text: &str) {
        self.until(text, |screen| screen.contains(text));
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, cols: u16, rows: u16) {
        let size = PtySize { rows, cols, ..SIZE };
        self.pair.master.resize(size).unwrap();
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it goes on:\n{}", self.screen());
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sees to it that every mode is off, the cursor is shown and the line discipline is back.
    pub(crate) fn assert_restored(&self) {
        let begun = Instant::now();
        // The last bytes may be on their way.
        while self.terminal().screen().alternate_screen() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        let terminal = self.terminal();
        let screen = terminal.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is shown");
        assert!(!screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let written = self.written.lock();
        let written = String::from_utf8_lossy(&written);
        let pushed = written.matches("\x1b[>1u").count();
        assert!(written.matches("\x1b[<u").count() >= pushed);
        assert!(!written.contains("\x1b[?1003h"), "never every movement");
        assert_eq!(line_discipline(&self.pair), self.before, "lines and echo");
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
    }
}

#[test]
fn start_ask_stream_toggle_quit_and_the_terminal_is_as_before() {
    let mut console = Console::start(&["demo", "--seed", "7"]);
    console.until_shown("Ask something.");
    console.press("What is a permit?\r");
    console.until_shown("› What is a permit?");
    console.until_shown("first token");
    console.press("\x1b2"); // Alt-2
    console.until_shown("on/off");
    console.press(" ");
    console.until_shown("5/6 on");
    console.until_shown("○ off");
    console.press("u");
    console.until_shown("6/6 on");
    console.press("?");
    console.until_shown("In the pool");
    console.press("q");
    console.until("the help is closed", |screen| {
        !screen.contains("In the pool")
    });
    console.press("q");
    assert!(console.ended().success());
    console.assert_restored();
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_and_the_terminal_is_as_before() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut console = Console::start(&["demo"]);
        console.until_shown("Ask something.");
        console.signal(signal);
        let status = console.ended();
        assert_eq!(
            status.exit_code(),
            128 + signal.as_raw() as u32,
            "{signal:?}"
        );
        console.assert_restored();
    }
}

#[cfg(unix)]
#[test]
fn it_stops_and_goes_on_with_a_whole_picture() {
    use rustix::process::Signal;
    let mut console = Console::start(&["demo"]);
    console.until_shown("Ask something.");
    console.press("a draft");
    console.until_shown("a draft");
    console.signal(Signal::STOP);
    thread::sleep(Duration::from_millis(100));
    console.written.lock().clear();
    console.signal(Signal::CONT);
    console.until_shown("a draft");
    console.until_shown("Ask something.");
    console.press("\x03\x03\x03");
    console.ended();
    console.assert_restored();
}

#[test]
fn a_paste_with_line_ends_sends_nothing() {
    let mut console = Console::start(&["demo", "--rate", "0"]);
    console.until_shown("Ask something.");
    console.press("\x1b[200~one\r\ntwo\nq\x1b[201~");
    console.until_shown("two");
    assert!(console.screen().contains("Ask something."));
    console.press("\x03");
    console.until("the draft is cleared", |screen| !screen.contains("two"));
    console.press("\x04");
    assert!(console.ended().success());
}

#[test]
fn a_terminal_of_ten_by_three_gets_a_message_and_no_panic() {
    let mut console = Console::start(&["demo"]);
    console.until_shown("Ask something.");
    let resize = |cols, rows| {
        let size = PtySize { rows, cols, ..SIZE };
        console.pair.master.resize(size).unwrap();
    };
    resize(10, 3);
    console.until_shown("too small");
    resize(SIZE.cols, SIZE.rows);
    console.until_shown("Ask something.");
    console.press("\x04");
    assert!(console.ended().success());
    console.assert_restored();
}
