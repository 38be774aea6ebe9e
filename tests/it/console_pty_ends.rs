//! The real console in a pseudo-terminal, where it leaves and comes back: a shell's job control, a panic, and
//! random bytes.

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
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::console_pty::Console;

/// The terminal is a shell's again: no alternate screen, no mouse, no paste mode, the cursor is shown.
fn is_given_back(console: &Console) -> bool {
    let terminal = console.terminal();
    let screen = terminal.screen();
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

#[test]
fn random_bytes_do_not_break_it_and_the_terminal_comes_back() {
    let seconds = std::env::var("LLMDECK_FUZZ_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let mut chance = StdRng::seed_from_u64(7);
    let mut console = Console::start(&["demo", "--seed", "7"]);
    console.until_shown("Ask something.");
    let begun = Instant::now();
    let most = Duration::from_secs(seconds.unwrap_or(2));
    while begun.elapsed() < most {
        let bytes: String = (0..chance.random_range(1..40))
            .map(|_| match chance.random_range(0..12) {
                0 => "\x1b[200~pasted\nq\n\x1b[201~".to_owned(),
                1 => format!(
                    "\x1b[<0;{};{}M",
                    chance.random_range(1..120),
                    chance.random_range(1..40)
                ),
                2 => "\x1b[A".to_owned(),
                3 => "\x1b2".to_owned(),
                4 => "\x1b".to_owned(),
                5 => "\r".to_owned(),
                _ => char::from(chance.random_range(b' '..b'~')).to_string(),
            })
            // What leaves is pressed at the end.
            .filter(|keys| keys != "q")
            .collect();
        console.press(&bytes);
        if chance.random_ratio(1, 5) {
            console.resize(chance.random_range(5..200), chance.random_range(3..60));
        }
        std::thread::sleep(Duration::from_millis(20));
        if console.has_ended() {
            break;
        }
    }
    if !console.has_ended() {
        console.signal(rustix::process::Signal::TERM);
    }
    console.ended();
    console.assert_restored();
}
