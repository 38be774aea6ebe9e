//! The line between the real console and its terminal: copying, huge pastes, storms of sizes, a line that is stuck,
//! terminals without colours or Unicode, and tmux in between.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

use super::console_pty::{Console, PATIENCE};

const PROGRAM: &str = env!("CARGO_BIN_EXE_llmdeck");

/// A console at rest, with one answer in it.
fn answered(variables: &[(&str, &str)]) -> Console {
    let mut console =
        Console::run_with(PROGRAM, &["demo", "--rate", "0", "--seed", "7"], variables);
    console.until_shown("Ask something.");
    console.press("What is a permit?\r");
    console.until_shown("› What is a permit?");
    console.until_shown(" tokens · ");
    console
}

/// Takes what was copied out of what was written.
fn copied(written: &str, begin: &str, end: &str) -> Option<String> {
    let (_, rest) = written.split_once(begin)?;
    let (encoded, _) = rest.split_once(end)?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

#[test]
fn an_answer_is_copied_by_way_of_the_terminal_and_it_says_which_way() {
    for (variables, said) in [
        (&[][..], "by OSC 52 to this terminal"),
        (
            &[("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")][..],
            "at your end of the SSH line",
        ),
        (&[("TMUX", "/tmp/tmux-0/default,1,0")][..], "through tmux"),
    ] {
        let mut console = answered(variables);
        console.forget();
        console.press("\x1bc");
        console.until_shown(said);
        let written = String::from_utf8_lossy(&console.bytes()).into_owned();
        let text = copied(&written, "\x1b]52;c;", "\x07").expect("it was sent to the terminal");
        assert!(text.split_whitespace().count() > 3, "{text}");
        let through = copied(&written, "\x1bPtmux;\x1b\x1b]52;c;", "\x07\x1b\\");
        let is_tmux = said == "through tmux";
        assert_eq!(through.is_some(), is_tmux);
        assert!(through.is_none_or(|again| again == text));
        console.press("\x04");
        assert!(console.ended().success());
    }
}

#[test]
fn a_paste_of_a_megabyte_neither_freezes_it_nor_sends_anything() {
    let mut console = Console::start(&["demo", "--rate", "0"]);
    console.until_shown("Ask something.");
    let line = "one line of a log, forty bytes or so ...\r";
    let text = line.repeat((1 << 20) / line.len());
    let begun = Instant::now();
    console.press(&format!("\x1b[200~{text}\x1b[201~"));
    console.press(" and a word");
    console.until_shown("and a word");
    // Milliseconds in fact; a paste that is worked through key by key takes minutes.
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert!(
        console.screen().contains("Ask something."),
        "nothing is sent"
    );
    console.press("\x03");
    console.until("the draft is cleared", |screen| {
        !screen.contains("and a word")
    });
    console.press("\x04");
    assert!(console.ended().success());
    console.assert_restored();
}

#[test]
fn after_a_storm_of_sizes_the_picture_is_whole() {
    let mut console = answered(&[]);
    console.press("a draft");
    console.until_shown("a draft");
    for round in 0_u16..200 {
        console.resize(20 + round * 37 % 150, 5 + round * 13 % 50);
        if round % 16 == 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }
    // A size it has not had is drawn for sure, and so is the one after it.
    console.resize(61, 9);
    console.until_shown("a draft");
    console.resize(110, 30);
    console.until("it is drawn for its size", |screen| {
        screen.contains("a draft") && screen.lines().count() == 30
    });
    settle(&console);
    let before = chat(&console);
    console.press("\x0c");
    settle(&console);
    assert_eq!(
        chat(&console),
        before,
        "nothing is left over from other sizes"
    );
    console.press("\x03\x04");
    console.ended();
    console.assert_restored();
}

/// What stands in the chat; the figures beside it change by time alone.
fn chat(console: &Console) -> Vec<String> {
    let terminal = console.terminal();
    let (rows, _) = terminal.size();
    let shown = terminal.rows(0, 58).take(usize::from(rows));
    shown.skip(1).collect()
}

/// Waits until nothing more is written.
fn settle(console: &Console) {
    let begun = Instant::now();
    let mut length = None;
    while begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(500));
        let now = console.bytes().len();
        if length == Some(now) {
            return;
        }
        length = Some(now);
    }
    panic!("it never comes to rest");
}

/// What is resident, in kilobytes; nothing where that is not told.
fn resident(console: &Console) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", console.process_id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[test]
fn a_line_that_is_stuck_gets_the_last_picture_and_not_all_of_them() {
    let mut console = Console::start(&["demo", "--rate", "20", "--seed", "7"]);
    console.until_shown("Ask something.");
    console.press("Tell me everything.\r");
    console.until_shown("› Tell me everything.");
    console.is_stuck(true);
    let (before, bytes) = (resident(&console), console.bytes().len());
    // Everything goes on behind it, and every key asks for a frame.
    for letter in "typed while nothing moves".chars() {
        console.press(&letter.to_string());
        thread::sleep(Duration::from_millis(100));
    }
    let after = resident(&console);
    console.is_stuck(false);
    console.until_shown("typed while nothing moves");
    let frames = String::from_utf8_lossy(&console.bytes()[bytes..])
        .matches("\x1b[?2026l")
        .count();
    // The one that was on its way, what fitted into the line's own buffer, and the last one; more come once it moves.
    assert!(frames < 60, "{frames} frames");
    if let (Some(before), Some(after)) = (before, after) {
        assert!(after < before + (8 << 10), "{before} kB, then {after} kB");
    }
    console.press("\x03\x03\x04");
    console.signal(rustix::process::Signal::TERM);
    console.ended();
    console.assert_restored();
}

#[test]
fn a_line_that_stays_stuck_does_not_hold_the_end_back() {
    let mut console = Console::start(&["demo", "--rate", "20", "--seed", "7"]);
    console.until_shown("Ask something.");
    console.is_stuck(true);
    for number in 0..200 {
        // More than fits into the line's own buffer.
        console.resize(100 + number % 2, 30);
        thread::sleep(Duration::from_millis(10));
    }
    console.signal(rustix::process::Signal::TERM);
    let begun = Instant::now();
    console.ended();
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
}

#[test]
fn without_colours_selection_and_focus_can_still_be_seen() {
    let mut console = Console::run_with(PROGRAM, &["demo", "--seed", "7"], &[("NO_COLOR", "1")]);
    console.until_shown("Ask something.");
    console.press("\x1b2");
    console.until_shown("on/off");
    let screen = console.terminal();
    let (rows, columns) = screen.size();
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let cells: Vec<&vt100::Cell> = cells
        .filter_map(|(row, column)| screen.cell(row, column))
        .collect();
    let plain = vt100::Color::Default;
    assert!(
        cells
            .iter()
            .all(|cell| cell.fgcolor() == plain && cell.bgcolor() == plain)
    );
    assert!(
        cells.iter().any(|cell| cell.inverse()),
        "the row that is chosen"
    );
    assert!(cells.iter().any(|cell| cell.bold()));
    console.press("q");
    assert!(console.ended().success());
}

#[test]
fn a_terminal_without_unicode_gets_none() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    std::fs::write(&config, "[console]\nascii = true\n").unwrap();
    let config = config.display().to_string();
    let mut console = Console::start(&["--config", &config, "demo", "--seed", "7"]);
    console.until_shown("Ask something.");
    console.press("What is a permit?\r");
    console.until_shown("> What is a permit?");
    console.until_shown(" tokens - ");
    for page in ["\x1b2", "z", "\x1b3", "\x1b4", "\x1b5", "\x1b6", "?"] {
        console.press(page);
        thread::sleep(Duration::from_millis(200));
    }
    console.until_shown("In the log");
    let written = console.bytes();
    let beyond: String = String::from_utf8_lossy(&written)
        .chars()
        .filter(|c| !c.is_ascii())
        .collect();
    assert_eq!(beyond, "");
    console.press("qq");
    assert!(console.ended().success());
}

/// A tmux of its own, ended when dropped.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command
            .args(["-f", "/dev/null", "-S", &self.socket])
            .args(arguments);
        let output = command.env_remove("TMUX").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn until_shown(&self, text: &str) {
        let begun = Instant::now();
        loop {
            let screen = self.run(&["capture-pane", "-p"]);
            if screen.contains(text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{text}:\n{screen}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn in_tmux_it_draws_copies_and_leaves() {
    if Command::new("tmux").arg("-V").output().is_err() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let tmux = Tmux {
        socket: home.path().join("tmux").display().to_string(),
    };
    let start = format!(
        "HOME='{}' '{PROGRAM}' demo --rate 0 --seed 7; echo left; sleep 600",
        home.path().display()
    );
    tmux.run(&[
        "new-session",
        "-d",
        "-x",
        "110",
        "-y",
        "30",
        &start,
        ";",
        "set",
        "-s",
        "set-clipboard",
        "on",
    ]);
    tmux.until_shown("Ask something.");
    tmux.run(&["send-keys", "What is a permit?", "Enter"]);
    tmux.until_shown("› What is a permit?");
    tmux.until_shown(" tokens · ");
    tmux.run(&["send-keys", "M-c"]);
    tmux.until_shown("through tmux");
    let begun = Instant::now();
    while tmux.run(&["show-buffer"]).split_whitespace().count() <= 3 {
        assert!(begun.elapsed() < PATIENCE, "tmux has the text");
        thread::sleep(Duration::from_millis(50));
    }
    tmux.run(&["resize-window", "-x", "70", "-y", "20"]);
    tmux.until_shown("3 Metrics");
    tmux.until_shown(" tokens · ");
    tmux.run(&["send-keys", "C-d"]);
    tmux.until_shown("left");
    assert!(!tmux.run(&["capture-pane", "-p"]).contains("3 Metrics"));
    assert!(Path::new(&tmux.socket).exists());
}
