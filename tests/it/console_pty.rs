//! The real binary in a pseudo-terminal: what a person sees, and what is left of the terminal afterwards.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
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
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program, its terminal, and all that it has written.
pub(crate) struct Console {
    pair: PtyPair,
    child: Box<dyn Child + Send + Sync>,
    /// To the thread that writes what is typed, and back when it was taken.
    keyboard: (Sender<Vec<u8>>, Receiver<io::Result<()>>),
    written: Arc<Mutex<Written>>,
    /// Whether the terminal takes nothing at the moment.
    stuck: Arc<AtomicBool>,
    /// The line discipline before the program took the terminal.
    before: String,
    home: Option<tempfile::TempDir>,
}

/// What the terminal was sent, and what it shows.
struct Written {
    bytes: Vec<u8>,
    terminal: vt100::Parser,
}

impl Written {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            terminal: vt100::Parser::new(SIZE.rows, SIZE.cols, 0),
        }
    }

    /// Shows bytes. The terminal of these tests cannot bear a wide letter where it has become a column wide, and is
    /// then replaced by a new one: nobody would read the other side any more, and every program would be stuck.
    fn show(&mut self, bytes: &[u8]) {
        let terminal = &mut self.terminal;
        let shown = catch_unwind(AssertUnwindSafe(|| terminal.process(bytes)));
        if shown.is_err() {
            let (rows, cols) = self.terminal.screen().size();
            self.terminal = vt100::Parser::new(rows, cols, 0);
        }
    }
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
        Self::run_with(program, arguments, &[])
    }

    /// Starts it in a home that others use too, with more in its environment.
    pub(crate) fn start_in(
        home: &std::path::Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        Self::run_in(env!("CARGO_BIN_EXE_llmdeck"), home, arguments, variables)
    }

    /// Runs another program in a terminal and a home of its own, with more in its environment.
    pub(crate) fn run_with(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut console = Self::run_in(program, home.path(), arguments, variables);
        console.home = Some(home);
        console
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
        let mut writer = pair.master.take_writer().unwrap();
        let (typed, keys) = channel::<Vec<u8>>();
        let (taken, told) = channel();
        thread::spawn(move || {
            for keys in keys {
                let written = writer.write_all(&keys).and_then(|()| writer.flush());
                // Nobody waits for it when the test has failed.
                let _ = taken.send(written);
            }
        });
        let keyboard = (typed, told);
        let written = Arc::new(Mutex::new(Written::new()));
        let stuck = Arc::new(AtomicBool::new(false));
        let (seen, waits) = (Arc::clone(&written), Arc::clone(&stuck));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                let mut seen = seen.lock();
                seen.bytes.extend_from_slice(&bytes[..read]);
                seen.show(&bytes[..read]);
                drop(seen);
                while waits.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(5));
                }
            }
        });
        Self {
            pair,
            child,
            keyboard,
            written,
            stuck,
            before,
            home: None,
        }
    }

    /// Presses keys, as bytes of a terminal.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.0.send(keys.as_bytes().to_vec()).unwrap();
        let taken = self.keyboard.1.recv_timeout(PATIENCE);
        let Ok(taken) = taken else {
            panic!("it reads no keys any more:\n{}", self.screen());
        };
        taken.unwrap();
    }

    /// Returns what the terminal shows, with all its attributes.
    pub(crate) fn terminal(&self) -> vt100::Screen {
        self.written.lock().terminal.screen().clone()
    }

    pub(crate) fn screen(&self) -> String {
        self.written.lock().terminal.screen().contents()
    }

    /// Returns every byte that was written so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.written.lock().bytes.clone()
    }

    /// Forgets what was written and what is shown.
    pub(crate) fn forget(&self) {
        *self.written.lock() = Written::new();
    }

    /// The terminal takes nothing any more, or goes on.
    pub(crate) fn is_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::SeqCst);
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.process_id().unwrap()
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
        let mut written = self.written.lock();
        written.terminal.screen_mut().set_size(rows, cols);
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
        let pid = i32::try_from(self.process_id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sees to it that every mode is off, the cursor is shown and the line discipline is back.
    pub(crate) fn assert_restored(&self) {
        let begun = Instant::now();
        // The last bytes may be on their way.
        while self.terminal().alternate_screen() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        let screen = self.terminal();
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is shown");
        assert!(!screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let written = self.bytes();
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
    // Its frame: the words inside may stand in an answer too.
    console.until_shown(" Keys ─");
    console.press("q");
    console.until("the help is closed", |screen| !screen.contains(" Keys ─"));
    console.press("q");
    assert!(console.ended().success());
    console.assert_restored();
}

#[cfg(unix)]
#[test]
fn a_private_run_leaves_nothing_in_its_home() {
    let home = tempfile::tempdir().unwrap();
    let mut console = Console::start_in(home.path(), &["--private", "demo", "--seed", "7"], &[]);
    console.until_shown("Ask something.");
    console.press("What is a permit?\r");
    console.until_shown("first token");
    console.press("\x03\x03\x04");
    console.signal(rustix::process::Signal::TERM);
    console.ended();
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
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
    console.forget();
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
    console.resize(10, 3);
    console.until_shown("too small");
    console.resize(SIZE.cols, SIZE.rows);
    console.until_shown("Ask something.");
    console.press("\x04");
    assert!(console.ended().success());
    console.assert_restored();
}
