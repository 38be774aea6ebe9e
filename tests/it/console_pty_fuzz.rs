//! Random keys, pastes, clicks and sizes on the real console: no panic, no core that spins, and the terminal comes back.
//!
//! A few seconds in every `cargo test`. A minute of it: `cargo test --test it pty_fuzz -- --ignored`, longer with
//! `LLMDECK_FUZZ_SECONDS`, the same again with `LLMDECK_FUZZ_SEED`.

use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use tokio::time::Instant;

use super::console_pty::Console;

const KEYS: [&str; 40] = [
    "\r",
    "\n",
    "\t",
    "\x1b[Z",
    "\x1b",
    "\x1b[A",
    "\x1b[B",
    "\x1b[C",
    "\x1b[D",
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[H",
    "\x1b[F",
    "\x1b[3~",
    "\x7f",
    "\x1b1",
    "\x1b2",
    "\x1b3",
    "\x1b4",
    "\x1b5",
    "\x1b6",
    "\x1bz",
    "\x1bv",
    "\x1bw",
    "\x1bp",
    "\x1bt",
    "\x1bk",
    "\x1bc",
    "\x0c",
    "\x0e",
    "\x0f",
    "\x10",
    "\x12",
    "\x15",
    "\x17",
    "\x19",
    "\x1bOP",
    "\x1b[13;2u",
    "\x1b[27;5;9~",
    "\x1b[",
];
const TEXTS: [&str; 6] = [
    "plain words",
    "为什么",
    "👩‍👩‍👧 é",
    "/file /etc/host*",
    "\x1b[200~pasted\nq\n\x1b[201~",
    "\u{202e}x",
];

fn any<'a>(chance: &mut StdRng, of: &[&'a str]) -> &'a str {
    of.choose(chance).copied().unwrap_or_default()
}

fn some(chance: &mut StdRng) -> String {
    match chance.random_range(0..20) {
        0..8 => any(chance, &KEYS).to_owned(),
        8..10 => any(chance, &TEXTS).to_owned(),
        10 => {
            let text = any(chance, &TEXTS).repeat(chance.random_range(1..300));
            format!("\x1b[200~{text}\x1b[201~")
        }
        11..13 => {
            let (button, end) = (
                chance.random_range(0..70),
                if chance.random_bool(0.5) { 'M' } else { 'm' },
            );
            let (column, row) = (chance.random_range(1..220), chance.random_range(1..70));
            format!("\x1b[<{button};{column};{row}{end}")
        }
        // What leaves is pressed at the end: not q, Ctrl-C, Ctrl-D, Ctrl-Z.
        _ => {
            let key = char::from(chance.random_range(b' '..=b'~'));
            if key == 'q' {
                String::new()
            } else {
                key.to_string()
            }
        }
    }
}

/// How long the program has used a processor; nothing where that is not told.
fn processor_time(console: &Console) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", console.process_id())).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Waits until it uses no more than half a processor for a second: what has been pressed may take a while.
fn rests(console: &Console) -> bool {
    const SECOND: Duration = Duration::from_secs(1);
    (0..30).any(|_| {
        let before = processor_time(console);
        thread::sleep(SECOND);
        match before.zip(processor_time(console)) {
            Some((before, after)) => after.saturating_sub(before) < SECOND / 2,
            None => true,
        }
    })
}

fn fuzz(seed: u64, time: Duration) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut console = Console::start(&["demo", "--seed", "7"]);
    console.until_shown("Ask something.");
    let begun = Instant::now();
    while begun.elapsed() < time && !console.has_ended() {
        let keys: String = (0..chance.random_range(1..40))
            .map(|_| some(&mut chance))
            .collect();
        console.press(&keys);
        if chance.random_ratio(1, 5) {
            console.resize(chance.random_range(1..200), chance.random_range(1..60));
        }
        thread::sleep(Duration::from_millis(chance.random_range(0..40)));
    }
    if console.has_ended() {
        assert!(
            console.ended().success(),
            "it only ends when it is asked to"
        );
    } else {
        console.press(&"\x1b".repeat(9));
        console.resize(110, 30);
        assert!(rests(&console), "it spins");
        console.signal(Signal::TERM);
        assert_eq!(
            console.ended().exit_code(),
            128 + Signal::TERM.as_raw() as u32
        );
    }
    console.assert_restored();
    let written = console.bytes();
    assert!(!String::from_utf8_lossy(&written).contains("panicked"));
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn pty_fuzz_whatever_is_pressed_the_terminal_comes_back() {
    fuzz(7, Duration::from_secs(2));
}

/// Another seed each time; it is printed, and repeats the run.
#[test]
#[ignore = "takes a minute"]
fn pty_fuzz_for_a_minute() {
    let seed = number("LLMDECK_FUZZ_SEED").unwrap_or_else(rand::random);
    println!("LLMDECK_FUZZ_SEED={seed}");
    fuzz(
        seed,
        Duration::from_secs(number("LLMDECK_FUZZ_SECONDS").unwrap_or(60)),
    );
}
