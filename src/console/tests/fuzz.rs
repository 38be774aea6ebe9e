//! Random keys, pastes, clicks, sizes and answers: whatever comes, it draws and goes on.
//!
//! A short run in every `cargo test`; `LLMDECK_FUZZ_SECONDS=60 cargo test fuzz` is a long one. `LLMDECK_FUZZ_SEED` repeats one.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ratatui::crossterm::event::{MouseButton, MouseEventKind};

use super::fake::{Asked, Fake, board};
use super::harness::Harness;
use crate::base::{Chunk, Error, ErrorKind};

const KEYS: &str = "enter esc tab shift-tab up down left right home end pageup pagedown backspace delete ctrl-j ctrl-r \
    ctrl-n ctrl-p ctrl-l ctrl-g ctrl-z ctrl-a ctrl-k ctrl-u ctrl-w ctrl-y ctrl-_ alt-1 alt-2 alt-3 alt-a alt-c alt-e \
    alt-g alt-k alt-m alt-p alt-r alt-s alt-t alt-v alt-w alt-z alt-up alt-down alt-. alt-, f1 space a b c d e f g h i \
    j k l m n o p r s t u v w x y z G J K N R W / : ? + - [ ] { } 1 2 3";
const TEXTS: [&str; 8] = [
    "plain words",
    "/file /etc/hostname",
    "为什么天空是蓝色的？",
    "👩‍👩‍👧 e\u{301} ⚠\u{fe0f}",
    "```rust\nfn main() {}\n",
    "\x1b[31mred\x07 \u{202e}reversed\r\n\0",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n  - y\n",
    "مرحبا ไทย $$\\frac{a}{b}$$ [x][1]\n\n[1]: http://a.b\n",
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

async fn play(console: &Harness, chance: &mut StdRng, running: &mut Vec<Asked>) {
    let keys: Vec<&str> = KEYS.split_whitespace().collect();
    match chance.random_range(0..100) {
        0..60 => {
            let count = chance.random_range(1..6);
            let pressed: Vec<&str> = (0..count)
                .map(|_| keys[chance.random_range(0..keys.len())])
                .collect();
            console.press(&pressed.join(" ")).await;
        }
        60..72 => {
            let text = TEXTS[chance.random_range(0..TEXTS.len())];
            console.type_str(text.trim_matches(char::is_control)).await;
        }
        72..78 => {
            let text = TEXTS[chance.random_range(0..TEXTS.len())];
            console
                .paste(&text.repeat(chance.random_range(1..400)))
                .await;
        }
        78..86 => {
            let kind = [
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::Drag(MouseButton::Left),
                MouseEventKind::Up(MouseButton::Left),
                MouseEventKind::ScrollUp,
                MouseEventKind::ScrollDown,
                MouseEventKind::Down(MouseButton::Right),
            ][chance.random_range(0..6)];
            let (column, row) = (chance.random_range(0..220), chance.random_range(0..70));
            console.mouse(kind, column, row).await;
        }
        86..92 => {
            let (width, height) = (chance.random_range(1..220), chance.random_range(1..70));
            console.resize(width, height).await;
        }
        _ => {
            while console.deck.was_asked() {
                running.push(console.deck.asked());
            }
            let Some(asked) = running.pop() else { return };
            if asked.is_cancelled() {
                return;
            }
            asked.started("openai-a");
            for _ in 0..chance.random_range(0..30) {
                asked.says(TEXTS[chance.random_range(0..TEXTS.len())]);
            }
            asked.send(Chunk::Reasoning(
                "because\n".repeat(chance.random_range(0..9)),
            ));
            match chance.random_range(0..4) {
                0 => asked.done("openai-a"),
                1 => asked.fails(Error::new(ErrorKind::Server, "no")),
                2 => drop(asked),
                _ => running.push(asked),
            }
            console.settle().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fuzz_whatever_is_pressed_pasted_clicked_or_resized_it_goes_on() {
    let seed = number("LLMDECK_FUZZ_SEED").unwrap_or(20_261_123);
    let time = number("LLMDECK_FUZZ_SECONDS").map(Duration::from_secs);
    let rounds = if time.is_some() { usize::MAX } else { 250 };
    // Real time: the clock of tokio stands still here.
    #[expect(
        clippy::disallowed_types,
        reason = "the long run is measured in real time"
    )]
    let begun = std::time::Instant::now();
    let mut chance = StdRng::seed_from_u64(seed);
    let mut console = Harness::start((120, 40), Fake::new(board())).await;
    let mut running = Vec::new();
    for _ in 0..rounds {
        if time.is_some_and(|time| begun.elapsed() > time) {
            break;
        }
        play(&console, &mut chance, &mut running).await;
        if console.has_ended() {
            // Somebody pressed q: that is no fault. A panic fails here.
            console.ended().await;
            console = Harness::start((120, 40), Fake::new(board())).await;
            running.clear();
        }
    }
}
