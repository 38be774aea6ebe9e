//! The program in its pseudo-terminal, and what it costs.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::time::Instant;

const SIZE: PtySize = PtySize {
    rows: 40,
    cols: 120,
    pixel_width: 0,
    pixel_height: 0,
};
const PROGRAM: &str = env!("CARGO_BIN_EXE_llmdeck");
const PATIENCE: Duration = Duration::from_secs(120);
/// How each frame ends.
const END: &[u8] = b"\x1b[?2026l";
/// The question for the terminal's background and kind, and what a dark terminal says.
const QUESTION: &[u8] = b"\x1b[c";
const ANSWER: &[u8] = b"\x1b]11;rgb:1c1c/1c1c/1c1c\x1b\\\x1b[?62;22c";

/// A running console.
pub(crate) struct Program {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keyboard: Arc<Mutex<Box<dyn Write + Send>>>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    begun: Instant,
    _home: tempfile::TempDir,
}

/// What the terminal has seen.
struct Seen {
    terminal: vt100::Parser,
    bytes: u64,
    /// The size of each frame.
    frames: Vec<u64>,
    /// Bytes since the last frame's end, and the last few of them.
    open: u64,
    tail: Vec<u8>,
}

/// Where the meters stand.
pub(crate) struct Meter {
    at: Instant,
    frames: usize,
    cpu: Duration,
    wakes: u64,
}

/// What a stretch of time cost.
pub(crate) struct Watch {
    pub(crate) time: Duration,
    pub(crate) frames: Vec<u64>,
    pub(crate) cpu: Duration,
    pub(crate) wakes: u64,
}

impl Watch {
    pub(crate) fn bytes(&self) -> u64 {
        self.frames.iter().sum()
    }
}

impl Program {
    /// Starts it with a config (none when empty) in a home of its own.
    pub(crate) fn start(config: &str, arguments: &[&str]) -> Self {
        Self::start_with(config, arguments, |_| Vec::new())
    }

    /// The same, after another command of the program in the same home.
    pub(crate) fn start_with(
        config: &str,
        arguments: &[&str],
        before: impl FnOnce(&Path) -> Vec<String>,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        if !config.is_empty() {
            let folder = home.path().join(".config/llmdeck");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("config.toml"), config).unwrap();
        }
        let first = before(home.path());
        if !first.is_empty() {
            let mut command = Command::new(PROGRAM);
            command.args(first).env_clear().env("HOME", home.path());
            assert!(command.status().unwrap().success());
        }
        let pair = native_pty_system().openpty(SIZE).unwrap();
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(arguments);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("LANG", "C.UTF-8");
        command.env("HOME", home.path());
        command.cwd(home.path());
        let begun = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let keyboard = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let seen = Arc::new((
            Mutex::new(Seen {
                terminal: vt100::Parser::new(SIZE.rows, SIZE.cols, 0),
                bytes: 0,
                frames: Vec::new(),
                open: 0,
                tail: Vec::new(),
            }),
            Condvar::new(),
        ));
        let mut output = pair.master.try_clone_reader().unwrap();
        let (read_into, answers) = (Arc::clone(&seen), Arc::clone(&keyboard));
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            let mut asked = false;
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                let bytes = &bytes[..read];
                if !asked && bytes.windows(QUESTION.len()).any(|part| part == QUESTION) {
                    asked = true;
                    answers.lock().write_all(ANSWER).unwrap();
                }
                read_into.0.lock().take(bytes);
                read_into.1.notify_all();
            }
        });
        Self {
            master: pair.master,
            child,
            keyboard,
            seen,
            begun,
            _home: home,
        }
    }

    /// Presses keys, as bytes of a terminal.
    pub(crate) fn press(&self, keys: &str) {
        let mut keyboard = self.keyboard.lock();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    fn wait(&self, from: Instant, what: &str, is_so: impl Fn(&Seen) -> bool) -> Duration {
        let (seen, changed) = &*self.seen;
        let mut seen = seen.lock();
        let waited = Instant::now();
        loop {
            if is_so(&seen) {
                return from.elapsed();
            }
            changed.wait_for(&mut seen, PATIENCE);
            assert!(
                waited.elapsed() < PATIENCE,
                "{what}:\n{}",
                seen.terminal.screen().contents()
            );
        }
    }

    /// Waits for a screen, and tells how long after the start it came.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> Duration {
        self.wait(self.begun, what, |seen| {
            is_so(&seen.terminal.screen().contents())
        })
    }

    pub(crate) fn until_shown(&self, text: &str) {
        self.until(text, |screen| screen.contains(text));
    }

    /// Presses keys and waits for a screen; tells how long it took.
    pub(crate) fn answer(&self, keys: &str, is_so: impl Fn(&str) -> bool) -> Duration {
        let pressed = Instant::now();
        self.press(keys);
        self.wait(pressed, keys, |seen| {
            is_so(&seen.terminal.screen().contents())
        })
    }

    /// Presses keys and waits for the next whole frame; tells how long it took. For a console that is at rest.
    pub(crate) fn next_frame(&self, keys: &str) -> Duration {
        let before = self.seen.0.lock().frames.len();
        let pressed = Instant::now();
        self.press(keys);
        let time = self.wait(pressed, keys, |seen| seen.frames.len() > before);
        // What else it has to say about that key.
        thread::sleep(Duration::from_millis(60));
        time
    }

    /// Gives the terminal another size, and waits for the next whole frame.
    pub(crate) fn resize(&self, cols: u16, rows: u16) -> Duration {
        let before = {
            let mut seen = self.seen.0.lock();
            seen.terminal.screen_mut().set_size(rows, cols);
            seen.frames.len()
        };
        let resized = Instant::now();
        self.master.resize(PtySize { rows, cols, ..SIZE }).unwrap();
        self.wait(resized, "a resize", |seen| seen.frames.len() > before)
    }

    fn process(&self) -> String {
        format!("/proc/{}", self.child.process_id().unwrap())
    }

    fn threads(&self, file: &str) -> Vec<String> {
        let Ok(tasks) = std::fs::read_dir(format!("{}/task", self.process())) else {
            return Vec::new();
        };
        tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join(file)).ok())
            .collect()
    }

    /// Reads the meters.
    pub(crate) fn meter(&self) -> Meter {
        let nanos = self.threads("schedstat");
        let nanos = nanos.iter().filter_map(|text| {
            let first = text.split_whitespace().next()?;
            first.parse::<u64>().ok()
        });
        let wakes = self.threads("status");
        let wakes = wakes.iter().flat_map(|text| text.lines());
        let wakes = wakes.filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Meter {
            at: Instant::now(),
            frames: self.seen.0.lock().frames.len(),
            cpu: Duration::from_nanos(nanos.sum()),
            wakes: wakes
                .filter_map(|count| count.trim().parse::<u64>().ok())
                .sum(),
        }
    }

    /// Tells what was used since the meters were read.
    pub(crate) fn since(&self, before: &Meter) -> Watch {
        let now = self.meter();
        let seen = self.seen.0.lock();
        Watch {
            time: now.at - before.at,
            frames: seen.frames[before.frames..now.frames].to_vec(),
            cpu: now.cpu.saturating_sub(before.cpu),
            wakes: now.wakes.saturating_sub(before.wakes),
        }
    }

    /// Leaves it alone for a while, and tells what that cost.
    pub(crate) fn watch(&self, time: Duration) -> Watch {
        let before = self.meter();
        thread::sleep(time);
        self.since(&before)
    }

    pub(crate) fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("{}/status", self.process()));
        let status = status.unwrap_or_default();
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kilobytes.and_then(|text| text.parse().ok()).unwrap_or(0.0) / 1024.0
    }
}

impl Seen {
    fn take(&mut self, bytes: &[u8]) {
        self.terminal.process(bytes);
        self.bytes += bytes.len() as u64;
        // A mark may be cut in two.
        let known = self.tail.len();
        self.tail.extend_from_slice(bytes);
        let mut counted = 0;
        let ends: Vec<usize> = self
            .tail
            .windows(END.len())
            .enumerate()
            .filter(|(_, part)| *part == END)
            .map(|(at, _)| (at + END.len()).saturating_sub(known))
            .filter(|end| *end > 0)
            .collect();
        for end in ends {
            self.frames.push(self.open + (end - counted) as u64);
            (self.open, counted) = (0, end);
        }
        self.open += (bytes.len() - counted) as u64;
        let keep = self.tail.len().min(END.len() - 1);
        self.tail.drain(..self.tail.len() - keep);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It ends with its terminal in any case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
