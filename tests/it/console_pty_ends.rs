//! The real console in a pseudo-terminal, where it leaves and comes back: a shell's job control, an editor, a panic,
//! signals in the middle of an answer, and a terminal that vanishes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use llmdeck::base::{
    Board, Changed, ChatRequest, ChatStream, Command, DeckEvent, Error, Failures, LlmMetrics,
    Sample, Scope, Series,
};
use llmdeck::console;
use llmdeck::deck::{Deck, DeckSource};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::console_pty::{Console, PATIENCE};

/// The terminal is a shell's again: no alternate screen, no mouse, no paste mode, the cursor is shown.
fn is_given_back(console: &Console) -> bool {
    let screen = console.terminal();
    !screen.alternate_screen()
        && !screen.hide_cursor()
        && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
}

fn shell() -> Option<Console> {
    if !Path::new("/bin/bash").exists() {
        return None;
    }
    let mut console = Console::run("/bin/bash", &["--norc", "--noprofile", "-i"]);
    console.press("PS1='ready> '\r");
    console.until("the shell is ready", |screen| {
        screen.lines().any(|line| line.trim_end() == "ready>")
    });
    Some(console)
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_the_picture_back() {
    let Some(mut console) = shell() else { return };
    let program = env!("CARGO_BIN_EXE_llmdeck");
    console.press(&format!("'{program}' demo --rate 0\r"));
    console.until_shown("Ask something.");
    console.press("a draft");
    console.until_shown("a draft");
    console.press("\x1a");
    console.until("the shell is back", |screen| {
        screen.contains("Stopped") && !screen.contains("Ask something.")
    });
    assert!(is_given_back(&console));
    console.press("echo a$((40+2))b\r");
    console.until_shown("a42b");
    console.press("fg\r");
    console.until_shown("Ask something.");
    console.until_shown("a draft");
    console.press(" goes on");
    console.until_shown("a draft goes on");
    // Once more: the second time must be as clean as the first.
    console.press("\x1a");
    console.until("the shell is back", |screen| {
        !screen.contains("Ask something.")
    });
    assert!(is_given_back(&console));
    console.press("fg\r");
    console.until_shown("a draft goes on");
    console.press("\x03");
    console.until("the draft is cleared", |screen| !screen.contains("a draft"));
    console.press("\x04");
    console.until("the shell is back", |screen| {
        !screen.contains("Ask something.")
    });
    assert!(is_given_back(&console));
    console.press("exit\r");
    console.ended();
}

#[test]
fn the_editor_has_the_terminal_and_its_keys_and_the_text_comes_back() {
    let home = tempfile::tempdir().unwrap();
    // An editor that shows what it was given, reads a line from the terminal, and adds it.
    let editor = home.path().join("ed.sh");
    let script =
        "echo EDITING; cat \"$1\"; echo; IFS= read -r line; printf '%s' \"$line\" >> \"$1\"\n";
    std::fs::write(&editor, script).unwrap();
    let editor = format!("sh '{}'", editor.display());
    let variables = [
        ("EDITOR", editor.as_str()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ];
    let program = env!("CARGO_BIN_EXE_llmdeck");
    let mut console = Console::run_with(program, &["demo", "--rate", "0"], &variables);
    console.until_shown("Ask something.");
    // Twice: the second time must be as clean as the first.
    for round in ["one", "two"] {
        console.press(&format!("the {round} "));
        console.until_shown(&format!("the {round}"));
        console.press("\x07");
        console.until("the editor is open", |screen| {
            screen.contains("EDITING")
                && screen.contains(&format!("the {round}"))
                && !screen.contains("Ask something.")
        });
        assert!(is_given_back(&console));
        // Keys that would mean something to the console are the editor's.
        console.press(&format!("qqq {round} end\r"));
        console.until("the text is back", |screen| {
            screen.contains("Ask something.") && screen.contains(&format!("qqq {round} end"))
        });
        console.press(" ");
    }
    console.until_shown("the one qqq one end the two qqq two end");
    console.press("\x03");
    console.until("the draft is cleared", |screen| !screen.contains("qqq"));
    console.press("\x04");
    assert!(console.ended().success());
    console.assert_restored();
}

/// Asks, and waits until the answer comes in.
fn in_the_middle_of_an_answer() -> Console {
    let mut console = Console::start(&["demo", "--seed", "7"]);
    console.until_shown("Ask something.");
    console.press("Tell me everything.\r");
    console.until_shown("› Tell me everything.");
    console.until_shown(" stops");
    console
}

#[test]
fn a_signal_in_the_middle_of_an_answer_ends_it_and_the_terminal_is_as_before() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut console = in_the_middle_of_an_answer();
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

/// The other side of the next test: a terminal with the console in it, which tells its number and waits to be killed.
#[test]
#[ignore = "run by a_terminal_that_vanishes_ends_it, as another process"]
fn a_terminal_that_will_vanish() {
    let console = in_the_middle_of_an_answer();
    let told = std::env::var_os("TOLD").unwrap();
    std::fs::write(told, console.process_id().to_string()).unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_vanishes_ends_it() {
    let home = tempfile::tempdir().unwrap();
    let told = home.path().join("told");
    let name = "console_pty_ends::a_terminal_that_will_vanish";
    let mut terminal = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored"])
        .env("TOLD", &told)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let number = loop {
        if let Ok(number) = std::fs::read_to_string(&told)
            && !number.is_empty()
        {
            break number;
        }
        assert!(begun.elapsed() < 4 * PATIENCE, "it came up");
        std::thread::sleep(Duration::from_millis(20));
    };
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let begun = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        // Gone, or dead and not yet looked at by whoever took it over.
        if status.is_empty() || status.contains(") Z ") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it goes on: {status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A deck that breaks when it is asked.
struct Broken(broadcast::Sender<DeckEvent>);

impl DeckSource for Broken {
    fn chat(&self, _: ChatRequest) -> ChatStream {
        panic!("the deck broke on purpose")
    }
    fn board(&self) -> Arc<Board> {
        Arc::default()
    }
    fn series(&self, _: &Scope, _: Duration, _: usize) -> Series {
        Series::default()
    }
    fn window_metrics(&self, _: &Scope, _: Duration) -> LlmMetrics {
        LlmMetrics::default()
    }
    fn requests(&self, _: usize) -> Vec<Arc<Sample>> {
        Vec::new()
    }
    fn failures(&self, _: usize) -> Failures {
        Failures::default()
    }
    fn subscribe(&self) -> broadcast::Receiver<DeckEvent> {
        self.0.subscribe()
    }
    fn command(&self, _: Command, _: &str) -> BoxFuture<'static, Result<Changed, Error>> {
        async {
            Ok(Changed {
                what: String::new(),
                undo: None,
            })
        }
        .boxed()
    }
}

/// The other side of the next test: this test binary itself, in a terminal of its own.
#[tokio::test]
#[ignore = "run by a_panic_gives_the_terminal_back_and_says_what_happened, in a terminal"]
async fn a_console_over_a_broken_deck() {
    let (events, _) = broadcast::channel(4);
    let deck = Deck::new(Broken(events));
    let ended = console::start(
        deck,
        console::Settings::default(),
        console::Context::default(),
    );
    ended.await.unwrap();
}

#[test]
fn a_panic_gives_the_terminal_back_and_says_what_happened() {
    let program = std::env::current_exe().unwrap();
    let name = "console_pty_ends::a_console_over_a_broken_deck";
    let mut console = Console::run(
        program.to_str().unwrap(),
        &[name, "--exact", "--ignored", "--nocapture"],
    );
    console.until_shown("Ask something.");
    console.press("hello\r");
    let status = console.ended();
    assert!(!status.success());
    console.assert_restored();
    console.until_shown("the deck broke on purpose");
}
